"""No address, with any method, query, form or body, makes the dashboard fail.

Addresses come from Django's resolver and operations from the OpenAPI document: a new one is tried
without a change here.
"""

import json
import re
from urllib.parse import quote

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from dashboard.api.app import document
from jobs.kinds import KINDS
from tests import sample_data
from tests.dashboard.lib.routes import OF_PEOPLE, PATTERNS, filled, names_asked_by
from tests.factories import make_host, make_user
from tests.fuzz.values import NASTY, fuzz, nasty, undone

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
TEXTS = st.one_of(
    st.sampled_from([str(value)[:6000] for value in NASTY if not isinstance(value, list | dict)]),
    st.text(max_size=30),
    st.integers().map(str),
).map(lambda text: text.encode("utf-8", "replace").decode())
DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = sorted(
    (path, method) for path, methods in DOCUMENT["paths"].items() for method in methods
)


@pytest.fixture
def person(client):
    client.force_login(make_user("root", is_staff=True))
    client.raise_request_exception = False
    return client


@pytest.fixture
def made(person):
    return sample_data.make()


def with_arguments(draw, route, made):
    """An address of the route: rows that exist, or arguments that nobody should send."""
    if draw(st.booleans()):
        return filled(route, made)
    return "/" + re.sub("<[^>]+>", lambda _: quote(draw(TEXTS)[:200], safe=""), route)


@fuzz
@given(
    kind=st.sampled_from(sorted(KINDS)),
    action=st.sampled_from(["launch-form", "launch-preview", "launch-script", "launch-check"]),
    data=st.data(),
)
@undone
def test_fields_of_launch_forms(person, kind, action, data):
    fields = ["host", "confirm", "priority", *KINDS[kind].Params.model_fields]
    typed = data.draw(st.dictionaries(st.sampled_from(fields), TEXTS, max_size=5))

    sent = {"host": make_host("here").name, **typed}
    assert person.post(reverse(action, args=[kind]), sent).status_code < 500


@pytest.mark.parametrize("nested", ["[" * 1000, '{"params": ' + "[" * 900 + "]" * 900 + "}", "NaN"])
def test_bodies_that_no_parser_likes(person, nested):
    for path in ("jobs", "jobs/preview", "jobs/1/cancel", "jobs/1/pin"):
        answer = person.post(f"/api/v1/{path}", nested, content_type="application/json")
        assert answer.status_code < 500, path


@fuzz
@given(data=st.data(), route=st.sampled_from(OF_PEOPLE), method=st.sampled_from(METHODS))
@undone
def test_every_address_with_every_method(person, made, data, route, method):
    names = st.sampled_from(sorted(names_asked_by(PATTERNS[route]) | {"next", "q"}))
    fields = st.dictionaries(names, TEXTS, max_size=5)
    query, form = data.draw(fields), data.draw(fields)
    address = with_arguments(data.draw, route, made)

    sent = {"data": form} if method == "post" else {}
    answer = getattr(person, method)(address, query_params=query, **sent)
    assert answer.status_code < 500, (method, address)


def values_of(schema):
    """Values that a schema of the OpenAPI document describes, most of them out of bounds."""
    if "$ref" in schema:
        return values_of(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | nasty
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return st.one_of(*map(values_of, schema[several])) | nasty
    match schema.get("type"):
        case "object" if schema.get("properties"):
            parts = {name: values_of(part) for name, part in schema["properties"].items()}
            return st.fixed_dictionaries({}, optional=parts) | nasty
        case "object":
            return st.dictionaries(st.text(max_size=20), nasty, max_size=5) | nasty
        case "array":
            return st.lists(values_of(schema.get("items", {})), max_size=4) | nasty
        case "string":
            return TEXTS | nasty
        case "integer" | "number":
            return st.integers() | nasty
        case "boolean":
            return st.booleans() | nasty
    return nasty


def queries_of(operation):
    names = [part["name"] for part in operation.get("parameters", []) if part["in"] == "query"]
    return st.dictionaries(st.sampled_from(names), TEXTS, max_size=4) if names else st.just({})


def test_the_document_names_every_operation():
    assert len(OPERATIONS) > 40
    assert ("/api/v1/jobs", "post") in OPERATIONS


@fuzz
@given(data=st.data(), operation=st.sampled_from(OPERATIONS))
@undone
def test_every_operation_of_the_api(person, made, data, operation):
    path, method = operation
    described = DOCUMENT["paths"][path][method]
    query = data.draw(queries_of(described))
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = data.draw(values_of(content.get("schema", {})) | nasty)
    route = re.sub(r"{(\w+)}", r"<\1>", path.removeprefix("/"))
    address = with_arguments(data.draw, route, made)

    answer = person.generic(
        method.upper(),
        address,
        json.dumps(body, default=str).encode(errors="replace"),
        content_type="application/json",
        query_params=query,
    )
    assert answer.status_code < 500, (method, address)
