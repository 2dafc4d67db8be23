"""A disk without a byte left, and what comes of the job whose command found it so."""

import os
import subprocess

import pytest

from jobs.host import spool as spools
from jobs.host.adopt import close_dead
from tests.host.conftest import until

pytestmark = pytest.mark.processes

# It takes all that is left, as tools do when they are told that there is no room, and ends with 3.
FILL = "dd if=/dev/zero of=fill bs=4k 2>/dev/null; echo none > more; exit 3"


@pytest.fixture
def small_disk(host_dir):
    """The host's folder is a disk of 256 KB."""
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(host_dir)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small disk needs root and mount(8)")
    for name in ("spool", "serve"):
        (host_dir / name).mkdir()
    yield host_dir
    subprocess.run(["umount", "--lazy", str(host_dir)], check=True)


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

    assert launcher.wait(30) == 0
    assert (spool.exit()["sentence_id"], spool.exit()["exit_code"]) == ("work:exit", 3)
    kinds = [event["type"] for event in spool.read_events()]
    assert kinds == ["started", "step_started", "step_ended", "ended"]


def test_what_cannot_be_written_leaves_no_pieces(small_disk):
    (small_disk / "fill").write_bytes(bytes(200_000))
    with pytest.raises(OSError, match="No space left"):
        spools.write_atomic(small_disk / "a", bytes(100_000))

    assert sorted(path.name for path in small_disk.iterdir()) == ["fill", "serve", "spool"]


def test_a_launcher_that_was_killed_meanwhile_is_lost_once_there_is_room(
    small_disk, make_spool, launch
):
    spool, launcher = filled(make_spool, launch)
    launcher.kill()
    launcher.wait()
    with pytest.raises(OSError, match="No space left"):
        close_dead(spool)

    (spool.work / "fill").unlink()

    assert close_dead(spool)
    assert spool.exit()["verdict"] == "lost"
