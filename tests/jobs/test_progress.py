import pytest

from jobs import logstore
from jobs.models import Job
from jobs.services import progress
from tests.factories import make_job

pytestmark = pytest.mark.django_db
LINES = b"[   7/ 272] blk.0.attn_v.weight ...\n"


@pytest.fixture(autouse=True)
def nothing_looked_at(monkeypatch):
    monkeypatch.setattr(progress, "_looked_at", {})


def log(job, text: bytes) -> None:
    key = f"job/{job.pk}"
    size = logstore.store().append(key, logstore.store().size(key), text)
    progress.look_at(job, size)
    job.refresh_from_db()


def test_the_end_of_a_log_says_how_far_the_job_is():
    job = make_job(kind="compile", state="running")

    log(job, LINES)

    assert job.progress == {"done": 7, "total": 272, "unit": "tensors"}


def test_a_log_is_looked_at_once_a_second():
    job = make_job(kind="compile", state="running")
    log(job, LINES)

    log(job, LINES.replace(b"7/", b"9/"))
    assert job.progress["done"] == 7

    progress._looked_at[job.pk] -= progress.EVERY_S
    log(job, b"")
    assert job.progress["done"] == 9


def test_a_log_that_does_not_tell_changes_nothing():
    job = make_job(kind="compile", state="running", progress={"done": 1})

    log(job, b"hello\n")

    assert job.progress == {"done": 1}


def test_what_the_step_before_printed_does_not_tell_how_far_this_one_is():
    job = make_job(kind="compile", state="running")
    log(job, LINES)
    job.steps.update_or_create(index=1, defaults={"name": "b", "log_from": len(LINES)})
    Job.objects.filter(pk=job.pk).update(progress=None)  # as the event of its begin does
    progress._looked_at.clear()

    log(job, b"hello\n")

    assert job.progress is None
