"""An evaluation beside the fastest benchmark of its engine; devices; the frontier."""

import pytest

from jobs.metrics import rate_in
from jobs.models import Environment, Result
from jobs.plans import Plan, Step
from jobs.queries.results.listing import ResultFilters
from jobs.queries.results.provenance import counts, device_count, per_user, with_rates
from jobs.queries.results.tradeoff import frontier, tradeoff
from jobs.services.outcomes import stored_results
from tests.comparing import OTHER
from tests.factories import make_endpoint, make_job, make_measured
from tests.jobs.lib.importing import EVALUATION, imported
from tests.measuring import SERVE, measured, served

pytestmark = pytest.mark.django_db


def evaluated(deployment, tool="evalscope", **fields):
    program = f"/e/{tool}/bin/{tool}"
    plan = Plan("evaluate", (Step("ask", (program, "eval")),))
    job = make_job(plan=plan, host=deployment.host, state="succeeded")
    context = stored_results.context_of(job, [deployment.job])
    fields = {"run_context": context, "tool": f"{tool} 1.0", **fields}
    return make_measured(job=job, scores=[1, 1, 0, 1], deployment=deployment, **fields)


def make_environment(host, name, pins="pins"):
    path = f"/e/{name}"
    return Environment.objects.create(host=host, name=name, fingerprint=pins, path=path)


def only_pair(**filters):
    (pair,) = tradeoff(ResultFilters(**filters)).pairs
    return pair


def test_the_fastest_point_of_the_same_deployment_is_paired(host):
    deployment = served(host)
    evaluated(deployment, metrics={"accuracy": 0.75, "questions": 4, "output_tokens_mean": 900.0})
    measured(deployment, points=((1, 50.0), (8, 90.0)))
    fast = measured(deployment, points=((4, 100.0), (16, 99.0)))
    Result.objects.filter(pk=fast.pk).update(run_context={"dies": ["0", "1"]})

    pair = only_pair()

    speed = pair.speed
    assert (speed.benchmark, speed.concurrency, speed.pairing) == (fast, 4, "engine")
    rates = [speed.metrics[rate_in(unit)] for unit in ("total", "die", "card", "server")]
    assert rates == [100.0, 50.0, 100.0, 100.0]
    assert (pair.origin, pair.tokens, pair.share.value) == ("ours", 900.0, 0.75)


def test_simulated_benchmarks_and_those_that_do_not_count_are_not_paired(host):
    deployment = served(host)
    evaluated(deployment)
    for flag in (*Result.UNCOUNTED, "simulated"):
        Result.objects.filter(pk=measured(deployment).pk).update(**{flag: True})

    assert only_pair().speed is None


def of_newer_pins(host):
    Environment.objects.filter(name="llama").update(fingerprint="newer pins")
    return served(host)


def of_another_environment(host):
    make_environment(host, "other")
    return served(host, ("/e/other/bin/python", *SERVE[1:]))


@pytest.mark.parametrize(
    "another",
    [lambda host: served(host, OTHER), of_newer_pins, of_another_environment],
    ids=["arguments", "version", "engine"],
)
def test_another_engine_is_not_paired(host, another):
    evaluated(served(host))
    measured(another(host))

    assert only_pair().speed is None


def test_another_deployment_with_equal_settings_is_named_so(host):
    first, second = served(host), served(host)
    evaluated(first)
    benchmark = measured(second)

    speed = only_pair().speed

    assert (speed.benchmark, speed.pairing) == (benchmark, "identity")


def test_another_tool_has_an_environment_of_its_own(host):
    make_environment(host, "opencompass")
    evaluated(served(host), tool="opencompass")
    benchmark = measured(served(host))

    assert only_pair().speed.benchmark == benchmark


def test_settings_that_are_unknown_equal_nothing(host):
    evaluated(served(host))
    measured(served(host))
    for result in Result.objects.all():
        result.identity["parts"]["engine"] = {"environment": None}
        result.save()

    assert only_pair().speed is None


def test_an_endpoint_that_changed_its_engine_is_another_one(host):
    endpoint = make_endpoint()
    told = {"url": endpoint.url, "model": "m", "engine": "vllm", "version": "0.9.1"}

    def of_version(version, **fields):
        context = {"endpoint": {**told, "version": version}}
        return make_measured(endpoint=endpoint, run_context=context, **fields)

    job = make_job(host=host, kind="evaluate", state="succeeded")
    of_version("0.9.1", job=job, scores=[1])
    slow = of_version("0.9.1", points=[(2, {"output_tokens_per_s": 70.0})])
    of_version("0.10", points=[(2, {"output_tokens_per_s": 99.0})])

    pair = only_pair()

    assert (pair.origin, pair.speed.benchmark) == ("external", slow)


def test_an_import_is_paired_as_stated_only(host):
    evaluated(served(host))
    benchmark = imported(device="8 × H800")
    evaluation = imported(EVALUATION, device="8 × H800")
    Result.objects.filter(pk__in=[benchmark.pk, evaluation.pk]).update(model_id="m")
    Result.objects.filter(pk=evaluation.pk).update(
        what="basics", metrics={"accuracy": 0.5, "questions": 10}
    )

    (pair,) = tradeoff(ResultFilters(), "basics").pairs

    assert (pair.origin, pair.evaluation) == ("imported", evaluation)
    assert (pair.speed.benchmark, pair.speed.pairing) == (benchmark, "stated")


def test_only_evaluations_of_the_same_questions_are_together(host):
    deployment = served(host)
    one, two = evaluated(deployment, what="gsm8k"), evaluated(deployment, what="gsm8k")
    other = evaluated(deployment, what="mmlu")

    found = tradeoff(ResultFilters())

    assert (found.chosen, found.choices) == ("gsm8k", [("gsm8k", 2), ("mmlu", 1)])
    assert [pair.evaluation for pair in found.pairs] == [two, one]
    assert [pair.evaluation for pair in tradeoff(ResultFilters(), "mmlu").pairs] == [other]


@pytest.mark.parametrize(
    ("context", "count"),
    [
        # Tensor parallel 4, pipeline parallel 2, two instances.
        ({"dies": [str(die) for die in range(4 * 2 * 2)]}, 16),
        ({"dies": ["0"], "device": {"text": "8 × H800", "count": 8}}, 8),
        *(({}, None), ({"dies": []}, None), ({"dies": "0,1"}, None)),
        *(({"device": {"text": "x", "count": n}}, None) for n in (None, True, "8", -1, 10**9)),
    ],
)
def test_devices_are_the_leased_dies_or_those_entered(context, count):
    assert device_count(Result(run_context=context)) == count


@pytest.mark.parametrize(
    ("context", "fields", "known"),
    [
        # Dies of two cards, on one server.
        ({"dies": ["2", "3", "4"]}, {}, {"die": 3, "card": 2, "server": 1}),
        ({"dies": []}, {}, {"server": 1}),
        ({"dies": ["a0", "a1"]}, {}, {"die": 2, "server": 1}),
        ({}, {"endpoint_id": 1}, {}),
        # The host of a client says nothing of an engine of others.
        ({"dies": ["0"], "device": {"text": "8 × H800", "count": 8}}, {}, {"card": 8}),
        ({"device": {"text": "H800", "count": None}}, {"imported_id": 1}, {}),
    ],
)
def test_a_rate_is_known_in_the_units_that_are_counted(context, fields, known):
    assert counts(Result(run_context=context, **fields)) == known


def test_a_rate_per_watt_needs_power_and_no_unit_stands_in_for_another():
    measured = {"output_tokens_per_s": 90.0, "power_mean_w": 45.0}

    assert with_rates(measured, {"card": 3}) == {
        **measured,
        "output_tokens_per_s_per_card": 30.0,
        "output_tokens_per_s_per_watt": 2.0,
    }
    assert with_rates({"power_mean_w": 45.0}, {"card": 3}) == {"power_mean_w": 45.0}


def test_a_user_gets_the_inverse_of_tpot():
    assert per_user({"tpot_p50_ms": 20.0}) == 50.0
    assert per_user({"tpot_p50_ms": 0.0}) is None
    assert per_user({}) is None


def test_the_frontier_has_no_beaten_point():
    #          slow per user, much in all … fast per user, little in all
    points = [(10.0, 100.0), (20.0, 90.0), (15.0, 80.0), (40.0, 30.0), (30.0, 30.0), (5.0, 100.0)]

    assert frontier(points) == [0, 1, 3]
    assert frontier([(1.0, 1.0), (1.0, 1.0)]) == [1, 0]
    assert frontier([]) == []
