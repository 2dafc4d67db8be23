"""Two web processes, three hosts, PostgreSQL and a Valkey of its own: what one takes, all show."""

import contextlib
import hashlib
import os
import signal
import threading

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.api import Api
from tests.cluster import cluster
from tests.dashboard.lib.logged_in import LoggedIn
from tests.frames import unframe
from tests.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.processes, pytest.mark.tour]

HOSTS, WATCHERS = 3, 3  # of each job, with each web process
ENOUGH = "enough"  # a file in a job's working folder, at which the job ends
PRINTER = f"""
import itertools, json, os, time
for number in itertools.count():
    print(number, "x" * 80, flush=True)
    time.sleep(0.005)
    if os.path.exists({ENOUGH!r}):
        break
json.dump(dict(seconds=1), open("ready.json", "w"))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), webs=2, hosts=HOSTS) as started:
        yield started


@pytest.fixture(scope="module")
def api(made):
    api = Api(made.stack)
    hosts = lambda: [host for host in api.ask("hosts")["hosts"] if host["facts"]]  # noqa: E731
    until(lambda: len(hosts()) == HOSTS + 1, "all hosts have reported")
    return api


class Watcher(threading.Thread):
    """A page that follows a log, and comes back from where it is whenever its socket ends."""

    def __init__(self, stack, cookie, job):
        super().__init__(daemon=True)
        self.address = f"{stack.url.replace('http', 'ws', 1)}/ws/log/job/{job}/?from="
        self.stack, self.cookie, self.job = stack, cookie, job
        self.got = b""
        self.came_back = 0
        self.start()

    def run(self):
        while not self._follow():
            self.came_back += 1

    def _follow(self):
        with (
            contextlib.suppress(OSError, WebSocketException),
            connect(
                self.address + str(len(self.got)),
                origin=self.stack.url,
                additional_headers={"Cookie": self.cookie},
                compression=None,
                # It comes back after a kill, not because a process or the machine was slow.
                open_timeout=PATIENCE_S,
                ping_interval=None,
            ) as page,
        ):
            for message in page:
                if isinstance(message, str):
                    return True  # the end
                offset, _, data = unframe(message)
                assert offset == len(self.got)
                self.got += data
        return False


@contextlib.contextmanager
def stopped(pid):
    """A process that does nothing for the time of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def watching(made, cookie, jobs, *, without):
    """Watchers of each log. None is with the web process ``without``, which accepts nobody."""
    with stopped(without):
        group = [Watcher(made.stack, cookie, job) for job in jobs for _ in range(WATCHERS)]
        until(lambda: all(watcher.got for watcher in group), "everyone sees a log grow")
    return group


def kill(pid, watchers):
    """Kill a web process, and wait until its watchers come back."""
    before = [watcher.came_back for watcher in watchers]
    os.kill(pid, signal.SIGKILL)
    until(
        lambda: all(w.came_back > n for w, n in zip(watchers, before, strict=True)),
        "all its watchers come back",
    )


def test_killed_web_processes_lose_no_byte_on_any_page(made, api):
    cookie = LoggedIn(made.stack).cookie
    first, second = made.webs()
    spools = {}
    for host, folder in made.hosts.items():
        job = made.stack.run_python(PRINTER, host=host, is_ready=True)
        spools[job] = folder / "spool" / str(job)
    jobs = list(spools)

    until(lambda: all(api.raw(f"jobs/{job}/log?from=0") for job in jobs), "each log grows")
    of_first = watching(made, cookie, jobs, without=second)
    of_second = watching(made, cookie, jobs, without=first)

    kill(first, of_first)
    until(lambda: len(made.webs()) == 2 and first not in made.webs(), "its successor is there")
    kill(second, of_second)
    # Only now: each watcher has come back to a log that grows.
    for spool in spools.values():
        (spool / "work" / ENOUGH).touch()
    ended = [api.ended(job) for job in jobs]

    assert {job["state"] for job in ended} == {"succeeded"}
    sha256s = {job["id"]: job["log_sha256"] for job in ended}
    for watcher in (*of_first, *of_second):
        watcher.join(PATIENCE_S)
        assert hashlib.sha256(watcher.got).hexdigest() == sha256s[watcher.job]
    for job, spool in spools.items():
        assert hashlib.sha256((spool / "log").read_bytes()).hexdigest() == sha256s[job]


def test_the_dashboard_answers_while_a_web_process_is_away(made, api):
    (first, _second) = made.webs()

    with stopped(first):
        answers = [made.stack.health()[0] for _ in range(20)]

    assert answers == [200] * 20
