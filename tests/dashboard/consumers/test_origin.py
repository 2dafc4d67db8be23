"""Origins that may open a socket."""

import pytest

from dashboard.consumers.sockets import is_own


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
