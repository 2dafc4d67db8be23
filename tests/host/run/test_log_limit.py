"""A log that reaches its limit, and one that fills the disk of all others."""

import os
import sys
from types import SimpleNamespace

import pytest

from jobs.base.files import size_and_sha256
from jobs.host.base import disk, process
from jobs.host.base.config import HostLimits, limits_of, write_limits
from jobs.host.run import commands, launcher
from jobs.host.run.launcher import LogLimit
from jobs.plans import Step
from tests.host.conftest import args_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

# It prints for ever, as does what has left its session, and neither ends when it is asked to.
PRINTING = "while yes {} | head -c 100000; do sleep 0.02; done"
FLOOD = Step(
    "flood",
    (
        *("sh", "-c"),
        f"trap '' TERM; setsid sh -c '{PRINTING.format('below')}' & {PRINTING.format('above')}",
    ),
)


def living(spool):
    return [pid for pid in commands.marked(spool.path) if process.is_running(pid)]


def test_a_log_at_the_limit_ends_its_job_and_says_what_to_do(host_dir, ran):
    write_limits(HostLimits(log_bytes=300_000), host_dir)
    spool = ran(FLOOD, "echo later")

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"]) == ("failed", "work:log_limit")
    assert args_of(ended) == {"step": "flood", "limit": "300.0 kB"}
    assert ended["exit_code"] == -9
    assert (ended["log_bytes"], ended["log_sha256"]) == size_and_sha256(spool.log)
    assert ended["log_bytes"] >= 300_000
    assert b"later" not in spool.log.read_bytes()
    assert living(spool) == []


def test_without_a_limit_a_log_may_grow(host_dir, ran):
    write_limits(HostLimits(log_bytes=0), host_dir)
    spool = ran("yes | head -c 3000000; sleep 0.3")

    assert (spool.exit()["verdict"], spool.exit()["log_bytes"]) == ("succeeded", 3_000_000)


@pytest.fixture
def log(tmp_path):
    """A log of a host with a limit of one megabyte."""
    write_limits(HostLimits(log_bytes=1_000_000), tmp_path)
    with (tmp_path / "log").open("wb") as log:
        yield log


def test_a_limit_that_is_raised_meanwhile_holds_for_what_runs(log, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "LIMITS_FRESH_S", -1.0)
    log.truncate(1_000_000)
    looks = LogLimit(log.fileno(), tmp_path, is_server=False)
    assert looks.exceeded() == ("work:log_limit", {"limit": "1.0 MB"})

    write_limits(HostLimits(log_bytes=1_000_001), tmp_path)

    assert looks.exceeded() is None


def test_a_servers_log_counts_by_the_disk_that_it_takes(log, tmp_path):
    log.truncate(5_000_000)  # all of it was given back

    assert LogLimit(log.fileno(), tmp_path, is_server=True).exceeded() is None
    assert LogLimit(log.fileno(), tmp_path, is_server=False).exceeded() is not None


def test_log_of_a_servers_earlier_runs_does_not_count(log, tmp_path):
    os.posix_fallocate(log.fileno(), 0, 3_000_000)
    looks = LogLimit(log.fileno(), tmp_path, is_server=True)

    assert looks.exceeded() is None
    os.posix_fallocate(log.fileno(), 3_000_000, 900_000)
    assert looks.exceeded() is None
    os.posix_fallocate(log.fileno(), 3_900_000, 200_000)
    assert looks.exceeded() == ("work:log_limit", {"limit": "1.0 MB"})

    disk.give_back(log.fileno(), 3_500_000 // 4096 * 4096)
    assert looks.exceeded() is None
    os.posix_fallocate(log.fileno(), 4_100_000, 1_100_000)
    assert looks.exceeded() is not None  # freed space does not count again


def test_damaged_limits_are_the_usual_ones_and_logged_until_they_are_written_anew(tmp_path, caplog):
    assert limits_of(tmp_path) == HostLimits()
    assert caplog.text == ""
    (tmp_path / "limits.json").write_text('{"log_bytes": ')

    assert limits_of(tmp_path) == HostLimits()

    assert "limits.json is damaged" in caplog.text
    write_limits(HostLimits(), tmp_path)
    caplog.clear()
    assert (limits_of(tmp_path), caplog.text) == (HostLimits(), "")


@pytest.fixture
def short_disk(tmp_path, monkeypatch):
    """Looks at a log on a disk that has one byte too few; the log's length at each look."""
    write_limits(HostLimits(log_bytes=0, disk_reserve_bytes=16_000), tmp_path)
    disk = SimpleNamespace(f_bavail=15_999, f_frsize=1)
    monkeypatch.setattr(launcher.os, "fstatvfs", lambda fd: disk)
    with (tmp_path / "log").open("wb") as log:
        looks = LogLimit(log.fileno(), tmp_path, is_server=False)

        def look(size, *, free=15_999):
            log.truncate(size)
            disk.f_bavail = free
            return looks.exceeded()

        yield look


@pytest.mark.parametrize(
    ("looks", "is_ended"),
    [
        ([(90_000, 15_999), (90_999, 15_999), (91_000, 15_999)], True),  # a long log stands still
        ([(0, 15_999), (15_999, 15_999), (16_000, 15_999)], True),  # one below the reserve grows
        # What grew before the disk was short does not count.
        ([(50_000, 16_000), (90_000, 15_999), (95_000, 16_000), (95_500, 15_999)], False),
    ],
)
def test_on_a_short_disk_a_long_log_that_grows_is_ended(short_disk, looks, is_ended):
    found = [short_disk(size, free=free) for size, free in looks]

    assert found[:-1] == [None] * (len(looks) - 1)
    assert (found[-1] is not None and found[-1][0] == "host:disk_full") is is_ended


def test_on_a_short_disk_a_server_log_may_reach_its_kept_size(short_disk, tmp_path):
    host_limits = HostLimits(log_bytes=0, disk_reserve_bytes=16_000, server_log_bytes=1_000_000)
    write_limits(host_limits, tmp_path)
    with (tmp_path / "server").open("wb") as log:
        looks = LogLimit(log.fileno(), tmp_path, is_server=True)

        os.posix_fallocate(log.fileno(), 0, 900_000)
        assert looks.exceeded() is None
        os.posix_fallocate(log.fileno(), 900_000, 200_000)
        assert looks.exceeded() is None
        os.posix_fallocate(log.fileno(), 1_100_000, 50_000)
        assert looks.exceeded()[0] == "host:disk_full"


@pytest.fixture
def disk_of_64_mb(disk_of):
    """The host's folder is a disk of 64 MB, of which 16 are to stay free."""
    folder = disk_of("64m")
    write_limits(HostLimits(disk_reserve_bytes=16_000_000), folder)
    return folder


SLOW_FLOOD = (
    "import sys, time\n"
    "while True:\n"
    "    sys.stdout.write('x' * 99_999 + chr(10)); sys.stdout.flush(); time.sleep(0.005)\n"
)


def test_a_log_that_fills_the_disk_ends_only_its_own_job(disk_of_64_mb, make_spool, launch):
    quiet = make_spool("while ! test -e done; do echo tick; sleep 0.1; done", number=1)
    loud = make_spool(Step("flood", (sys.executable, "-c", SLOW_FLOOD)), number=2)
    other = launch(quiet, wait=False)
    until(lambda: quiet.log.stat().st_size > 0)

    launch(loud)

    ended = loud.exit()
    assert (ended["verdict"], ended["message_id"]) == ("failed", "host:disk_full")
    assert args_of(ended)["reserve"] == "16.0 MB"
    assert os.statvfs(disk_of_64_mb).f_bavail > 0
    size = quiet.log.stat().st_size
    until(lambda: quiet.log.stat().st_size > size)
    (quiet.work / "done").touch()
    assert other.wait(PATIENCE_S) == 0
    assert quiet.exit()["verdict"] == "succeeded"


def test_a_disk_that_others_filled_ends_no_job_with_a_short_log(disk_of_64_mb, ran):
    (disk_of_64_mb / "others").write_bytes(bytes(60_000_000))
    spool = ran("for i in 1 2 3 4 5; do echo $i; sleep 0.1; done")

    assert spool.exit()["verdict"] == "succeeded"
