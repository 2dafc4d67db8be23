"""The log of a server that runs for months."""

import errno
import os

import pytest

from jobs.host.base import disk
from jobs.host.ship import Shipper
from tests.host.conftest import record_of

MB = 1024 * 1024


@pytest.fixture
def server(make_server, intake):
    """A server's spool and its part in the dashboard."""
    record = intake.deployments[2] = record_of("true")
    spool = make_server(2, instance=intake.instance, token=record.token)
    spool.append_event("started", values={}, run=1)
    return spool, record


def grow(spool, megabytes):
    with spool.log.open("ab") as log:
        log.write(os.urandom(megabytes * MB))


def disk_of(path):
    return path.stat().st_blocks * 512


def test_disk_of_shipped_log_is_freed_except_for_the_end(server, client):
    spool, record = server
    shipper = Shipper(spool, client, server_log_bytes=2 * MB)
    grow(spool, 8)
    whole = spool.log.read_bytes()
    shipper.round()
    if disk_of(spool.log) >= 8 * MB:
        pytest.skip("this file system gives nothing back")
    grow(spool, 3)
    end = spool.log.read_bytes()[8 * MB :]
    shipper.round()

    assert record.log == whole + end
    assert spool.log.stat().st_size == 11 * MB
    assert disk_of(spool.log) <= 2 * MB + MB // 2
    assert spool.log.read_bytes()[9 * MB :] == record.log[9 * MB :]


def test_nothing_is_given_back_that_the_dashboard_has_not(server, client, intake):
    spool, record = server
    grow(spool, 8)
    intake.fault = lambda method, path: "500" if "offset=3" in path else None
    intake.log_chunk = MB

    with pytest.raises(Exception, match="answer 500"):
        Shipper(spool, client, server_log_bytes=MB).round()

    assert len(record.log) == 3 * MB
    assert disk_of(spool.log) >= 8 * MB


def test_log_printed_during_shipping_is_not_freed_unsent(server, client, intake):
    spool, record = server
    grow(spool, 4)

    def print_more(method, path):
        if path.endswith("streams/log?offset=0"):
            grow(spool, 8)

    intake.fault = print_more
    shipper = Shipper(spool, client, server_log_bytes=MB)
    shipper.round()
    whole = record.log + spool.log.read_bytes()[len(record.log) :]
    assert len(record.log) < len(whole)

    shipper.round()

    assert record.log == whole
    assert whole[4 * MB : 4 * MB + 4096] != bytes(4096)


@pytest.mark.parametrize(("is_server", "limit"), [(True, 0), (False, MB)])
def test_without_a_limit_and_of_a_job_all_is_kept(
    server, intake, make_spool, client, is_server, limit
):
    spool, record = server
    if not is_server:
        record = intake.jobs[1] = record_of("true")
        spool = make_spool("true", instance=intake.instance, token=record.token)
    grow(spool, 4)

    Shipper(spool, client, server_log_bytes=limit).round()

    assert len(record.log) == 4 * MB
    assert disk_of(spool.log) >= 4 * MB


def test_the_dashboards_lost_part_is_filled_with_zero_bytes(server, client):
    spool, record = server
    grow(spool, 8)
    Shipper(spool, client, server_log_bytes=2 * MB).round()
    if disk_of(spool.log) >= 8 * MB:
        pytest.skip("this file system gives nothing back")
    end = record.log[6 * MB :]
    del record.streams["log"][MB:]

    Shipper(spool, client, server_log_bytes=2 * MB).round()

    assert record.log[MB:] == bytes(5 * MB) + end
    assert (spool.path / "launcher.log").read_text() == (
        f"the dashboard asks again for bytes {MB} to {6 * MB} of the log, which it had; their disk "
        "was given back (HOST_SERVER_LOG_KEEP), so it gets zero bytes\n"
    )


def test_a_file_system_that_frees_nothing_is_logged_once(server, client, monkeypatch):
    monkeypatch.setattr(disk, "give_back", lambda fd, end: False)
    spool, _ = server
    ships = Shipper(spool, client, server_log_bytes=MB)
    for _ in range(3):
        grow(spool, 4)
        ships.round()

    assert (spool.path / "launcher.log").read_text() == (
        "the file system cannot free the sent part of the log (HOST_SERVER_LOG_KEEP): "
        "the log keeps its full size\n"
    )


def test_points_go_on_where_that_cannot_be_noted(server, client, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(disk, "give_back", lambda fd, end: False)
    monkeypatch.setattr(type(server[0]), "note", full)
    spool, record = server
    grow(spool, 4)
    spool.points.write_bytes(b'{"t": 1}\n')

    Shipper(spool, client, server_log_bytes=MB).round()

    assert bytes(record.streams["points"]) == b'{"t": 1}\n'


@pytest.mark.parametrize("name", ["log", "points"])
def test_a_shorter_file_is_filled_with_zero_bytes_without_disk(server, client, name):
    spool, record = server
    path = {"log": spool.log, "points": spool.points}[name]
    record.streams[name] += bytes(16 * MB)
    grow(spool, 2)
    before = spool.log.read_bytes()

    Shipper(spool, client, server_log_bytes=8 * MB).round()

    assert path.stat().st_size == 16 * MB
    assert disk_of(path) <= 3 * MB
    if name == "points":
        assert spool.log.read_bytes() == before
    size = len(record.log)
    grow(spool, 1)
    Shipper(spool, client, server_log_bytes=8 * MB).round()
    assert record.log[size:] == spool.log.read_bytes()[size:]
