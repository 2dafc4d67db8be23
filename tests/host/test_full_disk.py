"""A full disk, or a slow one, and the outcome of the jobs on it."""

import errno
import threading

import pytest

from jobs.base.files import write_atomic
from jobs.host import retain, ship
from jobs.host.agent import agent
from jobs.host.retain import close_dead
from tests.host.conftest import record_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

# It fills the disk, as tools do, and ends with 3 when no space is left.
FILL = "dd if=/dev/zero of=fill bs=4k 2>/dev/null; echo none > more; exit 3"


@pytest.fixture
def small_disk(disk_of):
    return disk_of("256k")


def filled(make_spool, launch):
    """A job whose command has filled the disk, and of whose last event only a part found room."""
    spool = make_spool(FILL, values={"room": "x" * 3400})  # so that it meets the end of a page
    launcher = launch(spool, wait=False)
    until(lambda: spool.was_started() and not spool.events.read_bytes().endswith(b"\n"))
    return spool, launcher


def test_the_verdict_waits_for_room_and_is_the_right_one(small_disk, make_spool, launch):
    spool, launcher = filled(make_spool, launch)
    assert spool.exit() is None

    (spool.work / "fill").unlink()

    assert launcher.wait(PATIENCE_S) == 0
    assert (spool.exit()["message_id"], spool.exit()["exit_code"]) == ("work:exit", 3)
    kinds = [event["type"] for event in spool.read_events()]
    assert kinds == ["started", "step_started", "step_ended", "ended"]


def test_what_cannot_be_written_leaves_no_pieces(small_disk):
    (small_disk / "fill").write_bytes(bytes(200_000))
    with pytest.raises(OSError, match="No space left"):
        write_atomic(small_disk / "a", bytes(100_000))

    assert sorted(path.name for path in small_disk.iterdir()) == ["fill", "serve", "spool"]


def test_a_launcher_killed_on_a_full_disk_is_lost_given_room(small_disk, make_spool, launch):
    spool, launcher = filled(make_spool, launch)
    launcher.kill()
    launcher.wait()
    with pytest.raises(OSError, match="No space left"):
        close_dead(spool)

    (spool.work / "fill").unlink()

    assert close_dead(spool)
    assert spool.exit()["verdict"] == "lost"


def test_a_disk_that_is_full_for_the_shipper_only_makes_it_wait(
    intake, agent_in_thread, monkeypatch, caplog, queued
):
    full = iter([True, True])

    class Shipper(ship.Shipper):
        def run(self, stopped):
            if next(full, False):
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().run(stopped)

    monkeypatch.setattr(agent, "Shipper", Shipper)
    monkeypatch.setattr(agent, "DISK_WAIT_S", 0.1)
    queued("echo hi")

    agent_in_thread()

    until(lambda: intake.jobs[7].ended)
    assert intake.jobs[7].log == b"hi\n"
    assert caplog.text.count("cannot be shipped now: [Errno 28] No space left on device") == 2


def test_a_dead_launcher_with_a_long_log_blocks_no_other_job(
    intake, agent_in_thread, make_spool, monkeypatch, queued
):
    """Reading it takes minutes; others are adopted and shipped meanwhile."""
    reading, read = threading.Event(), threading.Event()
    close = retain.close_dead

    def slowly(spool):
        reading.set()
        read.wait(PATIENCE_S)
        return close(spool)

    monkeypatch.setattr(retain, "close_dead", slowly)
    record = intake.jobs[6] = record_of("echo died")
    dead = make_spool("echo died", number=6, instance=intake.instance, token=record.token)
    dead.append_event("started", values={}, run=1, boot_id="an earlier boot")
    queued("echo hi")

    agent_in_thread()

    until(lambda: reading.is_set() and intake.jobs[7].ended)
    assert intake.jobs[6].ended is None
    read.set()
    until(lambda: intake.jobs[6].ended)
    assert intake.jobs[6].ended["message_id"] == "host:rebooted"
