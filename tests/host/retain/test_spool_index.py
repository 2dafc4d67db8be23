"""Which spools an agent looks at."""

import os

import pytest

from jobs.host import retain as listings
from jobs.host.base import spool as spools
from jobs.host.base.spool import Meta
from jobs.host.retain import SpoolIndex
from tests.host.conftest import plan_of


@pytest.fixture(params=[True, False], ids=["settled", "just changed"])
def index(host_dir, monkeypatch, request):
    """Index of folders with a last change long ago, or just now: both must be equal."""
    monkeypatch.setattr(listings, "SETTLED_NS", -(10**18) if request.param else 10**18)
    return SpoolIndex(host_dir)


def numbers(spools):
    return [int(spool.path.name) for spool in spools]


def test_what_is_closed_is_not_looked_at_by_its_own_dashboard(index, make_spool):
    made = [make_spool("true", number=number) for number in (1, 2, 10)]
    assert numbers(index.open("i-1")) == [1, 2, 10]

    index.close(made[0], "i-1")

    assert numbers(index.open("i-1")) == [2, 10]
    assert numbers(index.open("i-2")) == [1, 2, 10]
    assert numbers(index.open(None)) == [1, 2, 10]


def test_what_comes_later_is_seen(index, make_spool):
    index.close(make_spool("true", number=1), "i-1")
    assert index.open("i-1") == []

    make_spool("true", number=2)

    assert numbers(index.open("i-1")) == [2]


def test_another_spool_of_a_closed_number_is_open(index, make_spool, host_dir):
    old = make_spool("true", number=1)
    index.close(old, "i-1")
    assert index.open("i-1") == []

    old.path.rename(host_dir / "elsewhere")
    make_spool("true", number=1)

    assert numbers(index.open("i-1")) == [1]


def test_what_is_sent_again_is_looked_at_again(index, make_spool):
    made = [make_spool("true", number=number) for number in (1, 2)]
    for spool in made:
        index.close(spool, "i-1")
    assert index.open("i-1") == []

    index.reopen(made[0])

    assert numbers(index.open("i-1")) == [1]
    assert numbers(index.open("i-1")) == [1]


def test_what_was_removed_is_forgotten(index, make_spool, host_dir):
    old = make_spool("true", number=1)
    index.close(old, "i-1")
    old.path.rename(host_dir / "elsewhere")
    index.forget(old)

    (host_dir / "elsewhere").rename(old.path)  # the same inode, as a new folder may get it

    assert numbers(index.open("i-1")) == [1]


def test_the_next_run_of_a_closed_server_is_seen(host_dir, monkeypatch):
    monkeypatch.setattr(listings, "SETTLED_NS", -(10**18))
    meta = Meta("deployment", 3, "i-1", "t", 1, "http://127.0.0.1:1")
    server = spools.create(host_dir / "serve" / "3", meta, plan_of("true"), {}, None)
    os.utime(server.path, ns=(0, 0))
    index = SpoolIndex(host_dir)
    index.close(server, "i-1")
    assert index.open("i-1") == []

    again = Meta("deployment", 3, "i-1", "t", 2, "http://127.0.0.1:1")
    spools.begin_run(server, again, plan_of("true"), {}, {})

    assert numbers(index.open("i-1")) == [3]


def test_a_server_that_changed_a_moment_ago_is_not_closed_yet(host_dir):
    meta = Meta("deployment", 3, "i-1", "t", 1, "http://127.0.0.1:1")
    server = spools.create(host_dir / "serve" / "3", meta, plan_of("true"), {}, None)
    index = SpoolIndex(host_dir)

    index.close(server, "i-1")

    assert numbers(index.open("i-1")) == [3]
