"""SQLite's write-ahead log beside a running dashboard."""

import sqlite3
import time
from contextlib import closing

import pytest

from tests.stack import DATABASE
from tests.waiting import until

pytestmark = pytest.mark.processes


def write(stack, name):
    """Write as a process does whose connection is the only one, and closes."""
    with closing(sqlite3.connect(stack.data_dir / DATABASE, timeout=30)) as database:
        database.execute("UPDATE auth_user SET first_name = ?", [name])
        database.commit()


def merged_name(stack):
    """The name in the database's own file, as after a power cut that took the log."""
    address = f"file:{stack.data_dir / DATABASE}?immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        return database.execute("SELECT first_name FROM auth_user").fetchone()[0]


def test_a_connection_that_closes_does_not_merge_the_log(long_stack):
    for turn in range(20):
        write(long_stack, f"Ada {turn}")

        assert long_stack.data_dir.joinpath(f"{DATABASE}-wal").stat().st_size > 0
        time.sleep(0.1)  # nobody else has a connection most of the time


def test_what_was_written_is_merged_beside_the_requests(long_stack):
    write(long_stack, "Grace")

    until(lambda: merged_name(long_stack) == "Grace", "the log is merged")
