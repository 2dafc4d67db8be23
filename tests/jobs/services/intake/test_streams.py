"""Streams of hosts: progress from the end of a log; points of servers in blocks of a day."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.utils.timezone import now

from jobs import logstore
from jobs.confined import Busy, Exceeded, Failed, Pool
from jobs.models import Deployment, Job, ServedBlock
from jobs.services.intake import streams, verdicts
from jobs.services.intake.streams import BLOCK_ROWS
from jobs.services.intake.verdicts import READERS
from jobs.services.upkeep import reaper
from tests.dashboard.lib.host_caller import Caller
from tests.factories import make_deployment, make_host, make_job

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


@pytest.mark.parametrize(
    ("error", "rests"), [(Busy("no worker is free"), False), (Failed("KeyError"), True)]
)
def test_a_look_without_a_worker_is_made_up_for_and_a_failed_one_is_logged(
    monkeypatch, caplog, error, rests
):
    job = make_job(kind="compile", state="running")

    monkeypatch.setattr(Pool, "run", Mock(side_effect=error))
    log(job, LINES)

    assert streams._looked_at[job.log_key][1] == (len(LINES) if rests else 0)
    assert (f"no progress is read from {job.log_key}" in caplog.text) == rests


@pytest.mark.parametrize("error", [Failed("OSError"), Exceeded("ended", READERS.limits)])
def test_a_verdict_that_the_machine_broke_is_asked_again_before_it_is_final(monkeypatch, error):
    job = make_job(state="running")
    monkeypatch.setattr(Pool, "run", Mock(side_effect=error))
    raised = []

    for _time in range(3):
        with pytest.raises((Busy, verdicts.Unread)) as found:
            verdicts.close(job, 0, b"{}", "")
        raised.append(found.type)

    assert raised == [Busy, Busy, verdicts.Unread]


def test_a_cause_that_no_worker_finds_is_logged(monkeypatch, caplog):
    monkeypatch.setattr(Pool, "run", Mock(side_effect=Failed("KeyError")))
    ended = SimpleNamespace(exit_code=1, message_args={})

    assert verdicts.cause_of_server(make_deployment(), 0, ended) == {}
    assert "no cause of the end of deployment/" in caplog.text


# Points of a deployment's server.


@pytest.fixture
def caller():
    return Caller(make_host("this-computer"))


@pytest.fixture
def deployment(caller):
    return make_deployment(host=caller.host)


def point_lines(*times, watch="engine"):
    rows = [{"t": at, "w": watch, "v": {"running": 1}} for at in times]
    return b"".join(json.dumps(line).encode() + b"\n" for line in rows)


def test_points_of_a_server_are_stored_once_and_answered_with_the_size(caller, deployment):
    raw = point_lines(1.0, 2.0)

    assert caller.stream(deployment, "points", 0, raw + b'{"t":').json()["size"] == len(raw)
    assert caller.stream(deployment, "points", 0, raw).status_code == 409

    assert caller.get(f"deployments/{deployment.pk}/streams").json()["points"] == len(raw)
    (block,) = ServedBlock.objects.all()
    assert block.rows == [[1.0, {"running": 1}], [2.0, {"running": 1}]]
    assert block.until == datetime.fromtimestamp(2, tz=UTC)


@pytest.mark.postgresql
def test_a_block_is_filled_before_the_next_is_begun(caller, deployment):
    size = 0
    for at in range(BLOCK_ROWS + 5):
        size = caller.stream(deployment, "points", size, point_lines(float(at))).json()["size"]

    blocks = [[at for at, _ in block.rows] for block in ServedBlock.objects.order_by("id")]
    assert blocks == [list(range(BLOCK_ROWS)), list(range(BLOCK_ROWS, BLOCK_ROWS + 5))]


def test_a_backlog_becomes_as_many_blocks_as_it_needs(caller, deployment):
    caller.stream(deployment, "points", 0, point_lines(*map(float, range(2 * BLOCK_ROWS + 1))))

    sizes = [len(block.rows) for block in ServedBlock.objects.order_by("id")]
    assert sizes == [BLOCK_ROWS, BLOCK_ROWS, 1]


def test_zero_bytes_move_the_size_and_hold_no_points(caller, deployment):
    raw = bytes(100_000) + point_lines(1.0)

    assert caller.stream(deployment, "points", 0, bytes(1000)).json()["size"] == 1000
    assert caller.stream(deployment, "points", 1000, raw).json()["size"] == 1000 + len(raw)

    assert [block.rows for block in ServedBlock.objects.all()] == [[[1.0, {"running": 1}]]]


@pytest.mark.parametrize(
    "line", [b'{"t": null, "w": "e", "v": {}}', b'{"w": "e"}', b'{"t": 1, "w": "e", "v": [1]}']
)
def test_a_point_that_breaks_the_protocol_is_refused(caller, deployment, line):
    answer = caller.stream(deployment, "points", 0, point_lines(1.0) + line + b"\n")

    assert (answer.status_code, answer.json()["error"]) == (400, "intake:message")
    assert not ServedBlock.objects.exists()


def test_a_torn_line_does_not_stop_the_other_points(caller, deployment):
    raw = b'{"w": "e", "t\n' + point_lines(1.0)

    assert caller.stream(deployment, "points", 0, raw).json()["size"] == len(raw)

    assert [len(block.rows) for block in ServedBlock.objects.all()] == [1]


def test_the_hosts_clock_is_set_right(caller, deployment):
    caller.host.clock_skew_s = 60.0
    caller.host.save()

    caller.stream(deployment, "points", 0, point_lines(1000.0))

    assert ServedBlock.objects.get().until == datetime.fromtimestamp(940, tz=UTC)


def test_points_are_forgotten_after_a_day(deployment):
    for hours in (23, 25):
        until = now() - timedelta(hours=hours)
        ServedBlock.objects.create(deployment=deployment, watch="engine", rows=[], until=until)

    reaper.reap()

    (kept,) = ServedBlock.objects.all()
    assert kept.until > now() - timedelta(hours=24)
