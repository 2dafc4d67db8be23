"""The dashboard's own schedule, as its scheduler process asks it."""

import dbm
from datetime import timedelta

import pytest
from celery import Celery
from celery.utils.imports import symbol_by_name

from dashboard import tasks
from dashboard.server.scheduler import QUEUE, app
from jobs.services.upkeep import PACKING_S, RETENTION_S, SWEEP_S, packing


def due_after(passed: timedelta, name: str = "sweep"):
    schedule = app.conf.beat_schedule[name]["schedule"]
    return schedule.is_due(app.now() - passed)


def test_the_sweep_is_due_every_ten_seconds():
    assert due_after(timedelta(seconds=SWEEP_S + 1)).is_due
    assert not due_after(timedelta(seconds=1)).is_due


def test_the_sweep_goes_on_after_the_clock_was_put_back():
    assert due_after(timedelta(hours=-1)) == (True, SWEEP_S)


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """The scheduler as the app names it, that sends nothing but its tasks' names to ``sent``."""
    moment = [app.now()]
    monkeypatch.setattr(Celery, "now", lambda self: moment[0])
    made = symbol_by_name(app.conf.beat_scheduler)(
        app=app, schedule_filename=str(tmp_path / "schedule"), lazy=False
    )
    made.sent, made.moment, made.producer = [], moment, None
    monkeypatch.setattr(made, "apply_entry", lambda entry, **kwargs: made.sent.append(entry.name))
    yield made
    made.close()


def test_times_that_another_version_kept_are_begun_anew(tmp_path):
    file = tmp_path / "schedule"
    with dbm.open(str(file), "c") as kept:
        kept[b"entries"] = b"cdashboard.gone\nEvery\n."  # a pickled class, by its name

    made = symbol_by_name(app.conf.beat_scheduler)(app=app, schedule_filename=str(file))

    assert set(made.schedule) >= set(app.conf.beat_schedule)
    made.close()


def ticks(scheduler, seconds):
    """Return the ticks of so many seconds, as the scheduler's process sends them."""
    scheduler.sent.clear()
    end = scheduler.moment[0] + timedelta(seconds=seconds)
    while scheduler.moment[0] < end:
        scheduler.moment[0] += timedelta(seconds=max(scheduler.tick(), 0.001))
    return set(scheduler.sent)


@pytest.mark.parametrize("back_s", [0.0, 90.0, 3600.0])
def test_all_goes_on_when_the_clock_is_put_back(scheduler, back_s):
    assert {"sweep", "pack_logs", "apply_retention"} <= ticks(scheduler, 700)

    scheduler.moment[0] -= timedelta(seconds=back_s)

    assert "sweep" in ticks(scheduler, 2 * SWEEP_S)
    assert {"sweep", "pack_logs", "apply_retention"} <= ticks(scheduler, 700)


def test_the_dashboards_worker_has_every_task_of_the_schedule_and_takes_its_queue():
    worker = tasks.app

    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(worker.tasks)
    assert app.conf.task_default_queue == worker.conf.task_default_queue == QUEUE


def test_logs_are_packed_for_a_part_of_a_round():
    assert app.conf.beat_schedule["pack_logs"]["schedule"].seconds == PACKING_S > packing.WORK_S


def test_retention_is_due_every_five_minutes():
    assert due_after(timedelta(seconds=RETENTION_S + 1), "apply_retention").is_due
    assert not due_after(timedelta(seconds=RETENTION_S / 2), "apply_retention").is_due
