"""vLLM itself on this computer's processor, in a real dashboard: the full pipeline and a chat.

Nothing here stands in for anything: vLLM is installed, its benchmarks measure, its server answers.
The folder stays, so that a second run installs nothing; VLLM_TEST_DIR names another one.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, until
from tests.stack import ROOT, running

pytestmark = pytest.mark.vllm

MODEL, PIPELINE, STACK = "smollm2-135m-instruct", "vllm-cpu", "vllm-cpu"
INSTALL_S = 3600
EACH_TIME = ("benchmark-throughput", "benchmark-latency", "deploy-vllm", "benchmark-online")
LAUNCH = f"""
import json
from jobs.models import Host
from jobs.launch.pipelines import launch_pipeline
host = Host.objects.get(name="this-computer")
jobs = launch_pipeline({PIPELINE!r}, {MODEL!r}, host=host, stack={STACK!r}, user=None)
print(json.dumps([job.pk for job in jobs]))
"""
# Points of a server in the dashboard's database.
SERVED = """
import json
from datetime import timedelta
from django.utils.timezone import now
from jobs.queries.jobs.progress import served_samples
points = served_samples([{number}], now() - timedelta(hours=1))
print(json.dumps(points.get({number}, [])))
"""


@pytest.fixture(scope="module")
def vllm() -> Iterator[Api]:
    folder = Path(os.environ.get("VLLM_TEST_DIR") or ROOT / "data" / "test-vllm")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with running(folder.absolute()) as stack:
        yield Api(stack)


@pytest.fixture(scope="module")
def figures(vllm: Api) -> Iterator[dict[str, Any]]:
    """Measured figures; stored in figures.json beside all else."""
    values: dict[str, Any] = {}
    yield values
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    (vllm.stack.data_dir / "figures.json").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def pipeline(vllm: Api) -> list[dict[str, Any]]:
    """Jobs of the full pipeline, all ended. A step whose output was there already has no job."""
    return [vllm.ended(number, INSTALL_S) for number in json.loads(vllm.stack.shell(LAUNCH))]


@pytest.fixture(scope="module")
def gone(pipeline: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {job["kind"]: job for job in pipeline if job["kind"] in EACH_TIME}


@pytest.fixture(scope="module")
def deployment(vllm: Api, gone: dict[str, dict[str, Any]]) -> dict[str, Any]:
    running_ones = vllm.ask("deployments?state=ready")["deployments"]
    return next(one for one in running_ones if one["job"] == gone["deploy-vllm"]["id"])


@pytest.fixture(scope="module")
def metrics(vllm: Api, gone: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    results = vllm.ask("results?limit=50")["results"]
    return {
        kind: next(one["metrics"] for one in results if one["job"] == job["id"])
        for kind, job in gone.items()
        if kind.startswith("benchmark")
    }


def test_the_full_pipeline_succeeds_and_every_log_is_kept(vllm, pipeline, gone, figures):
    figures["jobs"] = [
        {name: job[name] for name in ("kind", "title", "state", "duration_s", "message")}
        for job in pipeline
    ]
    assert {job["state"] for job in pipeline} == {"succeeded"}
    assert tuple(gone) == EACH_TIME
    for job in pipeline:
        shown, kept = vllm.log_sha256s(job["id"])
        assert shown == kept == job["log_sha256"]


def test_the_server_s_log_has_its_version_and_that_it_is_ready(vllm, gone):
    log = vllm.raw(f"jobs/{gone['deploy-vllm']['id']}/log?from=0").decode(errors="replace")

    assert "version 0.32.0" in log
    assert "Application startup complete." in log


def test_throughput_and_latency_are_measured_in_the_engine(metrics, figures):
    throughput, latency = metrics["benchmark-throughput"], metrics["benchmark-latency"]

    figures |= {"throughput": throughput, "latency": latency}
    assert throughput["output_tokens_per_s"] > 1
    assert throughput["total_tokens_per_s"] > throughput["output_tokens_per_s"]
    assert latency["batch_latency_mean_s"] > 0


def test_online_every_request_is_answered_at_each_concurrency(vllm, gone, metrics, figures):
    online = metrics["benchmark-online"]
    results = vllm.ask(f"results?job={gone['benchmark-online']['id']}")["results"]
    points = vllm.ask(f"results/{results[0]['id']}")["points"]

    figures["online"] = points
    assert [point["concurrency"] for point in points] == [1, 4]
    assert all(point["metrics"]["failed_requests"] == 0 for point in points)
    assert all(point["metrics"]["ttft_p50_ms"] > 0 for point in points)
    assert online["output_tokens_per_s"] > 1
    assert online["tpot_p50_ms"] > 0


def test_the_engine_s_own_counters_are_read_while_it_serves(vllm, deployment):
    code = SERVED.format(number=deployment["id"])

    def tokens() -> float:
        rows = json.loads(vllm.stack.shell(code))
        return max((row.get("vllm:generation_tokens_total", 0) for _, row in rows), default=0)

    # 20 requests of 64 tokens at each of two levels
    assert until(lambda: tokens() >= 2560, "its counters arrive")


def test_a_thought_comes_apart_from_the_answer(deployment, figures):
    question = "What is the capital of France?"
    body = {
        "model": deployment["name"],
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": 200,
    }
    request = urllib.request.Request(
        f"{deployment['url']}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )

    with urllib.request.urlopen(request, timeout=120) as answer:
        message = json.load(answer)["choices"][0]["message"]

    figures["chat"] = {"question": question, **message}
    assert len(message["reasoning"].split()) > 3
    assert "Paris" in message["content"]
    assert "think>" not in message["content"] + message["reasoning"]
