"""Posts that create jobs, sent to two web processes at the same moment."""

import json
import re
import urllib.request
from copy import deepcopy

import pytest

from tests.dashboard.lib.web_server import PASSWORD, Browser, running_web, web_beside
from tests.threads import together
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

AT_ONCE = 12
SETUP = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.factories import make_host, make_job, make_user
host = make_host("this-computer")
print(make_job(host=host, state="failed", kind="prepare", params={"what": "weights"}).pk)
ApiToken.objects.create(user=make_user("ada"), name="t", token_sha256=hashed("secret"))
"""
ALL = "from jobs.models import Job; print(*Job.objects.values_list('pk', flat=True))"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    data = tmp_path_factory.mktemp("twice") / "data"
    data.mkdir()
    with running_web(data) as server, web_beside(server) as port:
        (job,) = server.shell(SETUP)
        yield server, job, [server.port, port] * (AT_ONCE // 2)


def jobs_of(server):
    return {int(number) for number in server.shell(ALL)}


def test_twelve_clicks_at_the_same_moment_create_one_job(dashboard):
    server, job, ports = dashboard
    browser = Browser(server.port)
    assert browser.log_in(PASSWORD).status == 302
    page = browser.ask(f"/jobs/{job}/").text
    form = re.search(rf'action="/jobs/{job}/retry/">(.*?)</form>', page, re.DOTALL)[1]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    before = jobs_of(server)

    def click(port):
        answer = Browser(port, cookies=deepcopy(browser.cookies)).ask(f"/jobs/{job}/retry/", fields)
        return answer.status, answer.headers["location"]

    answers = together(*[lambda port=port: click(port) for port in ports])

    (made,) = jobs_of(server) - before
    assert answers == [(302, f"/jobs/{made}/")] * AT_ONCE


def test_twelve_requests_with_one_key_create_one_job(dashboard):
    server, job, ports = dashboard
    before = jobs_of(server)

    def ask(port):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/jobs/{job}/retry",
            headers={"Authorization": "Bearer secret", "Idempotency-Key": "k-1"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)["id"]

    answers = together(*[lambda port=port: ask(port) for port in ports])

    (made,) = jobs_of(server) - before
    assert answers == [(201, made)] * AT_ONCE
