"""A file that the output goes to: moved away when it is long, and written on by all processes."""

import os
import subprocess
import sys

import pytest

from jobs.host.agent import supervisor
from tests.waiting import until

SUPERVISED = """
import sys
from jobs.host.agent import supervisor
supervisor.MOST_BYTES = 1000
child = supervisor.Child("talker", [sys.executable, "-c", "print('x' * 600, flush=True)"])
sys.exit(supervisor.Supervisor([child], lambda text: print(text, flush=True)).run())
"""


@pytest.fixture
def bounded(monkeypatch):
    monkeypatch.setattr(supervisor, "MOST_BYTES", 100)


def test_a_long_file_is_moved_and_written_on(tmp_path, bounded):
    path = tmp_path / "server.log"
    with path.open("wb", buffering=0) as output:
        supervisor.bound_output([output.fileno()])  # as at the start
        output.write(b"a" * 101)
        supervisor.bound_output([output.fileno()])
        subprocess.run(["echo", "later"], stdout=output, check=True)

    assert (tmp_path / "server.log.1").read_bytes() == b"a" * 101
    assert path.read_bytes() == b"later\n"


def test_a_short_file_stays(tmp_path, bounded):
    path = tmp_path / "server.log"
    with path.open("wb", buffering=0) as output:
        output.write(b"a" * 100)
        supervisor.bound_output([output.fileno()])

    assert path.read_bytes() == b"a" * 100
    assert not (tmp_path / "server.log.1").exists()


def test_a_pipe_stays_as_it_is(bounded):
    reader, writer = os.pipe()
    os.write(writer, b"a" * 101)

    supervisor.bound_output([writer])

    assert os.read(reader, 200) == b"a" * 101
    os.close(reader)
    os.close(writer)


def test_a_file_that_cannot_be_moved_says_what_was_removed(tmp_path, bounded):
    path = tmp_path / "server.log"
    (tmp_path / "server.log.1").mkdir()
    with path.open("wb", buffering=0) as output:
        output.write(b"a" * 101)
        supervisor.bound_output([output.fileno()])
        output.write(b"later\n")

    first, later = path.read_text().splitlines()
    assert first.startswith("101 bytes of this log were removed, not moved: ")
    assert "server.log.1" in first
    assert later == "later"


@pytest.mark.processes
def test_the_output_of_a_supervisor_stays_bounded(tmp_path):
    path = tmp_path / "server.log"
    with path.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-c", SUPERVISED], stdout=output, stderr=output)
    try:
        until((tmp_path / "server.log.1").exists, "the file is moved")
    finally:
        running.terminate()
        running.wait()

    assert b"x" * 600 in (tmp_path / "server.log.1").read_bytes()
