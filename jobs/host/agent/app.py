"""The host's own Celery app: short commands from the dashboard, on the queue ``host.<name>``.

``celery -A jobs.host.agent.app worker`` runs it; :mod:`jobs.host.agent.worker` does so beside the
agent. Its Valkey user may read this queue and write nothing (``jobs.access.valkey_users``), so it
uses neither kombu's other keys nor scripts.
"""

from __future__ import annotations

from celery import Celery

from jobs.base.redis_addresses import for_celery
from jobs.host.base import config as configs

CONFIG = configs.load()
QUEUE = f"host.{CONFIG.name}"

app = Celery("jobs.host", broker=for_celery(CONFIG.redis_url), include=["jobs.host.agent.tasks"])
app.conf.update(
    accept_content=["json"],
    broker_connection_max_retries=None,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # Without a list of unacknowledged messages, its lock and its script: a lost hint is
        # repeated by the heartbeat.
        "ack_emulation": False,
        # One key for the queue instead of four.
        "priority_steps": [0],
    },
    enable_utc=True,
    task_acks_late=False,
    task_default_exchange="",
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # The nameless exchange needs no table of bindings.
    task_queues={QUEUE: {"exchange": "", "routing_key": QUEUE}},
    task_reject_on_worker_lost=False,
    task_serializer="json",
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_disable_prefetch=True,
    # Broadcasts to workers need a channel that all share, and a script.
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=5.0,
)
