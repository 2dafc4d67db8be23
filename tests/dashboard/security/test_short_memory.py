"""Short memory: age and number of its entries, and changes of rights."""

import time

import pytest

from dashboard.security.listeners import check_soon
from dashboard.security.short_memory import ShortMemory
from tests.waiting import until


def read_before(seconds):
    return time.monotonic() - seconds


def test_a_value_lasts_as_long_as_was_said():
    memory = ShortMemory(60)
    memory.keep("old", 1, since=read_before(61))
    memory.keep("young", 2, since=read_before(10))

    assert (memory.get("old"), memory.get("young"), memory.get("unknown")) == (None, 2, None)
    assert (memory.get("young", within_s=9), memory.get("young", within_s=30)) == (None, 2)


def test_a_value_is_taken_once_and_only_while_it_lasts():
    memory = ShortMemory(60)
    memory.keep("old", 1, since=read_before(61))
    memory.keep("young", 2, since=read_before(0))

    assert [memory.take(name) for name in ("old", "young", "young")] == [None, 2, None]


def test_of_too_many_the_newest_stay():
    memory = ShortMemory(60, most=2)
    for name in ("first", "second", "second", "first", "third"):
        memory.keep(name, name, since=read_before(0))
        assert name == "third" or memory.get("first")

    assert [memory.get(name) for name in ("first", "second", "third")] == ["first", None, "third"]


@pytest.mark.parametrize("change", [check_soon, None])
def test_a_change_of_rights_forgets_all_and_what_is_being_read(change):
    memory = ShortMemory(60)
    memory.keep("known", 1, since=read_before(0))
    reading_since = read_before(0)
    (change or memory.forget)()
    memory.keep("read", 2, since=reading_since)

    assert (memory.get("known"), memory.get("read")) == (None, None)
    memory.keep("read", 3, since=read_before(0))
    assert memory.get("read") == 3


def test_what_nobody_takes_leaves_the_memory():
    memory = ShortMemory(0.02)
    for _ in range(2):
        memory.keep("name", "secret", since=read_before(0))
        until(lambda: not memory._values)
