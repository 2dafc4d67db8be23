"""An export that is interrupted at one web process, and goes on at another."""

import http.client
from contextlib import closing

import pytest

from tests.dashboard.lib.web_server import running_web, web_beside
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

SETUP = """
from tests.factories import make_prompts
print(make_prompts("first " * 400_000).pk)
"""
CHANGE = """
from jobs.models import PromptSet
row = PromptSet.objects.get()
row.text = row.text.replace("first", "other")
row.save()
"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    data = tmp_path_factory.mktemp("exports") / "data"
    data.mkdir()
    with running_web(data) as server, web_beside(server) as port:
        (prompts,) = server.shell(SETUP)
        yield server, port, f"/prompts/{prompts}/file/"


def asked(server, port, path, size=None, **headers):
    """Return status, headers and the first bytes of an answer; then hang up."""
    headers = {"Cookie": server.cookie, **{k.replace("_", "-"): v for k, v in headers.items()}}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(size)


def test_the_rest_of_an_export_is_of_the_same_version(dashboard):
    server, port, path = dashboard
    status, headers, begin = asked(server, server.port, path, 1_000_000)
    server.shell(CHANGE)

    rest_status, _headers, rest = asked(
        server, port, path, Range="bytes=1000000-", If_Range=headers["ETag"]
    )
    whole = asked(server, port, path)[2]

    assert (status, rest_status) == (200, 206)
    assert len(begin + rest) == int(headers["Content-Length"])
    assert (begin + rest).count(b"first") == whole.count(b"other") == 400_000
