"""Clients that carry an API key: a redirect to another port of the machine does not get it."""

import os
import subprocess
import sys

import pytest

from tests import hostile_server
from tests.hostile_server import hostile
from tests.jobs.lib.scripts import SCRIPTS
from tests.waiting import PATIENCE_S

KEY = "sk-not-a-real-one-0123456789"
AIOHTTP = """
import aiohttp, asyncio, os, sys
headers = {"Authorization": "Bearer " + os.environ["API_KEY"]}
async def ask():
    async with aiohttp.ClientSession() as http, http.post(sys.argv[1], json={}, headers=headers):
        pass
asyncio.run(ask())
"""
REQUESTS = """
import os, requests, sys
headers = {"Authorization": "Bearer " + os.environ["API_KEY"]}
requests.post(sys.argv[1], json={}, headers=headers)
"""
# Ours, and those libraries of other clients that are installed here.
OURS = {
    "check_endpoint": ("check_endpoint.py", "--served-model-name", "m", "--to", "endpoint.json"),
    "wait_ready": ("wait_ready.py", "--model", "m", "--timeout", "0"),
    "send_cold": ("-c", f"import send_cold\nsend_cold.refuse_redirects()\n{AIOHTTP}"),
}
THEIRS = {"aiohttp": ("-c", AIOHTTP), "requests": ("-c", REQUESTS)}


def redirected(argv, status, cwd):
    """Return what both servers were sent: the one that was asked, and the other one."""
    with (
        hostile(hostile_server.no_http) as other,
        hostile(hostile_server.redirect(status, f"{other.url}/v1/models")) as asked,
    ):
        if argv[0] == "-c":
            line = [*argv, asked.url]
        else:
            line = [str(SCRIPTS / argv[0]), asked.url, *argv[1:]]
        subprocess.run(
            [sys.executable, *line],
            cwd=cwd,
            env={**os.environ, "API_KEY": KEY, "PYTHONPATH": str(SCRIPTS)},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return b"".join(asked.requests), b"".join(other.requests)


@pytest.mark.parametrize("status", [302, 307, 308])
@pytest.mark.parametrize("name", OURS)
def test_a_script_follows_no_redirect(name, status, tmp_path):
    asked, other = redirected(OURS[name], status, tmp_path)

    assert asked
    assert other == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", THEIRS)
def test_a_library_follows_without_the_key(name, status, tmp_path):
    asked, other = redirected(THEIRS[name], status, tmp_path)

    assert KEY.encode() in asked
    assert b"/v1/models" in other
    assert KEY.encode() not in other
