"""The web server's process, before its first request."""

import os
import socket
from typing import Any

import pytest
import uvicorn
from django.conf import settings

from dashboard.server import web
from dashboard.server.web import config
from jobs.host.agent.agent import HEARTBEAT_S


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process loads and serves, in its order."""
    steps: list[Any] = []
    monkeypatch.setattr(web, "import_module", steps.append)
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_args, **_options: steps.append("serves"))
    return steps


def test_all_pages_are_loaded_before_it_serves(done):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        web.main(os.dup(listener.fileno()))

    assert done == [settings.ROOT_URLCONF, "serves"]


def test_a_host_s_connection_outlives_late_heartbeats():
    assert config().timeout_keep_alive > 10 * HEARTBEAT_S
