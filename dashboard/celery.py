"""The dashboard's own Celery app: schedules and housekeeping, on the queue ``dashboard``.

Hosts have an app of their own (``jobs.host.app``); nothing here runs on one. Why these settings:
docs/decisions.md.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402 -- after the setup

from jobs.hostqueue import VISIBILITY_TIMEOUT_S, broker_url  # noqa: E402
from jobs.services.reaper import ROUND_S  # noqa: E402

QUEUE = "dashboard"

app = Celery("dashboard", broker=broker_url(settings.REDIS_URL), include=["dashboard.tasks"])
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
    beat_schedule_filename=str(settings.DATA_DIR / "celerybeat-schedule"),
    beat_schedule={
        "sweep": {
            "task": "dashboard.sweep",
            "schedule": ROUND_S,
            # What a worker that was away did not do is not done twice.
            "options": {"expires": ROUND_S},
        },
    },
)
