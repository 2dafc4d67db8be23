"""Incompatible choices: an error at the field with name, reason and advice."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from dashboard.pages.launch.launch_form import make_form
from jobs.kinds import KINDS
from jobs.kinds.lib.base import AssetRef
from jobs.launch.launch import preview
from tests.factories import make_host
from tests.jobs.lib.target import here
from tests.jobs.lib.vacc_target import CURRENT, R1, VACC_PARAMS, vacc_host

pytestmark = pytest.mark.django_db

VASTGENX, OF_TODAY, OF_LLAMA_CPP = "10", "9", "3"


def errors(kind, target, **raw):
    host = make_host(type=target.type, facts=dict(target.facts))
    return preview(kind, raw, host, target).errors


def test_another_engine_is_refused_with_advice():
    refusals = errors("benchmark-online", vacc_host(), deployment=VASTGENX, **CURRENT)

    assert refusals == {
        "deployment": "DeepSeek-R1 runs on vastgenx, but this benchmark needs vLLM. Choose a vLLM"
        " deployment, or use “Benchmark”, which supports any."
    }


def test_weights_that_a_kind_does_not_offer_are_named():
    refusals = errors("compile", here(), weights="4", precision="int8")

    assert refusals == {"weights": "This job type cannot use folder. Choose another."}


def test_the_form_calls_what_does_not_fit_by_its_name():
    form = make_form(KINDS["benchmark-online"], vacc_host(), {"deployment": VASTGENX}, {})

    field = next(field for field in form.fields if field.name == "deployment")
    labels = {one.value: one.label for one in field.options}
    assert labels[field.value] == "DeepSeek-R1, incompatible"


@pytest.mark.parametrize("number", range(len(VACC_PARAMS)))
def test_whatever_is_chosen_instead_is_an_error_at_its_field(number):
    name, raw = VACC_PARAMS[number]
    kind, target = KINDS[name], vacc_host()
    target = replace(
        target,
        weights=(*target.weights, AssetRef("weights", "odd", id=90, data={"model_id": R1})),
        artifacts=(*target.artifacts, AssetRef("artifact", "odd", id=90, data={})),
        datasets=(*target.datasets, AssetRef("dataset", "odd", id=90, data={"name": "odd"})),
    )
    for field in kind.Params.model_fields:
        if kind.choices(field, target) is None:
            continue
        for value in ("90", "nothing of the kind"):
            given = {**raw, field: value}
            offered = {choice.value for choice in kind.choices(field, target)}
            try:
                kind.Params.model_validate(given)
            except ValidationError:
                continue
            if value not in offered:
                assert errors(name, target, **given).keys() == {field}


def test_the_newest_weights_that_vllm_serves_are_proposed():
    target = vacc_host()
    newest_first = [ref.key for ref in target.weights]
    assert newest_first[0] == "1"  # of a model without a way with vLLM

    for kind in ("deploy-vllm", "benchmark-throughput", "benchmark-latency"):
        fields = {field.name: field for field in make_form(KINDS[kind], target, {}, {}).fields}
        field = fields["weights"]
        assert (field.value, field.default) == ("6", "6")
        assert [option.value for option in field.options] == ["6", "1", "2", "job:17"]
