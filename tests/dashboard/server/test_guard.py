"""Bodies and heads that are too large, too slow or too many, sent to a real web process."""

import contextlib
import json
import os
import resource
import select
import socket
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from dashboard.server import web
from tests.dashboard.lib.web_server import PASSWORD, Browser, running_web
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

MIB = 1024 * 1024
# Short, so that the tests do not wait for long.
LIMITS = {
    "server.front.BODY_S": 8.0,
    "server.front.SLOW_S": 1.0,
    "server.web.HEAD_S": 8.0,
    "server.web.SLOW_S": 6.0,
    "security.listeners.MOST_OF_A_PERSON": 3,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_web(tmp_path_factory.mktemp("guard"), json.dumps(LIMITS)) as running:
        Browser(running.port).ask("/login/")  # it answers
        yield running


@pytest.fixture
def many_files():
    """Room for hundreds of sockets in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(2048, before[0]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def head(path, *lines, method="POST"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def connected(server):
    page = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    page.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return page


def answer_of(page):
    """All that comes until the server closes."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while data := page.recv(65536):
            got += data
    return got


def status_of(page):
    line = answer_of(page).partition(b"\r\n")[0]
    return int(line.split()[1]) if line else 0


def memory_of(server):
    """Bytes of the web process in memory."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sent(page, data):
    """Send until the server closes."""
    with contextlib.suppress(ConnectionError):
        page.sendall(data)


def open_files(server):
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def is_open(page):
    """False once the server has closed, whatever it said before."""
    while select.select([page], [], [], 0)[0]:
        try:
            if not page.recv(65536):
                return False
        except ConnectionResetError:
            return False
    return True


def test_300_mib_for_the_login_page_are_refused_unread(server):
    before = memory_of(server)
    taken = 0
    with connected(server) as page:
        page.sendall(head("/login/", f"Content-Length: {300 * MIB}"))
        with contextlib.suppress(ConnectionError):
            while taken < 300 * MIB and not select.select([page], [], [], 0)[0]:
                taken += page.send(bytes(MIB))
        status = status_of(page)

    assert status == 413
    assert taken < 64 * MIB
    assert memory_of(server) - before < 64 * MIB


@pytest.mark.parametrize(
    ("line", "body", "statuses"),
    [
        # Of unknown size: it is counted as it comes.
        ("Transfer-Encoding: chunked", (b"1000\r\n" + bytes(4096) + b"\r\n") * 64, (413,)),
        # Zeros before a size hide nothing.
        (f"Content-Length: {'0' * 30}20000", b"x" * 20_000, (400, 413)),
    ],
)
def test_a_body_hides_no_size(server, line, body, statuses):
    with connected(server) as page:
        page.sendall(head("/login/", line))
        sent(page, body)
        assert status_of(page) in statuses


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/login/", 17 * 1024, 413),
        ("/login/", 15 * 1024, 403),  # no CSRF token: it was read
        ("/healthz", 1, 413),
        ("/jobs/", 3 * MIB, 413),
        ("/api/v1/jobs", 3 * MIB, 413),
        ("/api/v1/host/heartbeat", 2 * MIB, 401),
        ("/api/v1/host/heartbeat", 3 * MIB, 413),
    ],
)
def test_a_path_says_how_large_a_body_may_be(server, path, size, status):
    with connected(server) as page:
        page.sendall(head(path, f"Content-Length: {size}", "Connection: close"))
        sent(page, b"x" * size)
        assert status_of(page) == status


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_is_refused_says_why(server, language):
    with connected(server) as page:
        lines = ("Content-Length: 99999999", f"Accept-Language: {language}")
        page.sendall(head("/login/", *lines))
        answer = answer_of(page).decode()

    assert ("16384" in answer, "Request body too large" in answer) == (True, language == "en")


@pytest.mark.parametrize(
    ("half", "most"),
    [
        (head("/login/", "Content-Length: 1000") + b"username=", 32),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", 64),
    ],
    ids=["bodies", "heads"],
)
def test_of_400_half_sent_requests_few_stay_open(server, many_files, half, most):
    with contextlib.ExitStack() as pages:
        opened = [pages.enter_context(connected(server)) for _ in range(400)]
        for page in opened:
            page.sendall(half)
        # Whole requests of the same address are served meanwhile.
        assert Browser(server.port).log_in(PASSWORD).status == 302
        until(lambda: sum(is_open(page) for page in opened) <= most)
        until(lambda: not any(is_open(page) for page in opened))
    until(lambda: open_files(server) < 200)


def test_100_connections_of_one_address_are_served(server):
    """As a proxy opens them for all its browsers after a restart."""
    with contextlib.ExitStack() as pages:
        opened = [pages.enter_context(connected(server)) for _ in range(100)]
        Browser(server.port).ask("/login/")  # all have been accepted
        for page in opened:
            page.sendall(head("/login/", "Connection: close", method="GET"))
        statuses = [status_of(page) for page in opened]

    assert statuses == [200] * 100


@pytest.mark.parametrize("sent", [b"", b"GET /login/ HTTP/1.1\r\n"])
def test_a_connection_without_a_whole_request_is_closed(server, sent):
    with connected(server) as page:
        page.sendall(sent)

        assert answer_of(page)[:12] == (b"HTTP/1.1 408" if sent else b"")


def test_the_second_request_of_a_connection_has_its_time_too(server):
    with connected(server) as page:
        page.sendall(head("/healthz", method="GET"))
        until(lambda: select.select([page], [], [], 0)[0])
        page.sendall(b"GET /healthz HTTP/1.1\r\n")

        assert b"HTTP/1.1 408" in answer_of(page)


def test_a_head_of_a_mebibyte_is_refused(server):
    with connected(server) as page:
        page.sendall(b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        sent(page, b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(1024)))
        answer = answer_of(page)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


def test_a_slow_body_that_comes_steadily_is_taken(server):
    body = b"username=x&password=y"
    with connected(server) as page:
        page.sendall(head("/login/", f"Content-Length: {len(body)}", "Connection: close"))
        for place in range(0, len(body), 7):
            page.sendall(body[place : place + 7])
            time.sleep(0.05)
        assert status_of(page) == 403


def test_a_client_that_takes_nothing_is_dropped_by_the_kernel():
    with socket.create_server(("127.0.0.1", 0)) as made:
        listener = web.listener_of(os.dup(made.fileno()))
        with (
            listener,
            socket.create_connection(made.getsockname()),
            listener.accept()[0] as accepted,
        ):
            limit = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert limit == web.DEAF_S * 1000


def test_a_person_opens_a_limited_number_of_sockets(server):
    with contextlib.ExitStack() as opened:
        pages = [opened.enter_context(server.socket("live/")) for _ in range(3)]
        hellos = [page.recv(timeout=PATIENCE_S) for page in pages]
        one_more = opened.enter_context(server.socket("live/"))
        with pytest.raises(ConnectionClosed):
            one_more.recv(timeout=PATIENCE_S)
        pages[0].close()
        until(lambda: is_served(server))

    assert all("hello" in hello for hello in hellos)
    assert one_more.close_code == 4429


def is_served(server):
    with server.socket("live/") as page, contextlib.suppress(ConnectionClosed):
        return "hello" in page.recv(timeout=PATIENCE_S)
    return False


def test_a_large_message_of_a_page_closes_its_socket(server):
    with server.socket("live/") as page:
        with contextlib.suppress(ConnectionClosed):
            page.send("x" * 100_000)
            while True:
                page.recv(timeout=PATIENCE_S)
        assert page.close_code == 1009
