"""The check of a log that is too long for one request."""

import hashlib
from importlib import import_module

import pytest

from jobs import logstore
from jobs.base.errors import Incomplete
from jobs.services.intake import verdicts
from tests.dashboard.lib.host_caller import STARTED, ended, events, taken_job

PIECE = 1000
LOG = b"".join(b"line %07d\n" % number for number in range(500))  # 6,500 bytes, seven pieces


@pytest.fixture(autouse=True)
def a_piece_at_a_time(monkeypatch):
    """Each request has time for one piece of a log."""
    monkeypatch.setattr(verdicts, "BUDGET_S", 0.0)
    monkeypatch.setattr(import_module("jobs.logstore.store"), "READ_BYTES", PIECE)


def sent_whole(caller, **fields):
    """A job whose log has arrived and whose last event is to come; where it begins, and it."""
    job = taken_job(caller)
    caller.stream(job, "log", 0, LOG)
    digest = hashlib.sha256(LOG).hexdigest()
    log_fields = {"log_bytes": len(LOG), "log_sha256": digest, **fields}
    whole = events(STARTED, ended(**log_fields))
    start = whole.index(b"\n") + 1
    caller.stream(job, "events", 0, whole[:start])
    return job, start, whole[start:]


def test_a_long_log_is_checked_in_several_requests(caller, kind):
    job, start, last = sent_whole(caller)

    answers = [caller.stream(job, "events", start, last) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [409] * 6
    assert [answer.json()["hashed"] for answer in answers] == [n * PIECE for n in range(1, 7)]
    assert {answer.json()["size"] for answer in answers} == {start}
    assert job.is_open
    assert caller.stream(job, "events", start, last).json()["size"] == start + len(last)
    assert (job.state, job.log_sha256) == ("succeeded", hashlib.sha256(LOG).hexdigest())


def test_a_long_log_that_differs_is_found_out(caller, kind):
    job, start, last = sent_whole(caller, log_sha256="0" * 64)

    for _ in range(7):
        caller.stream(job, "events", start, last)

    assert job.message_id == "job:log_differs"


def test_two_logs_are_checked_in_turns(caller, kind):
    jobs = [sent_whole(caller), sent_whole(caller)]

    for _ in range(7):
        for job, start, last in jobs:
            caller.stream(job, "events", start, last)

    for job, _, _ in jobs:
        assert job.state == "succeeded"
    assert not verdicts._begun


def test_what_had_the_same_number_before_is_not_gone_on_with(caller, kind, monkeypatch):
    key = "job/123456"
    logstore.store().append(key, 0, b"a" * 2 * PIECE)
    with pytest.raises(Incomplete):
        verdicts.sha256_of_log(key, "an earlier token")

    monkeypatch.setattr(verdicts, "BUDGET_S", 10.0)
    digest = verdicts.sha256_of_log(key, "token")

    assert digest == hashlib.sha256(b"a" * 2 * PIECE).hexdigest()
    verdicts._begun.clear()


def test_only_so_many_are_remembered(caller, kind, monkeypatch):
    monkeypatch.setattr(verdicts, "_MOST_BEGUN", 4)
    logstore.store().append("job/123457", 0, b"a" * 2 * PIECE)
    for number in range(3 * verdicts._MOST_BEGUN):
        with pytest.raises(Incomplete):
            verdicts.sha256_of_log("job/123457", number)

    assert len(verdicts._begun) == verdicts._MOST_BEGUN
    verdicts._begun.clear()
