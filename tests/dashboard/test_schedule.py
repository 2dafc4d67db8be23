"""The dashboard's own schedule, as its scheduler process asks it."""

from datetime import timedelta

from dashboard.celery import app
from jobs.services import packing, retention
from jobs.services.reaper import ROUND_S


def due_after(passed: timedelta, name: str = "sweep"):
    found = app.conf.beat_schedule[name]["schedule"]
    return found.is_due(app.now() - passed)


def test_the_sweep_is_due_every_ten_seconds():
    assert due_after(timedelta(seconds=ROUND_S + 1)).is_due
    assert not due_after(timedelta(seconds=1)).is_due


def test_the_sweep_goes_on_after_the_clock_was_put_back():
    assert due_after(timedelta(hours=-1)) == (True, ROUND_S)


def test_logs_are_packed_by_a_task_of_their_own():
    entry = app.conf.beat_schedule["pack_logs"]
    app.loader.import_default_modules()

    assert entry["task"] in app.tasks
    assert entry["schedule"].seconds == packing.ROUND_S > packing.WORK_S


def test_retention_is_due_every_five_minutes():
    assert due_after(timedelta(seconds=retention.ROUND_S + 1), "tidy").is_due
    assert not due_after(timedelta(seconds=retention.ROUND_S / 2), "tidy").is_due
