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
SEND_COLD = f"import send_cold\nsend_cold.refuse_redirects()\n{AIOHTTP}"


def redirected(code, status, cwd):
    """Return what both servers were sent: the one that was asked, and the other one."""
    with (
        hostile(hostile_server.no_http) as other,
        hostile(hostile_server.redirect(status, f"{other.url}/v1/models")) as asked,
    ):
        subprocess.run(
            [sys.executable, "-c", code, asked.url],
            cwd=cwd,
            env={**os.environ, "API_KEY": KEY, "PYTHONPATH": str(SCRIPTS)},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return b"".join(asked.requests), b"".join(other.requests)


@pytest.mark.parametrize("status", [302, 307, 308])
def test_evalscope_s_client_follows_no_redirect(status, tmp_path):
    asked, other = redirected(SEND_COLD, status, tmp_path)

    assert asked
    assert other == b""


# Libraries of other clients that are installed here.
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("code", [AIOHTTP, REQUESTS], ids=["aiohttp", "requests"])
def test_a_library_follows_without_the_key(code, status, tmp_path):
    asked, other = redirected(code, status, tmp_path)

    assert KEY.encode() in asked
    assert b"/v1/models" in other
    assert KEY.encode() not in other
