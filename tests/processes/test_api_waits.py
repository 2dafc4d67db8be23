"""Programs wait for jobs, and follow them, over HTTP with a token."""

import json
import time
import uuid

import pytest

pytestmark = pytest.mark.processes

REVOKE = """
from jobs.models import ApiToken
ApiToken.objects.get(name="short").delete()
"""
AWAY = """
from tests.factories import make_host
print(make_host("away-{}", heartbeat_at=None).name)
"""


def events_of(answer):
    """Yield (name, data, id) of server-sent events."""
    event = {}
    for line in answer:
        name, _colon, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
        elif "event" in event:
            yield event["event"], json.loads(event["data"]), event.get("id")
            event = {}


def test_an_answer_comes_when_the_job_has_ended(api):
    number = api.launch("prepare", what="environment")

    job = api.ask(f"jobs/{number}?wait=300")

    assert job["state"] == "succeeded"


def test_an_answer_comes_at_the_latest_after_the_time_asked_for(api, waiting_job):
    began = time.monotonic()

    job = api.ask(f"jobs/{waiting_job}?wait=1")

    assert job["state"] in ("queued", "starting")
    assert time.monotonic() - began >= 1


@pytest.fixture
def waiting_job(api):
    """A job on a host that is away."""
    name = api.stack.shell(AWAY.format(uuid.uuid4().hex[:8])).strip()
    body = {"kind": "prepare", "host": name, "params": {"what": "environment"}}
    number = api.ask("jobs", body)["id"]
    yield number
    api.ask(f"jobs/{number}/cancel", {})


def test_a_follower_gets_each_state_and_every_byte_of_the_log(api):
    number = api.launch("prepare", what="environment")

    with api.open(f"jobs/{number}/events?log_from=0") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        events = list(events_of(answer))

    states = [data["state"] for name, data, _id in events if name == "job"]
    parts = [data for name, data, _id in events if name == "log"]
    log = api.raw(f"jobs/{number}/log?from=0")
    assert states[-1] == "succeeded"
    assert "".join(part["text"] for part in parts).encode() == log
    assert [part["from"] for part in parts[1:]] == [part["to"] for part in parts[:-1]]
    assert events[-1][0] == "end"
    # One that comes back with the last id misses nothing and gets nothing twice.
    cursor = events[events.index(("log", parts[0], str(parts[0]["to"])))][2]
    with api.open(f"jobs/{number}/events?log_from={cursor}") as answer:
        rest = [data["text"] for name, data, _id in events_of(answer) if name == "log"]
    assert "".join(rest).encode() == log[int(cursor) :]


def test_a_revoked_token_ends_what_it_follows_within_seconds(api, waiting_job):
    token = api.stack.run_command("create_token", "admin", "--name", "short").strip()

    with api.open(f"jobs/{waiting_job}/events", token=token) as answer:
        events = events_of(answer)
        assert next(events)[0] == "job"
        api.stack.shell(REVOKE)
        name, data, _id = next(events)

    assert (name, data) == ("error", {"error": "forbidden"})
