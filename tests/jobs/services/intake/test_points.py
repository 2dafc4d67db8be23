"""Points of a deployment's server: stored in blocks, for a day."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.timezone import now

from jobs.models import ServedBlock
from jobs.services.intake.streams import BLOCK_ROWS
from jobs.services.upkeep import reaper
from tests.dashboard.lib.host_caller import Caller
from tests.factories import make_deployment, make_host

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller():
    return Caller(make_host("this-computer"))


@pytest.fixture
def deployment(caller):
    return make_deployment(host=caller.host)


def lines(*times, watch="engine"):
    rows = [{"t": at, "w": watch, "v": {"running": 1}} for at in times]
    return b"".join(json.dumps(line).encode() + b"\n" for line in rows)


def test_points_of_a_server_are_stored_once_and_answered_with_the_size(caller, deployment):
    raw = lines(1.0, 2.0)

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
        size = caller.stream(deployment, "points", size, lines(float(at))).json()["size"]

    blocks = [[at for at, _ in block.rows] for block in ServedBlock.objects.order_by("id")]
    assert blocks == [list(range(BLOCK_ROWS)), list(range(BLOCK_ROWS, BLOCK_ROWS + 5))]


def test_a_backlog_becomes_as_many_blocks_as_it_needs(caller, deployment):
    caller.stream(deployment, "points", 0, lines(*map(float, range(2 * BLOCK_ROWS + 1))))

    sizes = [len(block.rows) for block in ServedBlock.objects.order_by("id")]
    assert sizes == [BLOCK_ROWS, BLOCK_ROWS, 1]


def test_zero_bytes_move_the_size_and_hold_no_points(caller, deployment):
    raw = bytes(100_000) + lines(1.0)

    assert caller.stream(deployment, "points", 0, bytes(1000)).json()["size"] == 1000
    assert caller.stream(deployment, "points", 1000, raw).json()["size"] == 1000 + len(raw)

    assert [block.rows for block in ServedBlock.objects.all()] == [[[1.0, {"running": 1}]]]


@pytest.mark.parametrize(
    "line", [b'{"t": null, "w": "e", "v": {}}', b'{"w": "e"}', b'{"t": 1, "w": "e", "v": [1]}']
)
def test_a_point_that_breaks_the_protocol_is_refused(caller, deployment, line):
    answer = caller.stream(deployment, "points", 0, lines(1.0) + line + b"\n")

    assert (answer.status_code, answer.json()["error"]) == (400, "intake:message")
    assert not ServedBlock.objects.exists()


def test_a_torn_line_does_not_stop_the_other_points(caller, deployment):
    raw = b'{"w": "e", "t\n' + lines(1.0)

    assert caller.stream(deployment, "points", 0, raw).json()["size"] == len(raw)

    assert [len(block.rows) for block in ServedBlock.objects.all()] == [1]


def test_the_hosts_clock_is_set_right(caller, deployment):
    caller.host.clock_skew_s = 60.0
    caller.host.save()

    caller.stream(deployment, "points", 0, lines(1000.0))

    assert ServedBlock.objects.get().until == datetime.fromtimestamp(940, tz=UTC)


def test_points_are_forgotten_after_a_day(deployment):
    for hours in (23, 25):
        until = now() - timedelta(hours=hours)
        ServedBlock.objects.create(deployment=deployment, watch="engine", rows=[], until=until)

    reaper.reap()

    (kept,) = ServedBlock.objects.all()
    assert kept.until > now() - timedelta(hours=24)
