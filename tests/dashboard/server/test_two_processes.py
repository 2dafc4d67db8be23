"""Two web processes of one dashboard: posts at the same moment, resumed exports, own sources."""

import html
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from copy import deepcopy

import pytest

from tests.dashboard.lib.web_server import PASSWORD, Browser, running_web, web_beside
from tests.threads import together
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

AT_ONCE = 12
TEAM = "https://git.example/team"
SETUP = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_host, make_job, make_prompts, make_user
host = make_host("this-computer")
make_host("va16-01", type="vacc", facts=dict(GUIDE_FACTS))
for name, is_staff in (("eve", False), ("ada", True)):
    person = make_user(name, is_staff=is_staff)
    ApiToken.objects.create(user=person, name="t", token_sha256=hashed(name))
print(make_job(host=host, state="failed", kind="prepare", params={"what": "weights"}).pk)
print(make_prompts("first " * 400_000).pk)
"""
CHANGE = """
from jobs.models import PromptSet
row = PromptSet.objects.get()
row.text = row.text.replace("first", "other")
row.save()
"""
ALL = "from jobs.models import Job; print(*Job.objects.values_list('pk', flat=True))"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    with running_web(tmp_path_factory.mktemp("pair")) as server, web_beside(server) as port:
        job, prompts = server.shell(SETUP)
        yield server, port, job, prompts


def jobs_of(server):
    return {int(number) for number in server.shell(ALL)}


def made_by(dashboard, ask):
    """Ask both processes twelve times at once; the one new job, and the answers."""
    server, port, _job, _prompts = dashboard
    before = jobs_of(server)
    ports = [server.port, port] * (AT_ONCE // 2)
    answers = together(*[lambda port=port: ask(port) for port in ports])
    (made,) = jobs_of(server) - before
    return made, answers


def test_twelve_clicks_at_the_same_moment_create_one_job(dashboard):
    server, _port, job, _prompts = dashboard
    browser = Browser(server.port)
    assert browser.log_in(PASSWORD).status == 302
    page = browser.ask(f"/jobs/{job}/").text
    form = re.search(rf'action="/jobs/{job}/retry/">(.*?)</form>', page, re.DOTALL)[1]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))

    def click(port):
        answer = Browser(port, cookies=deepcopy(browser.cookies)).ask(f"/jobs/{job}/retry/", fields)
        return answer.status, answer.headers["location"]

    made, answers = made_by(dashboard, click)

    assert answers == [(302, f"/jobs/{made}/")] * AT_ONCE


def test_twelve_requests_with_one_key_create_one_job(dashboard):
    _server, _port, job, _prompts = dashboard

    def ask(port):
        key = {"Idempotency-Key": "k-1"}
        status, answer = post(port, "eve", f"jobs/{job}/retry", {}, **key)
        return status, answer["id"]

    made, answers = made_by(dashboard, ask)

    assert answers == [(201, made)] * AT_ONCE


def asked(server, port, path, size=None, **headers):
    """Return status, headers and the first bytes of an answer; then hang up."""
    headers = {"Cookie": server.cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(size)


def test_the_rest_of_an_export_is_of_the_same_version(dashboard):
    server, port, _job, prompts = dashboard
    path = f"/prompts/{prompts}/file/"
    status, headers, begin = asked(server, server.port, path, 1_000_000)
    server.shell(CHANGE)

    rest_status, _headers, rest = asked(
        server, port, path, Range="bytes=1000000-", If_Range=headers["ETag"]
    )
    whole = asked(server, port, path)[2]

    assert (status, rest_status) == (200, 206)
    assert len(begin + rest) == int(headers["Content-Length"])
    assert (begin + rest).count(b"first") == whole.count(b"other") == 400_000


def post(port, person, path, body, **headers):
    """(status, answer) of an API request; the token is the person's name."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {person}", "Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def launched(server, repository):
    body = {"kind": "build-images", "host": "va16-01", "params": {"repository": repository}}
    return post(server.port, "eve", "jobs", body)


def test_a_source_is_refused_until_an_administrator_permits_it(dashboard):
    server = dashboard[0]
    theirs = f"{TEAM}/vllm.git"
    status, answer = launched(server, theirs)
    assert (status, [*answer["fields"]]) == (422, ["repository"])
    assert "ask an administrator to add it under Sources" in answer["fields"]["repository"]
    browser = Browser(server.port)
    assert browser.log_in(PASSWORD).status == 302
    query = urllib.parse.urlencode({"host": "va16-01", "repository": theirs})
    page = browser.ask(f"/launch/build-images/?{query}").text
    assert f"{theirs} is not a permitted source." in html.unescape(page)
    source = {"type": "git", "address": TEAM}
    assert post(server.port, "eve", "sources", source)[0] == 403

    assert post(server.port, "ada", "sources", source)[0] == 201

    assert launched(server, theirs)[0] == 201
    assert launched(server, "https://git.example/teams/vllm.git")[0] == 422
