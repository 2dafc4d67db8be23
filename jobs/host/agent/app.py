"""The host's own Celery app: short commands from the dashboard, on the queue ``host.<name>``.

``celery -A jobs.host.agent.app worker`` runs it; :mod:`jobs.host.agent.worker` does so beside the
agent. Its Valkey user may read this queue and write nothing (``jobs.access.valkey_users``), so it
uses neither kombu's other keys nor scripts. A message only notifies: each task is short and
repeatable.
"""

import logging

from celery import Celery
from celery.signals import worker_ready

from jobs.base.valkey import for_celery
from jobs.host.base import config as configs
from jobs.host.base.client import Client, Unreachable
from jobs.host.claim import claim
from jobs.host.run import spawn

CONFIG = configs.load()
CLIENT = Client(CONFIG)
QUEUE = f"host.{CONFIG.name}"
log = logging.getLogger(__name__)

app = Celery("jobs.host", broker=for_celery(CONFIG.redis_url))
app.conf.update(
    accept_content=["json"],
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # Without a list of unacknowledged messages, its lock and its script: a lost hint is
        # repeated by the heartbeat.
        "ack_emulation": False,
        # One key for the queue instead of four.
        "priority_steps": [0],
    },
    task_default_exchange="",
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # The nameless exchange needs no table of bindings.
    task_queues={QUEUE: {"exchange": "", "routing_key": QUEUE}},
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_disable_prefetch=True,
    # Broadcasts to workers need a channel that all share, and a script.
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=5.0,
)


@worker_ready.connect  # type: ignore[untyped-decorator]
def stand_by(**_: object) -> None:
    spawn.STANDBY.prepare()


@app.task(name="host.start")  # type: ignore[untyped-decorator]
def start(job_id: int) -> None:
    try:
        claim.claim_job(CONFIG, CLIENT, job_id)
    except Unreachable as error:  # the heartbeat will name it again
        log.warning("job %s: %s", job_id, error)
    spawn.STANDBY.prepare()


@app.task(name="host.serve")  # type: ignore[untyped-decorator]
def serve(deployment_id: int) -> None:
    try:
        claim.claim_deployment(CONFIG, CLIENT, deployment_id)
    except Unreachable as error:
        log.warning("server %s: %s", deployment_id, error)


def wake(_number: int) -> None:
    """Make the agent send a heartbeat now, by a file in HOST_DIR whose times change. The agent asks
    the dashboard what to stop or check, because a message may be old, and of another dashboard that
    used the same Redis."""
    path = CONFIG.dir / "wakeup"
    # A new file has a new inode: two wake-ups within one tick of the file system's clock differ.
    new = path.with_name(f".{path.name}.new")
    new.touch()
    new.replace(path)


for _name in ("host.stop", "host.stop_serve", "host.check"):
    app.task(wake, name=_name)
