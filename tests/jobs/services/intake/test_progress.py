import time

import pytest

from jobs import logstore
from jobs.confined import Busy, Pool
from jobs.models import Deployment, Job
from jobs.services.intake import streams
from tests.factories import make_deployment, make_job

pytestmark = pytest.mark.django_db
LINES = b"[   7/ 272] blk.0.attn_v.weight ...\n"


@pytest.fixture(autouse=True)
def nothing_looked_at(monkeypatch):
    monkeypatch.setattr(streams, "_looked_at", {})


def log(owner: Job | Deployment, text: bytes) -> None:
    key = owner.log_key
    size = logstore.store().append(key, logstore.store().size(key), text)
    streams.note_progress(owner, size)
    owner.refresh_from_db()


@pytest.mark.postgresql
def test_the_end_of_a_log_says_how_far_the_job_is():
    job = make_job(kind="compile", state="running")

    log(job, LINES)

    since, drawn = job.progress.pop("since"), job.progress.pop("drawn")
    assert drawn == since
    assert job.progress == {"done": 7, "total": 272, "unit": "tensors"}
    assert abs(time.time() - since) < 60  # reported to a tenth of a second


def test_a_log_is_looked_at_once_a_second():
    job = make_job(kind="compile", state="running")
    log(job, LINES)

    log(job, LINES.replace(b"7/", b"9/"))
    assert job.progress["done"] == 7

    streams._looked_at.clear()
    log(job, b"")
    assert job.progress["done"] == 9


def test_a_log_without_progress_changes_nothing():
    job = make_job(kind="compile", state="running", progress={"done": 1})

    log(job, b"hello\n")

    assert job.progress == {"done": 1}


def test_earlier_steps_do_not_count_as_progress():
    job = make_job(kind="compile", state="running")
    log(job, LINES)
    job.steps.update_or_create(index=1, defaults={"name": "b", "log_from": len(LINES)})
    Job.objects.filter(pk=job.pk).update(progress=None)  # as the event of its begin does
    streams._looked_at.clear()

    log(job, b"hello\n")

    assert job.progress is None


def test_since_when_the_figures_stand_still_is_kept():
    since = 1_700_000_000.0
    figures = {"done": 7, "total": 272, "unit": "tensors"}
    job = make_job(kind="compile", state="running", progress={**figures, "since": since})

    log(job, LINES)
    assert {**job.progress, "drawn": 0} == {**figures, "since": since, "drawn": 0}

    streams._looked_at.clear()
    log(job, LINES.replace(b"7/", b"8/"))
    assert job.progress["since"] > since


def progress_before_and_after(fresh, monkeypatch):
    """Progress of a job with ``LINES`` in its log, and 100 s later with ``fresh`` too."""
    job = make_job(kind="compile", state="running")
    log(job, LINES)
    first = job.progress
    monkeypatch.setattr(time, "time", lambda: first["since"] + 100)
    monkeypatch.setattr(streams, "EVERY_S", 0)
    log(job, fresh)
    return first, job.progress


@pytest.mark.parametrize(
    "fresh",
    [LINES, b"hello\n" + LINES, b"\rreading 5", b"[#1 0B/9MB CN:4 DL:0B]\n", b" 5%|#   | 1/20 ["],
)
def test_when_figures_or_a_bar_were_last_drawn_is_kept(fresh, monkeypatch):
    first, last = progress_before_and_after(fresh, monkeypatch)

    assert last == {**first, "drawn": pytest.approx(first["since"] + 100)}


@pytest.mark.parametrize("fresh", [b"hello\n", b"a line\r\nof a terminal\r\n", b""])
def test_plain_lines_do_not_refresh_old_figures(fresh, monkeypatch):
    first, last = progress_before_and_after(fresh, monkeypatch)

    assert last == first


def test_a_bar_that_came_in_two_parts_is_drawn(monkeypatch):
    job = make_job(kind="compile", state="running")
    log(job, LINES)
    first = job.progress
    monkeypatch.setattr(streams, "EVERY_S", 0)
    log(job, LINES[:9])
    monkeypatch.setattr(time, "time", lambda: first["since"] + 100)

    log(job, LINES[9:])

    assert job.progress["drawn"] > first["drawn"]


SHARDS = b"Loading safetensors checkpoint shards:  25%% Completed | %d/163 [05:25<16:15, 8s/it]\r"


@pytest.mark.parametrize(
    ("state", "log_from", "text", "done"),
    [
        ("loading", 0, SHARDS % 41, 41),
        ("loading", len(SHARDS % 163), SHARDS % 163 + b"started again\n", None),
        ("ready", 0, SHARDS % 41, None),
    ],
)
def test_the_log_of_this_run_says_how_far_a_server_has_loaded(state, log_from, text, done):
    job = make_job(kind="deploy-vllm")
    deployment = make_deployment(job=job, state=state, log_from=log_from)

    log(deployment, text)

    progress = deployment.progress or {"done": None, "total": 163}
    assert (progress["done"], progress["total"]) == (done, 163)


def test_a_number_that_is_none_changes_nothing():
    job = make_job(kind="prepare-weights", state="running")

    log(job, b"downloaded " + b"9" * 400 + b"/1 MB\n")
    streams._looked_at.clear()
    log(job, b"[ " + b"9" * 5000 + b"/ 5] \n")

    assert job.progress is None or "done" not in job.progress


def test_a_look_that_found_no_worker_is_made_up_for(monkeypatch):
    job = make_job(kind="compile", state="running")
    with monkeypatch.context() as busy:
        busy.setattr(Pool, "run", lambda *_args: (_ for _ in ()).throw(Busy("no worker is free")))
        log(job, LINES)
    assert streams._looked_at[job.log_key][1] == 0
