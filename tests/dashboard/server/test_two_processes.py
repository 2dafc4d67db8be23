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
from tests.factories import (
    make_guide_deployment, make_guide_host, make_host, make_job, make_prompts, make_user
)
host = make_host("this-computer")
print(make_guide_deployment(make_guide_host()).pk)
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
# A job, or the pipeline or matrix that it is of.
GROUPS = """
from jobs.models import Job
print(*{chain or pk for pk, chain in Job.objects.values_list("pk", "chain")})
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    with running_web(tmp_path_factory.mktemp("pair")) as server, web_beside(server) as port:
        deployment, job, prompts = server.shell(SETUP)
        yield server, port, job, prompts, deployment


def groups_of(server):
    return set(server.shell(GROUPS))


def made_by(dashboard, ask):
    """Ask both processes twelve times at once; the one new job or group, and the answers."""
    server, port, *_ids = dashboard
    before = groups_of(server)
    ports = [server.port, port] * (AT_ONCE // 2)
    answers = together(*[lambda port=port: ask(port) for port in ports])
    (made,) = groups_of(server) - before
    return made, answers


FORMS = {
    "retry": ("/jobs/{job}/", "/jobs/{job}/retry/", {}),
    "launch": (
        *("/launch/prepare/?host=this-computer", "/launch/prepare/"),
        {"host": "this-computer", "what": "weights"},
    ),
    "pipeline": (
        *("/models/deepseek-r1/pipelines/pytorch/", ""),
        {"host": "va16-01", "stack": "guide"},
    ),
    "matrix": (
        *("/launch/matrix/?workload=quick&host=va16-01", ""),
        {"workload": "quick", "host": "va16-01", "deployment": "{deployment}"},
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_twelve_clicks_at_the_same_moment_create_one(dashboard, name):
    server, _port, job, _prompts, deployment = dashboard
    page, action, extra = FORMS[name]
    page, action = page.format(job=job), action.format(job=job)
    browser = Browser(server.port)
    assert browser.log_in(PASSWORD).status == 302
    text = browser.ask(page).text
    start = f'action="{action}"' if action else 'method="post"'
    form, *_same = [
        body
        for head, body in re.findall(r"<form([^>]*)>(.*?)</form>", text, re.DOTALL)
        if start in head and "idempotency_key" in body
    ]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    fields |= {key: value.format(deployment=deployment) for key, value in extra.items()}

    def click(port):
        answer = Browser(port, cookies=deepcopy(browser.cookies)).ask(action or page, fields)
        return answer.status, answer.headers.get("location", answer.text)

    _made, answers = made_by(dashboard, click)

    assert answers[0][0] == 302
    assert answers == [answers[0]] * AT_ONCE


def test_twelve_requests_with_one_key_create_one_job(dashboard):
    job = dashboard[2]

    def ask(port):
        key = {"Idempotency-Key": "k-1"}
        status, answer = post(port, "eve", f"jobs/{job}/retry", {}, **key)
        return status, answer["id"]

    made, answers = made_by(dashboard, ask)

    assert answers == [(201, int(made))] * AT_ONCE


def asked(server, port, path, size=None, **headers):
    """Return status, headers and the first bytes of an answer; then hang up."""
    headers = {"Cookie": server.cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(size)


def test_the_rest_of_an_export_is_of_the_same_version(dashboard):
    server, port, _job, prompts, _deployment = dashboard
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
