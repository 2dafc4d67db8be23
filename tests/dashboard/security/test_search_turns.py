"""Searches of logs and answers take turns."""

import subprocess
import sys
import threading
from unittest.mock import Mock

import pytest

from dashboard.security import counters
from dashboard.security.counters import NoTurn, search_turn
from jobs.confined import ASKER_LEFT, SHORT, Exceeded, Pool
from jobs.logstore import store
from tests.dashboard.lib.caller import Caller
from tests.factories import make_job, make_user
from tests.waiting import PATIENCE_S

HOLDER = """
import fcntl, sys
files = [open(path, "w") for path in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def no_wait(monkeypatch):
    monkeypatch.setattr(counters, "LONGEST_WAIT_S", 0.0)


def test_one_person_searches_once_at_a_time(no_wait):
    with search_turn(1):
        with pytest.raises(NoTurn), search_turn(1):
            pass
        with search_turn(2):
            pass
    with search_turn(1):
        pass


def test_a_search_begins_when_the_one_before_has_ended():
    order = []

    def second():
        with search_turn(1):
            order.append("second")

    with search_turn(1):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join(PATIENCE_S)

    assert order == ["first", "second"]


def test_all_people_together_have_few_turns(no_wait):
    with search_turn(1), search_turn(2):
        with pytest.raises(NoTurn), search_turn(3):
            pass
        with search_turn(3, "warnings"):
            pass


def test_a_person_who_waits_often_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(counters, "MOST_WAITING", 0)

    with pytest.raises(NoTurn), search_turn(1):
        pass


def test_who_has_left_waits_for_no_turn():
    left = threading.Event()
    left.set()
    refused = []

    def second():
        ASKER_LEFT.set(left)
        try:
            with search_turn(1):
                pass
        except NoTurn:
            refused.append("second")

    with search_turn(1):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(PATIENCE_S)

        assert refused == ["second"]


@pytest.mark.processes
def test_web_processes_share_the_turns_and_a_killed_one_has_none(settings, no_wait):
    folder = settings.DATA_DIR / "searches"
    folder.mkdir()
    paths = [str(folder / f"typed-{n}") for n in range(counters.MOST_AT_ONCE)]
    command = [sys.executable, "-c", HOLDER, *paths]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(NoTurn), search_turn(1):
            pass
        other.kill()
        other.wait(PATIENCE_S)

    with search_turn(1):
        pass


@pytest.mark.django_db
def test_a_search_without_a_turn_is_answered_with_429(no_wait):
    caller = Caller(make_user())
    job = make_job(state="running")
    store().append(f"job/{job.pk}", 0, b"one\n")
    path = f"jobs/{job.pk}/log/search"

    with search_turn(caller.user.pk):
        refused = caller.get(path, q="one")
    answer = caller.get(path, q="one")

    assert (refused.status_code, refused.json()["error"]) == (429, "too_many")
    assert refused.headers["Retry-After"]
    assert (answer.status_code, answer.json()["total"]) == (200, 1)


@pytest.mark.django_db
def test_an_expression_that_re2_cannot_read_names_the_field():
    caller = Caller(make_user())
    job = make_job(state="running")

    answer = caller.get(f"jobs/{job.pk}/log/search", q="(?<=a)b", regex="1")

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["q"])
    assert "look-arounds and back references are not available" in answer.json()["message"]


@pytest.mark.django_db
def test_an_expression_that_takes_too_long_names_the_field(monkeypatch):
    monkeypatch.setattr(Pool, "run", Mock(side_effect=Exceeded("time", SHORT.limits)))
    caller = Caller(make_user())
    job = make_job(state="running")
    store().append(f"job/{job.pk}", 0, b"one\n")

    answer = caller.get(f"jobs/{job.pk}/log/search", q="o+", regex="1")

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["q"])
    assert "too slow" in answer.json()["message"]
