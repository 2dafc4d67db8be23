"""The dashboard's own schedule, as its scheduler process asks it."""

from datetime import timedelta

from dashboard.celery import app
from jobs.services import packing
from jobs.services.reaper import ROUND_S


def due_after(passed: timedelta):
    sweep = app.conf.beat_schedule["sweep"]["schedule"]
    return sweep.is_due(app.now() - passed)


def test_the_sweep_is_due_every_ten_seconds():
    assert due_after(timedelta(seconds=ROUND_S + 1)).is_due
    assert not due_after(timedelta(seconds=1)).is_due


def test_the_sweep_goes_on_after_the_clock_was_put_back():
    assert due_after(timedelta(hours=-1)) == (True, ROUND_S)


def test_logs_are_packed_once_a_minute():
    entry = app.conf.beat_schedule["pack_logs"]
    assert entry["task"] in app.tasks or "dashboard.tasks" in app.conf.include
    assert entry["schedule"].is_due(app.now() - timedelta(seconds=61)).is_due
    assert not entry["schedule"].is_due(app.now() - timedelta(seconds=50)).is_due
    assert packing.WORK_S < packing.ROUND_S
