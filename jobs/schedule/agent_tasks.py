"""The only code that sends to a host's queue: short commands, by task name. A message is only a
hint, which the heartbeat repeats within seconds: a broker outage is never an error."""

import logging
import time
from functools import cache

from celery import Celery
from django.conf import settings
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from jobs.base.valkey import for_celery

logger = logging.getLogger(__name__)

VISIBILITY_TIMEOUT_S = 86_400
# Max commands in the queue of a host that takes none; the heartbeat repeats what is left out.
QUEUE_MAX = 1_000
_TIMEOUT_S = 0.5
# Pause after a failure, so that a page with five jobs waits once, not five times, for an
# unreachable broker.
_PAUSE_S = 3.0
_paused_until = 0.0


@cache
def producer(redis_url: str) -> Celery:
    """A Celery app for sending only. One per process and address."""
    app = Celery("jobs.schedule.agent_tasks", broker=for_celery(redis_url), set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_timeout=_TIMEOUT_S,
        broker_connection_max_retries=0,
        task_publish_retry=False,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_timeout": _TIMEOUT_S,
            "socket_connect_timeout": _TIMEOUT_S,
            "max_retries": 0,
        },
    )
    return app


def send(host: str, command: str, number: int) -> None:
    """Send "start" or "stop" of a job, "serve" or "stop_serve" of a deployment, "check" of a
    preflight, by its ``number``. An unreachable broker is logged."""
    global _paused_until
    url = settings.REDIS_URL
    if not url or time.monotonic() < _paused_until:
        return
    app, name = producer(url), f"host.{host}"
    try:
        with app.pool.acquire(block=True) as connection:
            if connection.default_channel.queue_declare(name).message_count < QUEUE_MAX:
                # Nothing is declared: a host could change a table of bindings.
                app.send_task(
                    f"host.{command}",
                    args=(number,),
                    queue=name,
                    declare=[],
                    connection=connection,
                    retry=False,
                )
    except (KombuError, OperationalError, RedisError, OSError) as error:
        _paused_until = time.monotonic() + _PAUSE_S
        logger.warning("%s %s not sent to %s: %s", command, number, host, error)
