"""A member's own repository, over HTTP to a real web process: refused until it is permitted."""

import html
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from tests.dashboard.lib.web_server import PASSWORD, Browser, running_web
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

TEAM = "https://git.example/team"
SETUP = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_host, make_user
make_host("va16-01", type="vacc", facts=dict(GUIDE_FACTS))
for name, is_staff in (("eve", False), ("ada", True)):
    person = make_user(name, is_staff=is_staff)
    ApiToken.objects.create(user=person, name="t", token_sha256=hashed(name))
"""
NEAR = [
    "https://git.example.evil/team/vllm.git",
    "https://git.example@evil.example/team/vllm.git",
    "https://git.example/team/../other/vllm.git",
    "https://git.example/team/%2e%2e/other/vllm.git",
    "https://git.example:8443/team/vllm.git",
    "http://git.example/team/vllm.git",
    "https://GIT.example/team/vllm.git",
    "https://git.example/teams/vllm.git",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("sources") / "data"
    data.mkdir()
    with running_web(data) as running:
        running.shell(SETUP)
        yield running


def post(server, person, path, body):
    """(status, answer) of an API request; the token is the person's name."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {person}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def launched(server, repository):
    body = {"kind": "build-images", "host": "va16-01", "params": {"repository": repository}}
    return post(server, "eve", "jobs", body)


def test_a_source_is_refused_until_an_administrator_permits_it(server):
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
    assert post(server, "eve", "sources", source)[0] == 403

    assert post(server, "ada", "sources", source)[0] == 201

    assert launched(server, theirs)[0] == 201
    for address in NEAR:
        status, answer = launched(server, address)
        assert (status, [*answer["fields"]]) == (422, ["repository"]), address
