"""``make run`` a second time. How it stops is in tests/dashboard/test_supervisor.py."""

import sys

import pytest

from tests.stack import PASSWORD, ROOT, running

pytestmark = pytest.mark.processes

NOWHERE = "http://127.0.0.1:9"
NO_NETWORK = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
    "PIP_INDEX_URL": f"{NOWHERE}/simple",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_RETRIES": "0",
}


def test_a_second_start_needs_no_network_and_keeps_the_password(tmp_path):
    with running(tmp_path / "data") as stack:
        address = stack.url
        assert stack.stop() == 0

        stack.command = (sys.executable, str(ROOT / "bootstrap.py"), "run")
        stack.environ = {**NO_NETWORK, "ADMIN_PASSWORD": ""}
        stack.start()
        stack.wait_ready()

        assert stack.url == address
        assert stack.output.count("Log in as") == 1
        assert PASSWORD not in stack.output
