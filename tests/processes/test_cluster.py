"""Two web processes, five hosts, PostgreSQL and a Valkey of its own: what one takes, all show."""

import contextlib
import hashlib
import os
import signal
import threading

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from jobs.logstore import unframe
from tests.api import Api, until
from tests.cluster import cluster
from tests.dashboard.lib.logged_in import LoggedIn

pytestmark = [pytest.mark.processes, pytest.mark.tour]

HOSTS, WATCHERS = 5, 6
LINES = 3000
# A job past the launch form on each host: no kind prints chosen lines for seconds.
PRINTERS = f"""
from jobs import dispatch
from jobs.models import Host
from jobs.plans import Output, Plan, Step
from tests.factories import make_job
code = (
    "import json, sys, time\\n"
    "for number in range({LINES}):\\n"
    "    print(sys.argv[1], number, 'x' * 80, flush=True)\\n"
    "    time.sleep(0.002)\\n"
    "json.dump(dict(seconds=1), open('ready.json', 'w'))\\n"
)
kept = (Output("ready", "ready.json"),)
for host in Host.objects.filter(name__startswith="host-").order_by("name"):
    step = Step("print", ("python3", "-c", code, host.name))
    plan = Plan(kind="deploy", steps=(step,), outputs=kept)
    make_job(plan=plan, params={{"artifact": "1"}}, host=host)
dispatch.run()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), webs=2, hosts=HOSTS) as started:
        yield started


@pytest.fixture(scope="module")
def api(made):
    api = Api(made.stack)
    hosts = lambda: [host for host in api.ask("hosts")["hosts"] if host["facts"]]  # noqa: E731
    until(lambda: len(hosts()) == HOSTS + 1, "all hosts have reported", 120)
    return api


class Watcher(threading.Thread):
    """A page that follows a log, and comes back from where it is whenever its socket ends."""

    def __init__(self, stack, cookie, job):
        super().__init__(daemon=True)
        self.address = f"{stack.url.replace('http', 'ws', 1)}/ws/log/job/{job}/?from="
        self.stack, self.cookie = stack, cookie
        self.got = b""
        self.came_back = 0
        self.start()

    def run(self):
        while not self._follow():
            self.came_back += 1

    def _follow(self):
        with contextlib.suppress(OSError, WebSocketException):
            options = {"additional_headers": {"Cookie": self.cookie}, "compression": None}
            with connect(
                self.address + str(len(self.got)), origin=self.stack.url, **options
            ) as page:
                for message in page:
                    if isinstance(message, str):
                        return True  # the end
                    offset, _, data = unframe(message)
                    assert offset == len(self.got)
                    self.got += data
        return False


def test_killed_web_processes_lose_no_byte_on_any_page(made, api):
    cookie = LoggedIn(made.stack).cookie
    first, second = made.webs()
    made.stack.manage("shell", "--no-imports", "-v", "0", "-c", PRINTERS)
    jobs = [job["id"] for job in api.jobs()]
    watchers = {job: [Watcher(made.stack, cookie, job) for _ in range(WATCHERS)] for job in jobs}
    everyone = [watcher for group in watchers.values() for watcher in group]

    until(lambda: all(watcher.got for watcher in everyone), "everyone sees a log grow")
    os.kill(first, signal.SIGKILL)
    until(lambda: len(made.webs()) == 2 and first not in made.webs(), "its successor is there")
    os.kill(second, signal.SIGKILL)
    ended = [api.ended(job) for job in jobs]

    assert len(jobs) == HOSTS
    assert {job["state"] for job in ended} == {"succeeded"}
    for job in ended:
        for watcher in watchers[job["id"]]:
            watcher.join(30)
            assert hashlib.sha256(watcher.got).hexdigest() == job["log_sha256"]
        kept = made.hosts[job["host"]] / "spool" / str(job["id"]) / "log"
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == job["log_sha256"]
    # Both processes had watchers: else one of the kills would have been of an idle one.
    assert all(any(w.came_back for w in group) for group in watchers.values())


def test_the_dashboard_answers_while_a_web_process_is_away(made, api):
    (first, _second) = made.webs()

    os.kill(first, signal.SIGSTOP)
    try:
        answers = [made.stack.health()[0] for _ in range(20)]
    finally:
        os.kill(first, signal.SIGCONT)

    assert answers == [200] * 20
