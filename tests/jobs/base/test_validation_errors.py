"""Errors of values say how to correct the value."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import translation
from pydantic import BaseModel, ValidationError

from jobs.base.validation_errors import PATTERNS, messages
from jobs.catalog.schema import ZooModel
from jobs.kinds import KINDS


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["pattern"]] if isinstance(node.get("pattern"), str) else []
        for below in node.values():
            yield from patterns(below)
    elif isinstance(node, list):
        for below in node:
            yield from patterns(below)


@pytest.mark.parametrize("model", [ZooModel, *(kind.Params for kind in KINDS.values())])
def test_each_pattern_of_a_form_has_words_for_what_is_wanted(model: type[BaseModel]):
    assert set(patterns(model.model_json_schema())) - set(PATTERNS) == set()


def wrong(kind: str, **values: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        KINDS[kind].Params.model_validate(values)
    return messages(caught.value)


@pytest.mark.parametrize(
    ("kind", "field", "wanted"),
    [
        ("prepare-weights", "folder", "Enter an absolute path, such as /nfs"),
        ("prepare-weights", "endpoint", "begins with http:// or https://"),
        ("build-images", "repository", "begins with https://"),
        ("deploy-vllm", "bind", "Enter an IPv4 address, such as 0.0.0.0."),
        ("deploy-vllm", "api_key", "Enter the name of a secret: capital letters"),
        ("deploy-build-in", "ready_path", "begins with a slash"),
    ],
)
def test_a_field_says_what_it_wants(kind, field, wanted):
    assert wanted in wrong(kind, **{field: "a b"})[field]


def test_each_wrong_value_is_named_with_its_error():
    errors = wrong("benchmark", deployment="1", concurrency=["9999", "4", "x"])

    assert errors["concurrency"] == (
        "“9999”: At most 256. “x”: Enter a whole number."
        " Separate several values with commas, such as 1, 2, 4."
    )


@pytest.mark.parametrize(
    ("kind", "field", "typed", "message"),
    [
        ("evaluate", "temperature", "nan", "Enter a number."),
        ("benchmark", "concurrency", [], "Enter one value, or several separated by commas."),
        (
            *("benchmark", "concurrency", ["1;4"]),
            "“1;4”: Enter a whole number. Separate several values with commas, such as 1, 2, 4.",
        ),
        ("benchmark", "concurrency", ["0"], "“0”: At least 1."),
        ("benchmark", "requests", "x", "Enter a whole number."),
    ],
)
def test_the_error_of_a_bad_number_says_what_to_enter(kind, field, typed, message):
    assert wrong(kind, deployment="1", **{field: typed})[field] == message


def test_one_text_for_several_values_is_refused():
    with pytest.raises(ValidationError) as caught:
        KINDS["benchmark"].Params.model_validate({"deployment": "1", "concurrency": "1,4"})

    assert messages(caught.value)["concurrency"] == "Enter a list of values, such as [1, 4]."
