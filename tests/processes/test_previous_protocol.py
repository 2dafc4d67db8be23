"""A host of protocol 1 beside a running dashboard: its running job ends with its whole result."""

import json
import re
import time

import pytest

from tests.api import Api, until
from tests.dashboard.lib.host_caller import LOG, ended_in_protocol_1
from tests.dashboard.lib.http_host import HttpHost
from tests.stack import running

pytestmark = pytest.mark.processes
JOBS = """
from jobs.models import Host
from jobs.plans import Plan, Step
from tests.factories import make_job
plan = Plan(kind="prepare", steps=(Step("print", ("python3", "-c", "print(1)")),))
Host.objects.filter(name="rack-1").update(slots=1)
host = Host.objects.get(name="rack-1")
print(make_job(plan=plan, host=host).pk, make_job(plan=plan, host=host).pk)
"""


def test_its_running_job_ends_with_a_result_and_none_starts(tmp_path):
    with running(tmp_path / "data") as stack:
        api = Api(stack)
        printed = stack.manage("add_host", "rack-1").stdout.decode()
        host = HttpHost(stack.url, re.search(r"HOST_KEY=(\S+)", printed)[1])
        host.beat()
        stack.manage("shell", "--no-imports", "-c", JOBS)
        until(lambda: host.beat()[1]["start"] == [1], "the first job is for it")
        token = host.send("jobs/1/claim", {"claim_id": "n"})[1]["token"]

        # The dashboard was upgraded, this host was not.
        host.protocol = 1
        first, second = host.beat(), host.beat()
        assert (first[0], first[1]["upgrade_to"]) == (426, 2)
        assert (second[0], second[1]["start"]) == (200, [])
        started = {"type": "started", "values": {}, "boot_id": "b", "run": 1}
        events = [started, ended_in_protocol_1()]
        clock = {"at": time.time(), "mono": 1.0}
        lines = [json.dumps({"seq": n, **clock, **it}) for n, it in enumerate(events)]
        status, answer = host.append(1, token, "log", 0, LOG)
        assert (status, answer.get("size")) == (200, len(LOG)), answer
        host.append(1, token, "events", 0, ("\n".join(lines) + "\n").encode())

        ended = api.ended(1)
        assert ended["log_bytes"] == len(LOG)
        assert api.raw("jobs/1/log?from=0") == LOG
        host.beat()
        assert api.job(2)["state"] == "queued"
        assert host.send("jobs/2/claim", {"claim_id": "n"})[0] == 426

        host.protocol = 2
        until(lambda: host.beat()[1]["start"] == [2], "it is upgraded and gets the second job")
