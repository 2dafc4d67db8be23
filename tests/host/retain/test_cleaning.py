"""Spools that an agent looks at, spools that it removes, and disk usage of what jobs share."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.host import retain as listings
from jobs.host.agent import agent as agents
from jobs.host.base import spool as spools
from jobs.host.base.config import HostLimits
from jobs.host.retain import INTERVAL_S, Cleaner, DiskUsage, SpoolIndex
from tests.host.conftest import plan_of
from tests.waiting import until

DAY = 86_400


@pytest.fixture
def over(make_spool):
    """The spool of a job that is over, acknowledged so many days ago."""

    def make(number, *, days, kilobytes=4, **given):
        spool = make_spool("true", number=number, **given)
        (spool.work / "made").write_bytes(bytes(kilobytes * 1000))
        spool.append_ended("succeeded", "done", {})
        spool.mark_acked(1)
        then = time.time() - days * DAY
        os.utime(spool.path / "acked", (then, then))
        return spool

    return make


@pytest.fixture
def clean(host_dir):
    """Clean once; return the sizes and the numbers of removed jobs."""

    def look(instance="i-1", **given):
        gone = []
        cleaner = Cleaner(host_dir, HostLimits(**given), gone.append)
        cleaner.clean(instance)
        return cleaner.sizes, [int(spool.path.name) for spool in gone]

    return look


@pytest.fixture
def serve(make_server):
    """Have a server live that uses the folder of this job; its spool."""
    return lambda job: make_server(2, values={"job_dir": str(job.path)})


def numbers(host_dir):
    return sorted(int(path.name) for path in (host_dir / "spool").iterdir())


def test_what_the_dashboard_has_all_of_goes_after_seven_days(host_dir, over, clean):
    over(1, days=8)
    over(2, days=6)
    assert clean(spools_s=0)[1] == []

    assert clean()[1] == [1]

    assert numbers(host_dir) == [2]


def test_what_is_not_over_stays_whatever_its_age(host_dir, over, make_spool, clean):
    running = over(1, days=80)
    lock = running.lock()
    over(2, days=80, instance="another dashboard")
    waits = over(3, days=80)
    for name in ("acked", "exit.json"):
        (waits.path / name).unlink()
    (over(4, days=80).path / "acked").unlink()  # ended, and not all of it arrived

    clean()
    clean(instance=None)

    assert numbers(host_dir) == [1, 2, 3, 4]
    os.close(lock)


def test_more_than_the_given_room_goes_from_the_oldest_on(host_dir, over, clean):
    for number, days in ((5, 1), (6, 3), (7, 2)):
        over(number, days=days, kilobytes=400)

    assert clean(spools_bytes=900_000)[1] == [6]
    assert clean(spools_bytes=500_000)[1] == [7]

    assert numbers(host_dir) == [5]


def test_the_folder_of_a_job_stays_while_its_server_lives(host_dir, over, clean, serve):
    job, other = over(11, days=80), over(1, days=80)
    server = serve(job)

    clean()
    assert numbers(host_dir) == [11]  # and not 1, with which its name begins
    assert not other.path.exists()
    server.append_ended("cancelled", "cancelled", {})
    clean()

    assert numbers(host_dir) == []
    assert server.path.is_dir()  # its next run uses it


def test_what_a_server_keeps_makes_no_room(host_dir, over, clean, serve):
    serve(over(1, days=3, kilobytes=400))
    over(2, days=2, kilobytes=400)
    over(3, days=1, kilobytes=400)

    assert clean(spools_bytes=900_000)[1] == [2]


def test_a_server_started_during_cleaning_keeps_its_folder(host_dir, over, serve):
    over(1, days=80)
    used = over(2, days=70)
    removed = []

    def starts_a_server(spool):
        removed.append(spool.path.name)
        serve(used)

    Cleaner(host_dir, HostLimits(), starts_a_server).clean("i-1")

    assert removed == ["1"]
    assert numbers(host_dir) == [2]


def test_what_cannot_be_removed_is_counted_and_blocks_nothing(host_dir, over, clean, monkeypatch):
    for _ in range(2):  # the number is given again
        over(1, days=80, kilobytes=400)
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse)  # as for what a container wrote as root
            sizes, gone = clean()
        assert gone == [1]

    assert sizes["spool_bytes"] > 800_000
    assert clean()[0]["spool_bytes"] == 0


def refuse(path, **_):
    raise PermissionError(path)


def test_what_a_job_made_for_others_stays(host_dir, over, clean):
    made = {}
    spool = over(1, days=80)
    for folder in ("weights", "artifacts", "environments", "datasets"):
        made[folder] = host_dir / folder / "of-job-1"
        made[folder].mkdir(parents=True)
        (made[folder] / "file").write_bytes(b"x")
        (spool.work / folder).symlink_to(made[folder])

    clean()

    assert numbers(host_dir) == []
    assert all((path / "file").read_bytes() == b"x" for path in made.values())


def test_half_a_removal_is_gone_on_with_and_never_read_as_a_job(host_dir, over, clean):
    over(1, days=80).path.rename(host_dir / "spool" / ".1.gone")
    assert spools.all_spools(host_dir) == []

    clean()

    assert list((host_dir / "spool").iterdir()) == []


def test_what_is_set_aside_is_counted_and_stays(host_dir, over, clean):
    lost = over(1, days=80, kilobytes=300)
    spools.set_aside(lost, host_dir)
    over(2, days=1, kilobytes=500)

    sizes, _ = clean()

    assert 300_000 <= sizes["aside_bytes"] < 400_000
    assert 500_000 <= sizes["spool_bytes"] < 600_000
    assert (host_dir / "aside" / "i-1-1").is_dir()


@pytest.mark.processes
def test_an_agent_removes_what_was_shipped_and_goes_on(
    intake, agent_in_thread, config, host_dir, monkeypatch, queued
):
    monkeypatch.setattr(agents, "CLEAN_S", 0.1)
    monkeypatch.setattr(
        agents, "Cleaner", lambda folder, _, forget: Cleaner(folder, HostLimits(spools_s=1), forget)
    )
    queued("echo one")
    agent_in_thread()

    until(lambda: intake.jobs[7].ended and not (host_dir / "spool" / "7").exists())
    queued("echo two", number=8)

    until(lambda: intake.jobs[8].ended)
    assert (intake.jobs[7].log, intake.jobs[8].log) == (b"one\n", b"two\n")
    until(lambda: "aside_bytes" in intake.heartbeats[-1]["load"])


@pytest.fixture(params=[True, False], ids=["settled", "just changed"])
def index(host_dir, monkeypatch, request):
    """Index of folders with a last change long ago, or just now: both must be equal."""
    monkeypatch.setattr(listings, "SETTLED_NS", -(10**18) if request.param else 10**18)
    return SpoolIndex(host_dir)


def numbers_of(spools):
    return [int(spool.path.name) for spool in spools]


def test_what_is_closed_is_not_looked_at_by_its_own_dashboard(index, make_spool):
    made = [make_spool("true", number=number) for number in (1, 2, 10)]
    assert numbers_of(index.open("i-1")) == [1, 2, 10]

    index.close(made[0], "i-1")

    assert numbers_of(index.open("i-1")) == [2, 10]
    assert numbers_of(index.open("i-2")) == [1, 2, 10]
    assert numbers_of(index.open(None)) == [1, 2, 10]


def test_what_comes_later_is_seen_in_the_place_of_a_closed_one_too(index, make_spool, host_dir):
    old = make_spool("true", number=1)
    index.close(old, "i-1")
    assert index.open("i-1") == []

    make_spool("true", number=2)
    assert numbers_of(index.open("i-1")) == [2]

    old.path.rename(host_dir / "elsewhere")
    make_spool("true", number=1)
    assert numbers_of(index.open("i-1")) == [1, 2]


def test_what_is_sent_again_is_looked_at_again(index, make_spool):
    made = [make_spool("true", number=number) for number in (1, 2)]
    for spool in made:
        index.close(spool, "i-1")
    assert index.open("i-1") == []

    index.reopen(made[0])

    assert numbers_of(index.open("i-1")) == [1]
    assert numbers_of(index.open("i-1")) == [1]


def test_what_was_removed_is_forgotten(index, make_spool, host_dir):
    old = make_spool("true", number=1)
    index.close(old, "i-1")
    old.path.rename(host_dir / "elsewhere")
    index.forget(old)

    (host_dir / "elsewhere").rename(old.path)  # the same inode, as a new folder may get it

    assert numbers_of(index.open("i-1")) == [1]


def test_the_next_run_of_a_closed_server_is_seen(host_dir, make_spool, serve, monkeypatch):
    monkeypatch.setattr(listings, "SETTLED_NS", -(10**18))
    server = serve(make_spool("true", instance="another"))
    os.utime(server.path, ns=(0, 0))
    index = SpoolIndex(host_dir)
    index.close(server, "i-1")
    assert numbers_of(index.open("i-1")) == [1]

    spools.begin_run(server, replace(server.meta(), run=2), plan_of("true"), {}, {})

    assert numbers_of(index.open("i-1")) == [1, 2]


def test_a_server_that_changed_a_moment_ago_is_not_closed_yet(host_dir, make_spool, serve):
    server = serve(make_spool("true"))
    index = SpoolIndex(host_dir)

    index.close(server, "i-1")

    assert numbers_of(index.open("i-1")) == [1, 2]


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


def test_neither_a_missing_folder_nor_a_clock_put_back_stops_the_measuring(folders, tmp_path):
    usage = DiskUsage()
    usage.measure({**folders, "datasets": str(tmp_path / "missing")}, at=10_000.0)
    assert set(usage.sizes) == {"environments", "weights"}

    usage.measure(folders, at=1000.0)

    assert usage.sizes["weights"]["at"] == 1000.0
