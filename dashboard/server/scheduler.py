"""The Celery app of the scheduler: it sends the names of periodic tasks to the dashboard's worker.

It imports no task and no model: a process with them costs 65 MB and a second more. Its command says
where the broker is (``CELERY_BROKER_URL``) and where the times of the last rounds are kept.
"""

from datetime import datetime
from typing import Any

from celery import Celery
from celery.beat import PersistentScheduler
from celery.schedules import schedstate, schedule

from jobs.services.upkeep import PACKING_S, RETENTION_S, SWEEP_S

QUEUE = "dashboard"


class SteadyScheduler(PersistentScheduler):  # type: ignore[misc]  # Celery has no types
    """Celery's own stands still after the clock was put back, because its heap has the moments at
    which something is due."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._last_tick = 0.0
        super().__init__(*args, **kwargs)

    def _create_schedule(self) -> None:
        """Begin anew where another version kept the times: they name its classes."""
        try:
            super()._create_schedule()
        except Exception as error:  # whatever reading the classes of others raises
            self._store = self._destroy_open_corrupted_schedule(error)
            super()._create_schedule()

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


app = Celery("scheduler", set_as_current=False)
app.conf.update(
    task_default_queue=QUEUE,
    broker_connection_max_retries=None,
    worker_log_format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    beat_scheduler="dashboard.server.scheduler:SteadyScheduler",
    beat_schedule={
        # What a worker that was away did not do is not done twice.
        name: {
            "task": f"dashboard.{name}",
            "schedule": Every(round_s, app=app),
            "options": {"expires": round_s},
        }
        for name, round_s in (
            ("sweep", SWEEP_S),
            ("pack_logs", PACKING_S),
            ("apply_retention", RETENTION_S),
        )
    },
)
