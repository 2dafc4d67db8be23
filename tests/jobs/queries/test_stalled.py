"""A running job without new output is stalled, and never declared dead."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs import logstore, notifications
from jobs.queries.jobs.progress import stalled_since
from jobs.services.upkeep import reaper
from tests.factories import make_job

pytestmark = pytest.mark.django_db

FIGURES = {"done": 5.0, "total": 9.0, "unit": "MB"}


def ago(minutes: float):
    return now() - timedelta(minutes=minutes)


def job_of(since, log=b"", **figures):
    """A running job whose figures are of ``since``."""
    figures = {**FIGURES, "since": since.timestamp(), **figures}
    job = make_job(state="running", started_at=ago(60), progress=figures)
    if log:
        logstore.store().append(f"job/{job.pk}", 0, log)
    return job


def test_unchanged_figures_count_as_stalled():
    since = ago(11)

    assert stalled_since(job_of(since)) == since
    assert stalled_since(job_of(ago(9))) is None


def test_a_bar_that_is_drawn_again_and_again_hides_no_stall():
    assert stalled_since(job_of(ago(11), b"[#1 0B/9MB CN:4 DL:0B]\n")) is not None
    since = ago(11)
    redrawn = job_of(since, b"still trying\n", drawn=ago(0.5).timestamp())
    assert stalled_since(redrawn) == since


def test_new_lines_after_figures_are_not_stalled():
    job = job_of(ago(11), b"reading the tokenizer\n", drawn=ago(9).timestamp())

    assert stalled_since(job) is None
    assert stalled_since(job, now() + timedelta(minutes=11)) > ago(1)


def test_without_figures_the_last_bytes_of_the_log_count():
    job = make_job(state="running", started_at=ago(60))
    assert stalled_since(job) == job.started_at
    logstore.store().append(f"job/{job.pk}", 0, b"hello\n")

    assert stalled_since(job) is None
    assert stalled_since(job, now() + timedelta(minutes=11)) is not None


@pytest.mark.parametrize("state", ["queued", "starting", "failed", "succeeded"])
def test_only_a_job_that_runs_is_silent(state):
    assert stalled_since(make_job(state=state)) is None


def test_pages_are_notified_of_a_stalled_job_that_runs_on(monkeypatch):
    heard = []
    monkeypatch.setattr(
        notifications, "notify", lambda topic, **about: heard.append((topic, about))
    )
    stalled, busy = job_of(ago(11)), job_of(ago(1))

    reaper.reap()

    assert [about["id"] for topic, about in heard if topic == "job"] == [stalled.pk]
    for job in (stalled, busy):
        job.refresh_from_db()
        assert job.state == "running"
