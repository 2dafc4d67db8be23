"""The host's own Celery app: short commands from the dashboard, on the queue ``host.<name>``.

``celery -A jobs.host.agent.app worker`` runs it; :mod:`jobs.host.agent.worker` does so beside the
agent.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from celery import Celery

from jobs.host.base import config as configs

VISIBILITY_TIMEOUT_S = 86_400  # in all three places that kombu and celery read
CONFIG = configs.load()


def broker_url(redis_url: str) -> str:
    """Celery's spelling: ``unix:///path?db=1`` is ``redis+socket:///path?virtual_host=1``."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = parts.query.replace("db=", "virtual_host=") or "virtual_host=0"
    return f"redis+socket://{parts.netloc}{parts.path}?{query}"


app = Celery("jobs.host", broker=broker_url(CONFIG.redis_url), include=["jobs.host.agent.tasks"])
app.conf.update(
    accept_content=["json"],
    broker_connection_max_retries=None,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    enable_utc=True,
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    task_acks_late=False,
    task_create_missing_queues=True,
    task_default_queue=f"host.{CONFIG.name}",
    task_ignore_result=True,
    task_reject_on_worker_lost=False,
    task_serializer="json",
    visibility_timeout=VISIBILITY_TIMEOUT_S,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_disable_prefetch=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=5.0,
)
