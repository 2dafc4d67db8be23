"""The Celery app of the dashboard's worker.

Hosts have an app of their own (``jobs.host.agent.app``); nothing here runs on one. Why these
settings: docs/decisions.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402 -- after the setup

from dashboard.server.scheduler import QUEUE  # noqa: E402
from jobs.base.valkey import for_celery  # noqa: E402
from jobs.schedule.agent_tasks import VISIBILITY_TIMEOUT_S  # noqa: E402

app = Celery("dashboard", broker=for_celery(settings.REDIS_URL), include=["dashboard.tasks"])
app.conf.update(
    task_default_queue=QUEUE,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    # A task that is taken is gone from the queue: a second delivery of one that ran for long would
    # run it twice. What a killed worker leaves undone the next round does.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=5.0,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    visibility_timeout=VISIBILITY_TIMEOUT_S,
)
