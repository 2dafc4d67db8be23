"""Which logs are packed, and when."""

import fcntl
import hashlib
import os
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils.timezone import now

from jobs.logstore import store
from jobs.models import Conversation, Turn
from jobs.services.upkeep import packing
from jobs.services.upkeep.packing import SMALL_BYTES, pack_some
from tests.factories import make_deployment, make_job, make_user, stored

pytestmark = pytest.mark.django_db
TEXT = b"it works\n" * (SMALL_BYTES // 9 + 1)
SHA256 = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture(autouse=True)
def an_hour(settings, monkeypatch):
    settings.COMPRESS_LOGS_AFTER_S = 3600.0
    monkeypatch.setattr(packing, "_left", {})


def ago(minutes):
    return now() - timedelta(minutes=minutes)


def write(key, text=TEXT, *, minutes=61):
    """A log to which nothing was added for so long."""
    store().append(key, store().size(key), text)
    written = time.time() - 60 * minutes
    os.utime(store().path(key), (written, written))


def is_packed(key):
    return not store().path(key).exists() and store().size(key) > 0


def closed_job(*, finished_at=61, **fields):
    """Key of the log of a job that ended ``finished_at`` minutes ago (None: has not)."""
    fields = {"state": "succeeded", "log_sha256": SHA256, **fields}
    fields["finished_at"] = None if finished_at is None else ago(finished_at)
    return f"job/{make_job(**fields).pk}"


@pytest.mark.postgresql
def test_the_log_of_a_job_is_packed_an_hour_after_its_end():
    key = closed_job()
    write(key)

    assert pack_some() == 1

    assert is_packed(key)
    assert (store().read(key, 0, 2**20), store().sha256(key)) == (TEXT, SHA256)
    assert pack_some() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "running", "finished_at": None},
        {"log_sha256": ""},  # its host has not confirmed the log, and may have more of it
        {"finished_at": 59},
    ],
)
def test_a_log_that_may_go_on_is_not_packed(fields):
    key = closed_job(**fields)
    write(key)

    assert pack_some() == 0
    assert not is_packed(key)


def test_a_log_that_was_written_to_lately_is_not_packed():
    key = closed_job()
    write(key, minutes=59)

    assert pack_some() == 0
    assert pack_some(now() + timedelta(minutes=2)) == 1


def test_a_log_without_a_record_is_not_packed():
    write("job/12345")
    (store().path("job/1").with_name("notes.log")).write_bytes(TEXT)

    assert pack_some() == 0


def test_a_small_log_is_not_worth_it():
    small = b"x" * (SMALL_BYTES - 1)
    key = closed_job(log_sha256=hashlib.sha256(small).hexdigest())
    write(key, small)

    assert pack_some() == 0


def test_a_mismatched_log_stays_raw_and_is_logged_once(caplog):
    wrong = closed_job(log_sha256="0" * 64)
    right = closed_job()
    write(wrong, minutes=99)
    write(right)

    assert [pack_some(), pack_some(), pack_some()] == [1, 0, 0]

    assert (is_packed(wrong), is_packed(right)) == (False, True)
    assert caplog.text.count("is not packed") == 1


@pytest.mark.parametrize(
    "fields", [{"state": "lost"}, {"state": "errored", "message_id": "job:log_differs"}]
)
def test_a_log_known_to_differ_is_packed_unchanged(fields):
    key = closed_job(**fields, log_sha256="0" * 64)
    write(key)

    assert pack_some() == 1
    assert store().sha256(key) == SHA256


def test_a_stopped_server_s_log_is_packed_and_extended():
    ready = make_deployment()
    down = make_deployment(state="stopped", stopped_at=ago(61))
    just = make_deployment(state="failed", stopped_at=ago(3))
    keys = [f"deployment/{one.pk}" for one in (ready, down, just)]
    for key in keys:
        write(key)

    assert pack_some() == 1
    assert [is_packed(key) for key in keys] == [False, True, False]

    assert store().append(keys[1], len(TEXT), b"again\n") == len(TEXT) + 6
    assert store().read(keys[1], 0, 2**20) == TEXT + b"again\n"


def test_the_stream_of_a_turn_is_packed_once_it_is_closed():
    talk = Conversation.objects.create(user_id=make_user().pk, title="t")
    states = [Turn.State.DONE, Turn.State.STREAMING]
    turns = [
        Turn.objects.create(
            conversation=talk, index=0, attempt=index, is_shown=not index, prompt="?", state=state
        )
        for index, state in enumerate(states)
    ]
    keys = [f"turn/{turn.pk}" for turn in turns]
    for key in keys:
        write(key)

    assert pack_some() == 1
    assert [is_packed(key) for key in keys] == [True, False]


def test_the_oldest_logs_come_first_and_a_round_has_an_end(monkeypatch):
    old, young = closed_job(), closed_job()
    write(young, minutes=70)
    write(old, minutes=90)
    monkeypatch.setattr(packing, "WORK_S", 0.0)

    assert pack_some() == 1
    assert (is_packed(old), is_packed(young)) == (True, False)


def test_only_one_process_packs_at_a_time(settings):
    key = closed_job()
    write(key)
    with (settings.DATA_DIR / "packing.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert pack_some() == 0
    assert pack_some() == 1


def test_packing_has_a_low_priority_and_nothing_else_has(monkeypatch):
    key = closed_job()
    write(key)
    pack, niceness = packing.store().pack, {}

    def look(*args, **kwargs):
        thread = threading.get_native_id()
        niceness[thread] = os.getpriority(os.PRIO_PROCESS, thread)
        return pack(*args, **kwargs)

    monkeypatch.setattr(type(packing.store()), "pack", lambda _self, *a, **k: look(*a, **k))
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert pack_some() == 1

    assert list(niceness.values()) == [packing.NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before < packing.NICENESS


@pytest.mark.parametrize(("number", "again"), [(28, 2), (5, 0)])
def test_a_full_disk_is_retried_and_a_bad_log_is_not(monkeypatch, caplog, number, again):
    for minutes in (90, 80):
        write(closed_job(), minutes=minutes)
    keys = []

    def breaks(_self, key, **_):
        keys.append(key)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(type(store()), "pack", breaks)

    assert pack_some() == 0
    assert len(keys) == 2  # one holds up no other
    assert "cannot be packed" in caplog.text
    pack_some()
    assert len(keys) == 2 + again


def test_a_round_ends_although_every_log_finds_the_disk_full(monkeypatch):
    for _ in range(3):
        write(closed_job())
    keys = []

    def full(_self, key, **_):
        keys.append(key)
        raise OSError(28, "full")

    monkeypatch.setattr(type(store()), "pack", full)
    monkeypatch.setattr(packing, "WORK_S", -1.0)

    assert pack_some() == 0
    assert len(keys) == 1


def test_a_log_without_room_waits_for_smaller_ones(monkeypatch):
    large, small = closed_job(log_sha256="x"), closed_job()
    write(large, TEXT * 20, minutes=90)
    write(small, minutes=80)
    free = packing.SPARE_BYTES + len(TEXT)
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    assert pack_some() == 1

    assert (is_packed(large), is_packed(small)) == (False, True)


@pytest.mark.parametrize(("stored_bytes", "after"), [(len(TEXT), None), (0, 0)])
def test_a_stored_size_is_measured_again_after_packing(stored_bytes, after):
    job = make_job(
        state="succeeded", finished_at=ago(61), log_sha256=SHA256, stored_bytes=stored_bytes
    )
    write(f"job/{job.pk}")

    assert pack_some() == 1

    assert stored(job, "stored_bytes") == after
