"""A host's report of a benchmark becomes a result with its lengths and its engine's figures."""

import json

import pytest

from jobs.kinds import KINDS
from jobs.metrics.measured import Measurement, Outcome
from jobs.models import Job, JobStep, Result
from tests.dashboard.lib.host_caller import LOG, STARTED, ended, events, taken_job

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

AT = 1_795_000_000.0
STEP = {"type": "step_started", "index": 0, "name": "measure", "log_offset": 0, "at": AT}
DONE = {
    **{"type": "step_ended", "index": 0, "name": "measure", "exit_code": 0},
    **{"duration_s": 10.0, "log_offset": len(LOG), "at": AT + 10},
}


def scraped(at, **values):
    metrics = {f"vllm:{name}": value for name, value in values.items()}
    return json.dumps({"t": at, "w": "engine", "v": metrics}).encode() + b"\n"


def test_a_result_has_requested_and_measured_values_and_flags(caller, kind, monkeypatch):
    metrics = {
        **{"output_tokens_per_s": 40.0, "requests": 20.0},
        **{"input_tokens_mean": 1019.0, "output_tokens_mean": 272.0},
    }
    kind.outcome = Outcome(measured=Measurement("benchmark", "b", "t", metrics, [(4, metrics)]))
    real = KINDS["benchmark-online"]
    kind.Params, kind.lengths = real.Params, real.lengths
    monkeypatch.setitem(KINDS, "benchmark-online", kind)
    job = taken_job(caller, params={"deployment": "1", "seed": 0})
    Job.objects.filter(pk=job.pk).update(
        kind="benchmark-online",
        params={"deployment": "1", "seed": 0, "input_tokens": 1024, "output_tokens": 1024},
    )
    JobStep.objects.filter(job=job, index=0).update(name="measure")
    points = scraped(AT, prefix_cache_queries_total=0, prefix_cache_hits_total=0)
    points += scraped(AT + 9, prefix_cache_queries_total=1000, prefix_cache_hits_total=250)

    caller.stream(job, "points", 0, points)
    caller.stream(job, "log", 0, LOG)
    caller.stream(job, "events", 0, events(STARTED, STEP, DONE, ended(points_bytes=len(points))))

    result = Result.objects.get(job=job)
    assert result.asked == {"input_tokens": 1024, "output_tokens": 1024}
    assert result.metrics["engine_prefix_hits"] == 0.25
    assert result.points.get().metrics["engine_prefix_hits"] == 0.25
    assert [remark["id"] for remark in result.remarks] == [
        *("benchmark:hits_seed", "lengths:output_ended"),
    ]
