"""A hostile host beside an honest one: pages answer, memory stays, the honest log is whole."""

import hashlib
import statistics
import sys
import time
import urllib.error
import zlib

import pytest
from zstandard import ZstdCompressor

from tests.dashboard.lib.logged_in import LoggedIn
from tests.processes.lib.hostile import bounded_memory, claimed, hostile_host, lines, sent_jobs

pytestmark = pytest.mark.processes

PAGES = (
    *("", "jobs/", "hosts/", "hosts/hostile/", "launch/deploy/", "launch/benchmark/"),
    *("deployments/", "playground/", "results/", "search/?q=job"),
)
LOG = b"".join(b"line %d of the honest host\n" % n for n in range(20_000))
CHUNK = 16_384
ZEROS = bytes(2**20)
DEEP = b"[" * 1000 + b"]" * 1000


def forged(host, job, token, other):
    """Send one message of each sort; yield its name and the status of its answer.

    ``other``: a job of another host.
    """

    def output(path, raw, **headers):
        sums = {"X-Name": "made", "X-Total": str(len(raw))}
        sums["X-Sha256"] = hashlib.sha256(raw).hexdigest()
        return host.chunk(f"jobs/{job}/outputs?path={path}&offset=0", token, raw, **sums | headers)

    def bomb(size):
        """Send that many zeros as few bytes, made in pieces."""
        packer, crc32, digest, packed = ZstdCompressor().compressobj(), 0, hashlib.sha256(), []
        for _ in range(size // len(ZEROS)):
            packed.append(packer.compress(ZEROS))
            crc32 = zlib.crc32(ZEROS, crc32)
            digest.update(ZEROS)
        sums = {"X-Name": "made", "X-Total": str(size), "X-Sha256": digest.hexdigest()}
        path = f"jobs/{job}/outputs?path=big.json&offset=0"
        return host.packed(path, token, b"".join([*packed, packer.flush()]), size, crc32, **sums)

    ended = {"type": "ended", "verdict": "failed", "message_id": "work:exit", "exit_code": 1}
    ended |= {"duration_s": 1.0, "log_bytes": 0, "log_sha256": "0" * 64, "points_bytes": 0}
    ended |= {"outputs": [], "run": 1}
    many = {"dies": [{"id": n} for n in range(100_000)], "roots": {"weights": "/w"}}
    point = {"w": "engine", "t": 1.0, "v": {f"m{n}": float(n) for n in range(50)}}
    for name, send in {
        "event with arguments of another type": lambda: host.append(
            job, token, "events", 0, lines({**ended, "message_args": "x"})
        ),
        "event with a duration of 10^300": lambda: host.append(
            job, token, "events", 0, lines({**ended, "message_args": {}, "duration_s": 1e300})
        ),
        "100,000 dies": lambda: host.beat(**many),
        "JSON 1,000 deep": lambda: host.send("heartbeat", DEEP),
        "point 1,000 deep": lambda: host.append(job, token, "points", 0, DEEP + b"\n"),
        "250 MiB in 12 KiB": lambda: bomb(250 * 2**20),
        "size of 10^18": lambda: output("big.json", b"{}", **{"X-Total": "1" + "0" * 18}),
        "17 MiB of points": lambda: host.append(
            job, token, "points", 0, lines(point) * (17 * 2**20 // len(lines(point)))
        ),
        "name of 300 characters": lambda: output("x" * 300 + ".json", b"{}"),
        "path that is a folder": lambda: output("..", b"{}"),
        "undeclared output": lambda: output("other.bin", b"{}"),
        "claim of another host's job": lambda: host.send(f"jobs/{other}/claim", {"claim_id": "n"}),
        "stream of another host's job": lambda: host.append(other, token, "log", 0, b"forged\n"),
    }.items():
        yield name, send()[0]


def seconds(person):
    """Median time of each page, out of five."""
    times = {}
    for path in PAGES:
        taken = []
        for _ in range(5):
            start = time.monotonic()
            person.page(path)
            taken.append(time.monotonic() - start)
        times[path] = statistics.median(taken)
    return times


def report(statuses, before, after):
    """Print what was measured; ``pytest -rP`` shows it."""
    rows = [f"{name:40} {status}" for name, status in statuses.items()]
    rows += [f"/{path:30} {before[path]:.3f} s, then {after[path]:.3f} s" for path in PAGES]
    sys.stdout.write("\n".join([*rows, ""]))


def test_a_hostile_host_harms_no_page_and_no_other_host(shared):
    stack, person = shared.stack, LoggedIn(shared.stack)
    hosts = {name: hostile_host(stack, name) for name in ("honest", "hostile")}
    claims = {n: claimed(host, sent_jobs(stack, n)[0]) for n, host in hosts.items()}
    honest = claims["honest"][0]
    before, offset, statuses = seconds(person), 0, {}

    def send_honest():
        nonlocal offset
        part = LOG[offset : offset + CHUNK]
        offset += len(part)
        return hosts["honest"].append(*claims["honest"], "log", offset - len(part), part)[0]

    with bounded_memory(stack):
        for name, status in forged(hosts["hostile"], *claims["hostile"], honest):
            statuses[name] = status
            assert send_honest() == 200, name
        while offset < len(LOG):
            send_honest()
        after = seconds(person)

    report(statuses, before, after)
    # A line that is no JSON object is skipped: a launcher that was killed leaves half a line.
    skipped = {"point 1,000 deep": 200}
    assert {n: s for n, s in statuses.items() if not 400 <= s < 500} == skipped
    assert shared.raw(f"jobs/{honest}/log?from=0") == LOG
    assert hosts["hostile"].beat()[0] == 200
    with pytest.raises(urllib.error.HTTPError, match="404"):
        person.page("hosts/none/")
