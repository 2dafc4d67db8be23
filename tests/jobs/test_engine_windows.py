"""The engine's own metrics reach each point of a benchmark, and cached prompts are remarked on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.kinds.base import Measured
from jobs.models import JobStep, PointBlock
from jobs.plans import Step
from jobs.services.engine_windows import with_engine
from tests.factories import make_host, make_job, make_plan

pytestmark = pytest.mark.django_db

HITS, QUERIES = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
KV = "vllm:kv_cache_usage_perc"
COLD = {"seed": None, "dataset": "random", "prefix_tokens": 0, "input_tokens": 1024}
MEASURED = Measured(
    sort="benchmark",
    what="random 1024 → 64 tok",
    tool="vLLM",
    metrics={"output_tokens_per_s": 90.0, "requests": 40.0},
    points=[
        (1, {"output_tokens_per_s": 30.0, "requests": 20.0}),
        (4, {"output_tokens_per_s": 90.0, "requests": 20.0}),
    ],
)


def measured_job(*, steps, params=COLD, skew_s=0.0):
    """A job whose steps ran for ten seconds each, from 1000 on, by the dashboard's clock."""
    plan = make_plan(kind="benchmark-online", steps=tuple(Step(name, ("x",)) for name in steps))
    job = make_job(plan=plan, params=params, host=make_host(clock_skew_s=skew_s))
    for index in range(len(steps)):
        at = datetime.fromtimestamp(1000 + 10 * index, tz=UTC)
        JobStep.objects.filter(job=job, index=index).update(started_at=at, duration_s=10.0)
    return job


def scraped(job, *rows, watch="engine", from_s=1000.0, every_s=10.0):
    told = [[from_s + every_s * index, values] for index, values in enumerate(rows)]
    PointBlock.objects.create(job=job, offset=0, watch=watch, rows=told)


def test_each_point_has_what_the_engine_did_meanwhile():
    job = measured_job(steps=("measure-1", "measure-4"))
    scraped(
        job,
        {HITS: 0.0, QUERIES: 0.0, KV: 0.0},
        {HITS: 0.0, QUERIES: 100.0, KV: 0.2},
        {HITS: 80.0, QUERIES: 200.0, KV: 0.7},
    )

    found = with_engine(job, MEASURED)

    (_, first), (_, second) = found.points
    assert (first["engine_prefix_hits"], first["engine_kv_cache_peak"]) == (0.0, 0.2)
    assert (second["engine_prefix_hits"], second["engine_kv_cache_peak"]) == (0.8, 0.7)
    assert found.metrics["engine_prefix_hits"] == 0.8  # of the point that stands for all
    assert found.metrics["requests"] == 40.0


def test_steps_have_the_dashboard_s_clock_and_points_the_host_s():
    job = measured_job(steps=("measure-1", "measure-4"), skew_s=500.0)
    scraped(
        job,
        {HITS: 0.0, QUERIES: 0.0},
        {HITS: 0.0, QUERIES: 100.0},
        {HITS: 80.0, QUERIES: 200.0},
        from_s=1500.0,
    )

    assert [m["engine_prefix_hits"] for _, m in with_engine(job, MEASURED).points] == [0.0, 0.8]


def test_a_tool_that_measures_all_in_one_step_says_when_each_began():
    job = measured_job(steps=("measure",))
    scraped(
        job,
        *(
            {HITS: hits, QUERIES: asked}
            for hits, asked in ((0.0, 0.0), (0.0, 100.0), (60.0, 200.0))
        ),
        every_s=5.0,
    )

    found = with_engine(job, replace(MEASURED, began={1: 1000.0, 4: 1005.0}))

    assert [m["engine_prefix_hits"] for _, m in found.points] == [0.0, 0.6]
    assert [set(m) & {"engine_prefix_hits"} for _, m in with_engine(job, MEASURED).points] == [
        set(),
        set(),
    ]


def test_other_watches_are_none_of_the_engine_s():
    job = measured_job(steps=("measure-1", "measure-4"))
    scraped(job, {HITS: 0.0, QUERIES: 0.0}, {HITS: 9.0, QUERIES: 10.0}, watch="client")

    assert with_engine(job, MEASURED).points == MEASURED.points


def test_what_the_tool_itself_told_stays():
    job = measured_job(steps=("measure",))
    scraped(job, {HITS: 0.0, QUERIES: 0.0}, {HITS: 9.0, QUERIES: 10.0})
    told = replace(MEASURED, points=[(4, {"output_tokens_per_s": 90.0, "engine_prefix_hits": 0.5})])

    assert with_engine(job, told).points[0][1]["engine_prefix_hits"] == 0.5


@pytest.mark.parametrize(
    ("params", "hits", "sentence"),
    [
        (COLD, 0.01, None),
        (COLD, 0.011, "benchmark:hits"),
        (COLD | {"seed": 0}, 0.5, "benchmark:hits_seed"),
        (COLD | {"as_in_guide": True}, 0.5, "benchmark:hits_guide"),
        (COLD | {"prefix_tokens": 32}, 0.031, "benchmark:hits_prefix"),
        (COLD | {"prefix_tokens": 32}, 0.3, "benchmark:hits"),
        ({}, 0.3, "benchmark:hits"),
    ],
)
def test_more_than_one_per_cent_of_hits_is_a_remark_with_its_cause(params, hits, sentence):
    job = measured_job(steps=("measure-1", "measure-4"), params=params)
    scraped(
        job,
        {HITS: 0.0, QUERIES: 0.0},
        {HITS: 0.0, QUERIES: 1000.0},
        {HITS: 1000 * hits, QUERIES: 2000.0},
    )

    remarks = with_engine(job, MEASURED).remarks

    assert [remark.id for remark in remarks] == ([sentence] if sentence else [])
    if sentence:
        assert (remarks[0].args["concurrency"], remarks[0].args["share"]) == (
            4,
            f"{100 * hits:.1f}",
        )
