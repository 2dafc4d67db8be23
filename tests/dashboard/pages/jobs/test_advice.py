"""Advice on failed jobs fits the job."""

import pytest
from django.utils import translation
from django.utils.timezone import now

from dashboard.pages.jobs.failures import advice, server_advice
from dashboard.text.messages import MESSAGES, message
from tests.factories import make_deployment, make_job

pytestmark = pytest.mark.django_db

RAN = {"started_at": now(), "log_bytes": 900}
LAST_LINES = "Read the last lines"


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def test_a_job_with_output_advises_its_last_lines():
    assert advice(make_job(state="failed", message_id="work:exit", **RAN)).startswith(LAST_LINES)


@pytest.mark.parametrize("message_id", ["internal:plan", "policy:program", "job:plan"])
def test_of_a_job_that_was_refused_no_log_is_to_be_read(message_id):
    todo = advice(make_job(state="failed", message_id=message_id))

    assert todo.endswith("There is no log, because no command ran.")


@pytest.mark.parametrize("message_id", ["work:exit", "work:output_missing"])
def test_a_silent_job_has_no_advice_to_read_its_log_end(message_id):
    job = make_job(state="failed", message_id=message_id, started_at=now(), log_bytes=0)

    assert advice(job).startswith("The log is empty:")


@pytest.mark.parametrize("message_id", ["work:exit", "work:output_missing", "host:disk_full"])
def test_of_a_log_that_was_removed_nothing_is_to_be_read(message_id):
    job = make_job(state="failed", message_id=message_id, removed_at=now(), **RAN)

    assert advice(job).startswith("The log was removed")


@pytest.mark.parametrize(
    ("state", "message_id"),
    [
        ("failed", "job:unreadable"),
        ("lost", "job:host_gone"),
        ("lost", "host:rebooted"),
        ("cancelled", "cancelled"),
    ],
)
def test_removed_files_are_not_reported_as_kept(state, message_id):
    made = {"state": state, "message_id": message_id, **RAN}

    before, after = advice(make_job(**made)), advice(make_job(**made, removed_at=now()))

    promises = ("kept", "arrives")
    assert any(word in before for word in promises)
    assert after
    assert not any(word in after for word in promises)


def test_advice_that_is_not_about_a_log_stays_when_the_log_goes():
    made = {"state": "failed", "message_id": "benchmark:no_request", **RAN}

    assert advice(make_job(**made, removed_at=now())) == advice(make_job(**made))


@pytest.mark.parametrize("message_id", ["work:log_limit", "host:disk_full", "job:unreadable"])
def test_a_stored_message_promises_no_removable_file(message_id):
    text = message(message_id, dict.fromkeys(("step", "limit", "log", "free", "reserve"), 1))

    assert message_id in MESSAGES
    assert "is complete" not in text
    assert "kept." not in text
    assert advice(make_job(state="failed", message_id=message_id, **RAN))


def test_a_server_without_a_log_has_no_advice_to_read_it():
    text = server_advice(make_deployment(state="failed", log_bytes=9))
    gone = server_advice(make_deployment(state="failed", log_bytes=9, removed_at=now()))
    silent = server_advice(make_deployment(state="failed", log_bytes=9, log_from=9, run=2))
    empty = server_advice(make_deployment(state="failed"))

    assert text.startswith("Read the end of the server's log")
    assert gone.startswith("The log was removed")
    assert empty.startswith("The server exited without output")
    assert silent == empty  # lines of an earlier run do not count
