"""Disk usage of jobs' shared outputs on a host is measured, and seldom."""

import os
from pathlib import Path

import pytest

from jobs.host.retain import INTERVAL_S, DiskUsage


@pytest.fixture
def folders(tmp_path):
    paths = {name: tmp_path / name for name in ("environments", "weights")}
    for folder in paths.values():
        folder.mkdir()
    return {name: str(folder) for name, folder in paths.items()}


def write(path, size=500_000):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(os.urandom(size))


def test_each_folder_is_measured_with_all_that_is_in_it(folders):
    write(Path(folders["weights"]) / "model" / "part")
    usage = DiskUsage()

    usage.measure(folders, at=1000.0)

    assert 500_000 <= usage.sizes["weights"]["bytes"] < 600_000
    assert usage.sizes["environments"]["bytes"] < 100_000
    assert {each["at"] for each in usage.sizes.values()} == {1000.0}


def test_what_looks_the_same_is_not_walked_again_for_an_hour(folders):
    write(Path(folders["weights"]) / "model" / "part")
    usage = DiskUsage()
    usage.measure(folders, at=1000.0)
    # Grows within: neither the folder nor its direct contents look otherwise.
    write(Path(folders["weights"]) / "model" / "part", 900_000)

    usage.measure(folders, at=1000.0 + INTERVAL_S - 1)
    before = usage.sizes["weights"]
    usage.measure(folders, at=1000.0 + INTERVAL_S)

    assert before["at"] == 1000.0
    assert before["bytes"] < 600_000
    assert usage.sizes["weights"]["at"] == 1000.0 + INTERVAL_S
    assert usage.sizes["weights"]["bytes"] >= 900_000


def test_what_comes_and_what_goes_is_measured_at_the_next_look(folders):
    usage = DiskUsage()
    usage.measure(folders, at=1000.0)
    write(Path(folders["weights"]) / "model" / "part")

    usage.measure(folders, at=1300.0)
    came = usage.sizes
    (Path(folders["weights"]) / "model" / "part").unlink()
    usage.measure(folders, at=1600.0)

    assert came["weights"]["bytes"] >= 500_000
    assert came["environments"]["at"] == 1000.0
    assert usage.sizes["weights"]["bytes"] < 100_000


def test_an_unreadable_folder_has_no_usage(folders, tmp_path):
    usage = DiskUsage()

    usage.measure({**folders, "datasets": str(tmp_path / "missing")}, at=1000.0)

    assert set(usage.sizes) == {"environments", "weights"}


def test_a_clock_that_was_put_back_does_not_stop_the_measuring(folders):
    usage = DiskUsage()
    usage.measure(folders, at=10_000.0)

    usage.measure(folders, at=1000.0)

    assert usage.sizes["weights"]["at"] == 1000.0
