"""Sockets of pages: whose they are, and how they close."""

from typing import ClassVar

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import OperationalError

from dashboard.consumers import PageSocket, is_own


def test_a_socket_without_a_database_closes_for_a_reconnect(caplog):
    class Socket(PageSocket):
        codes: ClassVar[list[int]] = []

        def subject(self):
            raise OperationalError("away")

        async def close(self, code=None, reason=None):
            self.codes.append(code)

    socket = Socket()
    socket.scope = {"user": User(username="lin"), "session": None}
    async_to_sync(socket._run)()

    assert socket.codes == [1011]
    assert "socket is closed: away" in caplog.text


@pytest.mark.parametrize(
    ("origin", "host", "fine"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://localhost:9000", "localhost:9000", True),  # through a tunnel
        ("https://bench.example.org", "10.0.0.5:8000", True),  # PUBLIC_URL, behind a proxy
        ("http://127.0.0.1:20000", "127.0.0.1:8000", False),  # a model's server
        ("http://evil.example", "evil.example", False),  # a name that points at us
        ("null", "127.0.0.1:8000", False),
        ("", "127.0.0.1:8000", False),
        ("http://[", "127.0.0.1:8000", False),
    ],
)
def test_only_our_own_pages_open_sockets(settings, origin, host, fine):
    settings.CSRF_TRUSTED_ORIGINS = ["https://bench.example.org"]
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

    assert is_own(origin, host) is fine
