"""Real benchmarks of an endpoint: its API key stays in one file, a proxy before it is found."""

import html
import re
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.dashboard.lib.logged_in import LoggedIn
from tests.faults.proxy import Loop, Proxy
from tests.jobs.lib.scripted_engine import MODEL, engine
from tests.processes.lib.borrowed import stack_with_evalscope

pytestmark = pytest.mark.processes

KEY = "sk-not-a-real-one-0123456789"
PERMIT = """
from jobs.access import sources
sources.add("endpoint", "{url}", user=None)
"""
KEEP_KEY = """
from jobs.access import secrets
secrets.keep("H800_KEY", "{key}", purpose="engine", endpoints=["{url}"])
"""


@pytest.fixture
def api(tmp_path, pytestconfig):
    """A dashboard whose host has EvalScope."""
    with stack_with_evalscope(tmp_path / "data", pytestconfig) as client:
        yield client


def permit(api, url):
    api.stack.manage("shell", "--no-imports", "-c", PERMIT.format(url=url))


@contextmanager
def distant(served):
    """Address of an engine behind a proxy of 300 ms."""
    loop = Loop()
    proxy = Proxy(loop, lambda: served.port)
    proxy.set("distant")
    try:
        yield f"http://127.0.0.1:{proxy.port}"
    finally:
        proxy.close()
        loop.close()


def command_lines():
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes()
        except OSError:
            continue
    return found


def files_with(folder, word):
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "environments" not in path.parts:
            try:
                found += [path] if word in path.read_bytes() else []
            except OSError:
                continue
    return found


def test_a_benchmark_of_an_endpoint_keeps_its_key(api):
    with engine(KEY) as served:
        permit(api, served.url)
        code = KEEP_KEY.format(url=served.url, key=KEY)
        api.stack.manage("shell", "--no-imports", "-c", code)
        asked = {"name": "H800", "url": f"{served.url}/v1", "api_key": "H800_KEY"}
        device = {"device": "8 × H800", "devices": 8}
        made = api.ask("endpoints", {**asked, **device})
        assert (made["answers"], made["model"]) == (True, MODEL)
        load = {"concurrency": [1], "requests": 2, "output_tokens": 4}
        number = api.launch("benchmark", deployment=f"endpoint:{made['id']}", **load)
        secrets, lines = api.spool(number) / "secrets.json", b""
        modes, deadline = set(), time.monotonic() + 600
        while (state := api.job(number)["state"]) != "succeeded" and time.monotonic() < deadline:
            assert state in ("queued", "starting", "running"), api.raw(f"jobs/{number}/log?from=0")
            lines += command_lines()
            modes |= {secrets.stat().st_mode & 0o777} if secrets.exists() else set()
            time.sleep(0.2)

    job = api.job(number)
    result = api.ask(f"results/{job['result']}")
    assert (result["endpoint"], result["device"]) == (made["id"], "8 × H800")
    assert (result["metrics"]["requests"], result["metrics"]["failed_requests"]) == (2, 0)
    assert result["identity"]["unknown"] == []
    assert result["identity"]["parts"]["engine"] == {
        "engine_name": "vllm",
        "engine_version": "0.9.1",
    }
    posts = [given for path, given in served.asked if path == "/v1/chat/completions"]
    assert len(posts) >= 2
    assert set(posts) == {f"Bearer {KEY}"}
    assert {given for path, given in served.asked if path == "/metrics"} == {f"Bearer {KEY}"}
    # The key was in the host's own file while the job ran, and is nowhere now.
    assert modes <= {0o600}
    assert KEY.encode() not in lines
    assert files_with(api.stack.data_dir, KEY.encode()) == []
    shown = api.raw(f"jobs/{number}") + api.raw(f"jobs/{number}/log?from=0")
    assert KEY.encode() not in shown + api.raw(f"results/{job['result']}") + api.raw("endpoints")
    assert KEY not in api.stack.output


def test_a_proxy_of_300_ms_is_found_by_client_against_engine(api):
    with engine() as served, distant(served) as url:
        permit(api, url)
        about = {"name": "Distant", "url": f"{url}/v1", "device": "8 × H800", "devices": 8}
        made = api.ask("endpoints", about)
        load = {"concurrency": [1, 2], "requests": 8, "output_tokens": 16}
        number = api.launch("benchmark", deployment=f"endpoint:{made['id']}", **load)
        job = api.ended(number, 600)

    assert job["state"] == "succeeded", job["message"]
    page = LoggedIn(api.stack).html(f"results/{job['result']}/")
    found = re.search(r"TTFT is ([0-9]+) ms longer for the client, ([a-z ]+)", html.unescape(page))
    assert found is not None, page
    assert 300 <= int(found[1]) < 600
    assert found[2] == "at every concurrency"
