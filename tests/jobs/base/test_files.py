"""Files and their locks."""

import fcntl
from pathlib import Path

import pytest

from jobs.base.files import take_lock

OPEN = Path("/proc/self/fd")


def test_a_share_that_cannot_lock_leaves_no_file_open(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(list(OPEN.iterdir()))

    with pytest.raises(OSError, match="no locks"):
        take_lock(tmp_path / "lock")

    assert len(list(OPEN.iterdir())) == before
