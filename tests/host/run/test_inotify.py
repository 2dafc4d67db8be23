import os
import threading
from pathlib import Path

import pytest

from jobs.host.base.disk import FolderChanges
from tests.waiting import PATIENCE_S

OPEN = Path("/proc/self/fd")


def test_a_wait_ends_when_something_is_written(tmp_path):
    (tmp_path / "log").write_bytes(b"")
    with FolderChanges(tmp_path) as changes, (tmp_path / "log").open("ab") as log:
        writer = threading.Timer(0.05, lambda: os.write(log.fileno(), b"a line\n"))
        writer.start()

        assert changes.wait(PATIENCE_S)


@pytest.mark.parametrize("folder", ["spool", "serve"])
def test_each_of_several_folders_is_watched(tmp_path, folder):
    folders = [tmp_path / name for name in ("spool", "serve")]
    for each in folders:
        each.mkdir()
    with FolderChanges(*folders) as changes:
        (tmp_path / folder / "17").mkdir()
        assert changes.wait(PATIENCE_S)


def test_what_was_written_before_the_wait_is_not_slept_through(tmp_path):
    with FolderChanges(tmp_path) as changes:
        (tmp_path / "new").write_bytes(b"x")
        assert changes.wait(PATIENCE_S)

        (tmp_path / "new").replace(tmp_path / "exit.json")
        assert changes.wait(PATIENCE_S)


@pytest.mark.parametrize(("folder", "works"), [("", True), ("there is no such folder", False)])
def test_without_a_write_or_a_watch_it_only_waits(tmp_path, folder, works):
    with FolderChanges(tmp_path, tmp_path / folder) as changes:
        assert (changes.works, changes.wait(0)) == (works, False)


def open_watches() -> int:
    """Return how many descriptors of inotify this process has."""
    return sum("inotify" in os.path.realpath(link) for link in OPEN.iterdir())


def test_it_leaves_no_descriptor_open(tmp_path):
    before = open_watches()
    with FolderChanges(tmp_path), FolderChanges(tmp_path / "none"):
        assert open_watches() == before + 2

    assert open_watches() == before
