import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.parse

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jobs.logstore.hub import MAX_FRAME_BYTES
from tests import waiting
from tests.dashboard.lib.socket_server import running_server
from tests.dashboard.lib.valkey_server import running_valkey
from tests.frames import unframe
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

LINE = b"step %06d \xe5\xae\x8c\xe6\x88\x90 loss 0.123 \x1b[32mINFO\x1b[0m and so on\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sockets")
    (folder / "data").mkdir()
    with (
        running_valkey(folder) as (valkey, _process, client),
        running_server(folder / "data", redis_url=valkey.url) as running,
    ):
        running.redis = client
        yield running


@pytest.fixture
def log(server):
    key = f"job/{server.job}"
    for file in server.logs.path(key).parent.glob(f"{server.job}.*"):
        file.unlink()
    server.set_state("running")
    return lambda data: server.logs.append(key, server.logs.size(key), data)


def frames_of(socket, *, start=0, until=None, timeout=PATIENCE_S):
    """The bytes of a socket from ``start`` on; asserts that none is skipped or repeated."""
    got = b""
    for message in iter(lambda: socket.recv(timeout=timeout), None):
        if isinstance(message, str):
            assert json.loads(message) == {"type": "end", "final": True}
            return got
        offset, _, data = unframe(message)
        assert offset == start + len(got)
        got += data
        if until is not None and len(got) >= until:
            return got
    return got


def test_every_page_gets_the_same_bytes_of_a_log(server, log):
    data = b"".join(LINE % n for n in range(300_000))
    address = f"log/job/{server.job}/"
    ends, chance = {}, random.Random(5)

    def end_of(socket, start=0, until=None):
        """Compare each frame with its part of the log; return where the last one ended."""
        end = start
        while until is None or end < until:
            message = socket.recv(timeout=PATIENCE_S)
            if isinstance(message, str):
                assert json.loads(message) == {"type": "end", "final": True}
                break
            offset, _, part = unframe(message)
            assert offset == end
            end += len(part)
            assert part == data[offset:end]
        return end

    def from_the_start():
        with server.socket(address) as page:
            ends["early"] = end_of(page)

    def cut_off_again_and_again():
        end = 0
        for _ in range(5):
            with server.socket(f"{address}?from={end}") as page:
                end = end_of(page, end, end + chance.randint(1, 3_000_000))
        with server.socket(f"{address}?from={end}") as page:
            ends["cut off"] = end_of(page, end)

    pages = [threading.Thread(target=from_the_start)]
    pages += [threading.Thread(target=cut_off_again_and_again)]
    with server.socket(address, ping_interval=None) as stalled:
        for page in pages:
            page.start()
        for start in range(0, len(data), 200_000):
            log(data[start : start + 200_000])
        with server.socket(address) as page:
            ends["late"] = end_of(page, until=len(data))
        server.set_state("succeeded")
        for page in pages:
            page.join(PATIENCE_S)
        ends["stalled"] = end_of(stalled)  # read nothing until now

    assert len(data) > 15_000_000
    assert ends == dict.fromkeys(("early", "cut off", "late", "stalled"), len(data))


def test_a_hint_brings_new_bytes_before_the_next_look(server, log):
    key, waited = f"job/{server.job}", []
    log(b"first\n")
    with server.socket(f"log/{key}/") as page:
        assert frames_of(page, until=6) == b"first\n"
        channel = waiting.until(server.redis.pubsub_channels, "the server listens")[0]
        for _ in range(5):
            size = server.logs.size(key)
            log(b"more\n")
            began = time.monotonic()
            server.redis.publish(channel, json.dumps({"type": "log", "key": key, "size": size}))
            assert unframe(page.recv(timeout=PATIENCE_S))[0] == size
            waited.append(time.monotonic() - began)

    # A look by itself comes every second: five in a row cannot all be as soon as this by chance.
    assert sorted(waited)[2] < 0.3


def code_of(page):
    """The code with which the server closes a socket, whatever comes before."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            page.recv(timeout=PATIENCE_S)
    return closed.value.rcvd.code


def test_without_redis_the_log_still_arrives(tmp_path):
    (tmp_path / "data").mkdir(exist_ok=True)
    with (
        running_valkey(tmp_path) as (valkey, process, _client),
        running_server(tmp_path / "data", redis_url=valkey.url) as server,
    ):
        key, logs = f"job/{server.job}", server.logs
        with server.socket(f"log/{key}/") as page, server.socket("live/") as live:
            logs.append(key, 0, b"before\n")
            assert frames_of(page, until=7) == b"before\n"
            os.kill(process.pid, signal.SIGKILL)
            logs.append(key, 7, b"without\n")
            assert frames_of(page, start=7, until=8) == b"without\n"
            server.set_state("failed")
            assert frames_of(page, start=15) == b""
            heard = [json.loads(live.recv(timeout=PATIENCE_S)) for _ in range(3)]
            assert heard[-1] == {"type": "missed"}


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("log/job/{job}/?from=-1", 4400),
        ("log/job/{job}/?from=x", 4400),
        ("log/job/999999/", 4404),
        ("log/deployment/999999/", 4404),
        ("nothing/", 4404),
        ("log/job/x/", 4404),
        ("log/job/" + "9" * 5000 + "/", 4404),
    ],
)
def test_a_socket_that_cannot_be_served_says_why(server, address, code):
    with server.socket(address.format(job=server.job)) as page:
        assert code_of(page) == code


def test_a_page_of_another_port_opens_no_socket(server):
    with pytest.raises(InvalidStatus) as refused:
        server.socket("live/", origin="http://127.0.0.1:20000")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("address", ["live/", "log/job/{job}/"])
def test_a_stranger_gets_nothing(server, log, address):
    log(b"secret\n")
    with (
        server.socket(address.format(job=server.job), cookie="") as page,
        pytest.raises(ConnectionClosed) as closed,
    ):
        page.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("address", ["live/", "log/job/{job}/"])
def test_who_is_locked_out_loses_the_sockets_that_are_open(server, log, address):
    log(b"one\n")
    with server.socket(address.format(job=server.job)) as page:
        page.recv(timeout=PATIENCE_S)
        server.let_in(False)
        try:
            assert code_of(page) == 4401
        finally:
            server.let_in(True)


def test_a_server_s_log_may_go_on_after_its_end(server):
    key = f"deployment/{server.deployment}"
    server.logs.append(key, server.logs.size(key), b"bye\n")
    server.set_deployment_state("stopped")
    with server.socket(f"log/{key}/") as page:
        assert unframe(page.recv(timeout=PATIENCE_S))[2] == b"bye\n"
        assert json.loads(page.recv(timeout=PATIENCE_S)) == {"type": "end", "final": False}
        assert code_of(page) == 1000


def test_a_page_gets_each_change_with_its_age(server):
    with server.socket("live/"):  # the first one makes the server listen
        channel = waiting.until(server.redis.pubsub_channels, "the server listens")[0]
    with server.socket("live/") as page:
        assert json.loads(page.recv(timeout=PATIENCE_S)) == {"type": "hello"}
        page.send(json.dumps({"type": "ping", "t": 12.5}))
        pong = json.loads(page.recv(timeout=PATIENCE_S))
        assert (pong["type"], pong["t"]) == ("pong", 12.5)
        assert abs(time.time() * 1000 - pong["at_ms"]) < 600_000
        for nonsense in ("{", "[1]", '{"type": "x"}', "x" * 1000):
            page.send(nonsense)
        notification = {"type": "job", "id": 7, "state": "running", "at": time.time() - 2}
        server.redis.publish(channel, json.dumps(notification))
        heard = json.loads(page.recv(timeout=PATIENCE_S))

    assert heard.pop("age_ms") >= 2000
    assert heard == {"type": "job", "id": 7, "state": "running"}


def test_the_log_is_read_over_http_by_bytes_and_by_lines(server, log):
    log(b"".join(LINE % n for n in range(1, 40_001)))
    whole = server.logs.path(f"job/{server.job}").read_bytes()
    address = f"jobs/{server.job}/log"

    answer = server.get(f"{address}?from=0")
    assert answer.read() == whole
    assert int(answer.headers["X-Log-Size"]) == len(whole)
    part = server.get(f"{address}?from=100&to=250")
    assert part.read() == whole[100:250]
    framed = unframe(server.get(f"{address}?from=100&to=250&framed=1").read())
    assert (framed[0], framed[2]) == (100, whole[100:250])
    [(begin, arrived_ms)] = framed[1]
    assert begin == 0
    assert abs(time.time() * 1000 - arrived_ms) < 600_000
    assert len(unframe(server.get(f"{address}?framed=1").read())[2]) == MAX_FRAME_BYTES
    assert unframe(server.get(f"{address}?from=99999999&framed=1").read()) == (99999999, [], b"")
    assert server.get(f"{address}?from=99999999").read() == b""
    plain = server.get(f"{address}?plain=1&download=1")
    assert plain.read() == whole.replace(b"\x1b[32m", b"").replace(b"\x1b[0m", b"")
    assert plain.headers["Content-Disposition"] == f'attachment; filename="job-{server.job}.txt"'
    lines = server.get(f"{address}/lines?from=39999&to=40000")
    assert lines.read() == LINE % 39_999 + LINE % 40_000
    assert lines.headers["X-Log-Lines"] == "40000"
    assert whole[int(lines.headers["X-Log-Offset"]) :].startswith(LINE % 39_999)


def test_the_index_finds_every_line_and_a_returning_viewer_gets_the_missing(server, log):
    log(b"".join(LINE % n for n in range(1, 40_001)))
    whole = server.logs.path(f"job/{server.job}").read_bytes()
    address = f"jobs/{server.job}/log/index"

    index = json.load(server.get(address))

    assert (index["size"], index["newlines"], index["block"]) == (len(whole), 40_000, 65_536)
    assert index["counts"] == [
        whole[: (i + 1) * 65_536].count(b"\n") for i in range(len(whole) // 65_536)
    ]
    for known, begin in ((5, 5), (999_999, len(index["counts"]))):
        rest = json.load(server.get(f"{address}?known={known}"))
        assert (rest["known"], rest["counts"]) == (begin, index["counts"][begin:])


def test_folds_of_overwritten_lines_are_returned_over_http(server, log):
    log(b"start\nouter 0%\n\rinner 0%\x1b[A\router 1%\n\rinner 9%\x1b[A\n")
    address = f"jobs/{server.job}/log/folds"

    first = json.load(server.get(address))
    assert (first["known"], first["to"], first["lines"], first["done"]) == (0, 50, 4, True)
    assert [*first["folds"], *first["open"]] == [[2, 3, ["outer 1%"]], [4, 4, ["inner 9%"]]]

    log(b"\n" * 300)
    more = json.load(server.get(f"{address}?series={first['series']}&known=1"))
    assert (more["series"], more["known"]) == (first["series"], 1)
    assert more["folds"][0][:2] == [4, 4]


def test_a_search_over_http_counts_the_whole_log(server, log):
    log(b"".join(LINE % n for n in range(1, 40_001)))
    address = f"jobs/{server.job}/log/search"

    matches = json.load(server.get(f"{address}?q=info&limit=2"))
    assert (matches["total"], matches["lines"], matches["before"]) == (40_000, 40_000, 0)
    assert matches["found"] == [[1, 0, 1], [2, len(LINE % 1), 1]]
    assert len(matches["spread"]) >= 800  # parts are of what is shown
    near = json.load(server.get(f"{address}?q=info&limit=2&near=30000"))
    assert (near["before"], [line for line, *_ in near["found"]]) == (29_998, [29_999, 30_000])
    regex = urllib.parse.quote(r"step 0000\d\d ")
    assert json.load(server.get(f"{address}?q={regex}&regex=1"))["total"] == 99
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.get(f"{address}?q=(&regex=1")
    assert (refused.value.code, json.load(refused.value)["error"]) == (400, "regex")


@pytest.mark.parametrize(
    "address", ["log", "log/lines", "log/search?q=x", "log/index", "log/folds", "log/steps"]
)
def test_a_stranger_reads_no_log(server, address):
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.get(f"jobs/{server.job}/{address}", cookie="")
    assert refused.value.code == 401
