"""Downloads from a real web process: slow readers, ranges, files that go away."""

import contextlib
import http.client
import json
import os
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.dashboard.lib.web_server import running_web
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

SIZE = 64 * 1024 * 1024
MOST = 6  # of a person
_OUTPUT = """
import os
from django.conf import settings
from jobs.models import Job, OutputFile
job = Job.objects.get()
folder = settings.DATA_DIR / "outputs" / str(job.pk)
folder.mkdir(parents=True, exist_ok=True)
for name in ("large", "shortened"):
    (folder / name).touch()
    os.truncate(folder / name, {size})
    file = dict(bytes={size}, received_bytes={size}, sha256="ab" * 32)
    print(OutputFile.objects.create(job=job, name=name, path=name, **file).pk)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    with running_web(folder) as server:
        server.outputs = server.shell(_OUTPUT.format(size=SIZE))
        yield server


class Reader:
    """Connection that sends a request and reads on demand."""

    def __init__(self, server, output=0, method="GET", **headers):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", server.port))
        path = f"/jobs/{server.job}/outputs/{server.outputs[output]}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
        lines += [f"Cookie: {server.cookie}", *(f"{k}: {v}" for k, v in headers.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def answer(self):
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        return answer


@contextlib.contextmanager
def deaf(server, count, output=0):
    """Let so many readers get their heads, and read nothing more until the end.

    Slots of earlier readers are free first: a server takes a while to see that they went away.
    """
    until(lambda: not open_files(server), "earlier readers have left their slots")
    with contextlib.ExitStack() as held:
        readers = [Reader(server, output) for _ in range(count)]
        for reader in readers:
            held.callback(reader.socket.close)
        answers = [held.enter_context(reader.answer()) for reader in readers]
        assert [answer.status for answer in answers] == [200] * count
        yield answers


def asked(server, output=0, method="GET", **headers):
    reader = Reader(server, output, method, **headers)
    with contextlib.closing(reader.socket), reader.answer() as answer:
        return answer.status, answer.headers, answer.read() if method == "GET" else b""


def open_files(server):
    """Return the outputs and slots that the web process has open."""
    links = []
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(link.readlink()))
    return [link for link in links if "/outputs/" in link or "/streams/" in link]


def test_a_file_a_range_and_a_head_arrive(server):
    whole, range_, head = (
        asked(server),
        asked(server, Range="bytes=-7"),
        asked(server, method="HEAD"),
    )

    assert [status for status, _headers, _body in (whole, range_, head)] == [200, 206, 200]
    assert (
        whole[1]["Content-Length"] == head[1]["Content-Length"] == str(SIZE) == str(len(whole[2]))
    )
    assert (range_[2], range_[1]["ETag"]) == (b"\0" * 7, '"' + "ab" * 32 + '"')
    assert range_[1]["Content-Range"] == f"bytes {SIZE - 7}-{SIZE - 1}/{SIZE}"


def test_a_person_s_readers_have_a_number_and_other_pages_are_not_affected(server):
    with deaf(server, MOST):
        status, headers, _page = asked(server)
        short = asked(server, Range="bytes=0-99")[0]
        jobs = json.load(server.get("jobs"))
        with urllib.request.urlopen(f"{server.url}/login/", timeout=PATIENCE_S) as page:
            login = page.status

    assert (status, headers["Retry-After"]) == (429, "5")
    assert (short, login, "jobs" in jobs) == (206, 200, True)


def test_readers_that_go_away_leave_nothing_behind(server):
    with deaf(server, MOST):
        # An output is open while one of its pieces is read.
        slots = [file for file in open_files(server) if "/streams/" in file]
        assert len(slots) == 2 * MOST
    for _ in range(MOST):
        Reader(server).socket.close()  # before the first byte

    until(lambda: not open_files(server), "all files are closed")
    assert asked(server)[0] == 200


def test_a_reader_that_takes_nothing_is_cut_off(tmp_path):
    with running_web(tmp_path, '{"server.web.DEAF_S": 0.5}') as server:
        server.outputs = server.shell(_OUTPUT.format(size=SIZE))
        with deaf(server, 1) as (answer,):
            until(lambda: not open_files(server), "its slot is free")
            with pytest.raises((ConnectionError, http.client.IncompleteRead)):
                answer.read()


def test_a_file_that_goes_away_ends_the_connection(server):
    file = server.data_dir / "outputs" / str(server.job) / "shortened"
    with deaf(server, 1, 1) as (answer,):
        os.truncate(file, 1000)
        with pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()

    assert len(cut.value.partial) < SIZE
    until(lambda: not open_files(server), "all files are closed")
