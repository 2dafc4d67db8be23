"""Two dashboards on one HOST_DIR, one after the other: both have a job 1, each its own."""

import hashlib
import shutil

import pytest

from tests.api import Api, until
from tests.stack import Stack, running

pytestmark = [pytest.mark.processes, pytest.mark.tour]


def job_that_prints(stack: Stack, word: str) -> Api:
    """Run job 1, to its end; the stack's API."""
    api = Api(stack)
    until(lambda: api.ask("hosts/this-computer")["facts"], "the host has reported")
    stack.run_python(f"for number in range(1, 20001): print({word!r}, number)")
    api.ended(1)
    return api


def lines(word: str) -> bytes:
    return "".join(f"{word} {number}\n" for number in range(1, 20001)).encode()


def test_a_new_dashboard_never_gets_old_logs_of_a_host(tmp_path):
    folder = tmp_path / "data"
    with running(folder) as first:
        api = job_that_prints(first, "first")
        assert api.raw("jobs/1/log?from=0") == lines("first")
    for path in folder.iterdir():
        if path.name not in ("host", "secrets"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    with running(folder) as second:
        assert second.port != first.port
        api = job_that_prints(second, "second")
        assert api.raw("jobs/1/log?from=0") == lines("second")
        wanted = hashlib.sha256(lines("second")).hexdigest()
        assert api.log_sha256s(1) == (wanted, wanted)
        kept = [path.read_bytes() for path in (folder / "host" / "aside").glob("*-1/log")]
        assert kept == [lines("first")]
