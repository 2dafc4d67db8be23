"""The dashboard's own Celery app: its queue and its periodic tasks.

Hosts have an app of their own (``jobs.host.agent.app``); nothing here runs on one. Why these
settings: docs/decisions.
"""

import os
from datetime import datetime
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler
from celery.schedules import schedstate, schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402 -- after the setup

from jobs.base.valkey import for_celery  # noqa: E402
from jobs.schedule.agent_tasks import VISIBILITY_TIMEOUT_S  # noqa: E402
from jobs.services.upkeep import packing, reaper, retention  # noqa: E402

QUEUE = "dashboard"


class SteadyScheduler(PersistentScheduler):  # type: ignore[misc]  # Celery has no types
    """Celery's own stands still after the clock was put back, because its heap has the moments at
    which something is due."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._last_tick = 0.0
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        moment = self.app.now().timestamp()
        if moment < self._last_tick:
            self._heap = None  # made anew of what was sent when
        self._last_tick = moment
        return float(super().tick(*args, **kwargs))


class Every(schedule):  # type: ignore[misc]  # Celery has no types
    """Due every so many seconds, and at once where the last time is yet to come."""

    def is_due(self, last_run_at: datetime) -> Any:
        if self.maybe_make_aware(last_run_at) > self.now():
            return schedstate(is_due=True, next=self.seconds)
        return super().is_due(last_run_at)


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
    beat_scheduler="dashboard.celery:SteadyScheduler",
    beat_schedule_filename=str(settings.DATA_DIR / "celerybeat-schedule"),
    beat_schedule={
        # What a worker that was away did not do is not done twice.
        name: {
            "task": f"dashboard.{name}",
            "schedule": Every(round_s),
            "options": {"expires": round_s},
        }
        for name, round_s in (
            ("sweep", reaper.ROUND_S),
            ("pack_logs", packing.ROUND_S),
            ("apply_retention", retention.ROUND_S),
        )
    },
)
