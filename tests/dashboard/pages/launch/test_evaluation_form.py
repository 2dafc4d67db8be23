"""Form of an evaluation: presets, and what the launch will take."""

import pytest
from django.urls import reverse

from dashboard.pages.launch.launch import evaluation_plan
from jobs.catalog.presets import EVALUATION_PRESETS
from jobs.kinds import KINDS
from jobs.kinds.evaluate import goal_choices
from jobs.queries.jobs.durations import evaluation_estimate
from jobs.statistics import questions_paired
from jobs.statistics.paired import BOUNDARY
from tests.factories import (
    make_deployment,
    make_endpoint,
    make_guide_host,
    make_host,
    make_job,
    make_measured,
)
from tests.jobs.lib.target import EARLY, here

pytestmark = pytest.mark.django_db


@pytest.fixture
def served():
    """A deployment on This computer."""
    return make_deployment(job=make_job(host=make_host("near"), kind="deploy", state="succeeded"))


@pytest.fixture
def form(browser):
    """The context of a form."""
    return lambda kind, **query: browser.get(reverse("launch-form", args=[kind]), query).context


def links_of(context):
    """The links to presets, by id."""
    return {one["preset"].id: one for one in context["presets"]}


def current(context):
    return [one["preset"].id for one in context["presets"] if one["is_current"]]


def query_of(link):
    return dict(part.split("=") for part in link["address"].partition("?")[2].split("&"))


def counted_result(served, tokens=50.0, **fields):
    """An evaluation of the deployment's model, whose answers had so many tokens."""
    counted = make_measured(model_id=served.model_id, scores=[1, 0], **fields)
    counted.metrics |= {"output_tokens_mean": tokens}
    counted.save()
    return counted


@pytest.mark.parametrize("preset", EVALUATION_PRESETS.values(), ids=lambda one: one.id)
def test_a_preset_has_fields_of_its_kinds(preset):
    for kind, values in preset.kinds.items():
        assert set(values) <= KINDS[kind].Params.model_fields.keys()


def test_a_preset_fills_the_form_and_is_marked(form, served):
    first = form("evaluate", host="near", deployment=served.pk)
    query = query_of(links_of(first)["smoke"])

    context = form("evaluate", **query)

    assert (current(first), query["deployment"]) == (["own"], str(served.pk))
    values = {field.name: field.value for field in context["form"].fields}
    assert (values["limit"], values["temperature"]) == ("20", "0.0")
    assert current(context) == ["smoke"]


def test_the_field_thinking_needs_a_switch(form, served):
    near = make_endpoint("near", thinking_switch="thinking")
    far = make_endpoint("far")

    def fields(**query):
        context = form("evaluate", host="near", **query)
        return {field.name: field for field in context["form"].fields}

    offered = fields(deployment=f"endpoint:{near.pk}")["thinking"]
    assert [one.label for one in offered.options] == ["model default", "on", "off"]
    chosen = form("evaluate", host="near", deployment=f"endpoint:{near.pk}", thinking="off")
    assert '"chat_template_kwargs": {"thinking": false}' in chosen["script"]
    for key in (str(served.pk), f"endpoint:{far.pk}"):
        assert "thinking" not in fields(deployment=key)
        refused = fields(deployment=key, thinking="off")["thinking"]
        assert "no switch for thinking" in refused.error


def test_a_preset_that_the_host_cannot_run_is_no_link(form, served):
    assert links_of(form("evaluate", host="near"))["guide"]["address"] == ""


def test_the_paper_s_preset_is_for_every_host(form, served):
    query = query_of(links_of(form("evaluate", host="near"))["paper"])

    context = form("evaluate-evalscope", **{**query, "datasets": "math_500, aime24, gpqa_diamond"})

    assert current(context) == ["paper"]
    values = {field.name: field.value for field in context["form"].fields}
    assert (values["samples"], values["source"]) == ("4", "folder")
    assert "stack" not in values


def test_a_host_with_cards_has_every_preset(form):
    make_guide_host("far")

    links = links_of(form("evaluate-opencompass", host="far"))

    assert all(one["address"] for one in links.values())
    assert links["paper"]["kind"] == "evaluate-evalscope"
    assert links["guide"]["is_current"]  # the form's own defaults are the guide's


def test_a_benchmark_has_neither_presets_nor_estimate(form, served):
    context = form("benchmark", host="near", deployment=served.pk)

    assert (context["presets"], context["before"]) == ([], None)


def test_a_probe_has_no_estimate_because_it_scores_nothing(form, served):
    host = served.job.host
    other = make_deployment(job=make_job(host=host, kind="deploy", state="succeeded"))

    context = form("greedy-probe", host="near", deployment=served.pk, reference=other.pk)

    assert (context["errors"], context["before"]) == ({}, None)


def test_an_estimate_names_its_basis(form, served):
    rate = {"output_tokens_per_s": 100.0}
    points = [(1, {"output_tokens_per_s": 50.0}), (4, rate)]
    rated = make_measured(deployment=served, model_id=served.model_id, points=points)
    query = {"host": "near", "deployment": served.pk, "limit": 10, "max_tokens": 200}
    upper = form("evaluate", **query)["before"]["estimate"]
    assert (upper.seconds, upper.rated_by, upper.counted_by) == (20.0, rated, None)

    counted = counted_result(served)
    known = form("evaluate", **query)["before"]["estimate"]

    assert (known.seconds, known.tokens, known.counted_by) == (5.0, 50.0, counted)


@pytest.mark.parametrize(
    ("rates", "batch", "rate", "is_scaled"),
    [
        ({4: 100.0}, 4, 100.0, False),
        ({1: 50.0}, 4, 200.0, True),  # proportional: nothing tells more
        ({1: 50.0, 4: 100.0}, 2, 100.0 / 2**0.5, True),
        ({1: 50.0, 4: 50.0}, 8, 50.0, True),  # more concurrency gave nothing
        ({1: 90.0, 4: 100.0, 16: 80.0}, 32, 80.0, True),
    ],
)
def test_a_measured_speed_is_scaled_to_the_concurrency(served, rates, batch, rate, is_scaled):
    points = [(level, {"output_tokens_per_s": one}) for level, one in rates.items()]
    make_measured(deployment=served, model_id=served.model_id, points=points, simulated=True)
    params = {"deployment": str(served.pk), "limit": 10, "max_tokens": 200, "batch": batch}

    estimate = evaluation_estimate("evaluate", params | {"questions": "basics"})

    assert (estimate.rate, estimate.is_scaled) == (pytest.approx(rate), is_scaled)
    assert estimate.seconds == pytest.approx(10 * 200 / rate)


def test_a_measured_speed_tells_more_than_another_amount_of_work(form, served):
    points = [(4, {"output_tokens_per_s": 100.0})]
    make_measured(deployment=served, model_id=served.model_id, points=points)
    query = {"host": "near", "deployment": served.pk, "max_tokens": 200, "limit": 10}
    params = {"questions": "basics", "limit": 5, "batch": 4}
    about = {"host": served.job.host, "kind": "evaluate", "model_id": served.model_id}
    make_job(**about, params=params, state="succeeded", duration_s=33.0)
    assert form("evaluate", **query)["earlier"].scaled

    counted_result(served)

    shown = form("evaluate", **query)
    assert (shown["earlier"], shown["before"]["estimate"].seconds) == (None, 5.0)


def test_an_estimate_counts_answers_with_as_much_thinking(served):
    points = [(4, {"output_tokens_per_s": 100.0})]
    make_measured(deployment=served, model_id=served.model_id, points=points)
    for tokens, params in ((20.0, {"thinking": "off"}), (50.0, {})):
        job = make_job(kind="evaluate", state="succeeded", params=params)
        counted_result(served, tokens, job=job)
    params = {"deployment": str(served.pk), "limit": 10, "max_tokens": 200, "batch": 4}
    params |= {"questions": "basics"}

    estimates = [
        evaluation_estimate("evaluate", {**params, "thinking": chosen}).tokens
        for chosen in ("", "off", "on")
    ]

    assert estimates == [50.0, 20.0, 200]


def test_without_a_benchmark_nothing_is_estimated(form, served):
    before = form("evaluate", host="near", deployment=served.pk)["before"]

    assert (before["estimate"], before["measured_by"]) == (None, None)


def test_the_sample_size_is_of_the_measured_accuracy(form, served):
    measured = make_measured(model_id=served.model_id, scores=[1, 0])

    before = form("evaluate", host="near", deployment=served.pk)["before"]

    assert (before["measured_by"], before["accuracy"], before["interval"]) == (measured, 50.0, 9604)


@pytest.mark.parametrize("goal", ["at_least", "same"])
def test_a_run_that_stops_early_is_planned_for_the_question_asked(goal):
    kind = KINDS["evaluate"]
    params = kind.Params(deployment="3", goal=goal, **EARLY).model_dump()

    (planned,) = evaluation_plan(kind, params, here())["goals"]

    (words,) = [choice.label for choice in goal_choices() if choice.value == goal]
    assert planned["words"] == words
    assert planned["paired"] == questions_paired(goal, margin=0.05, z=BOUNDARY)
