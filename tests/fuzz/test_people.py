"""No query string, form field or frame of a socket makes the dashboard fail."""

import json
import re
from urllib.parse import urlencode

import pytest
from django.urls import get_resolver, reverse
from hypothesis import given
from hypothesis import strategies as st

from jobs.kinds import KINDS
from tests.factories import make_deployment, make_host, make_job, make_measured, make_user
from tests.fuzz.values import NASTY, fuzz, undone
from tests.kept import ended

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

TEXTS = st.one_of(
    st.sampled_from([str(value)[:6000] for value in NASTY if not isinstance(value, list | dict)]),
    st.text(max_size=30),
    st.integers().map(str),
)
# Every name that a page reads from its address.
NAMES = (
    *("before", "after", "limit", "id", "state", "kind", "host", "person", "text", "pinned", "q"),
    *("from", "to", "page", "sort", "type", "model", "concurrency", "group", "base", "set", "line"),
    *("deployment", "known", "series", "name", "regex", "near", "plain", "framed", "metric", "as"),
)
LISTS = (
    *("/", "/jobs/", "/results/", "/results/compare/", "/hosts/", "/deployments/", "/models/"),
    *("/search/", "/playground/", "/storage/", "/secrets/", "/people/", "/launch/benchmark/"),
    *("/api/v1/jobs", "/api/v1/results", "/api/v1/deployments", "/api/v1/hosts"),
)


def stored(text):
    """Text as a form or an address can carry it: no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


@pytest.fixture
def person(client):
    client.force_login(make_user("root", is_staff=True))
    client.raise_request_exception = False
    return client


@fuzz
@given(
    path=st.sampled_from(LISTS),
    query=st.dictionaries(st.sampled_from(NAMES), TEXTS.map(stored), min_size=1, max_size=4),
)
def test_query_strings_of_lists(person, path, query):
    assert person.get(f"{path}?{urlencode(query)}").status_code < 500


@fuzz
@given(
    name=st.sampled_from(
        ["job-detail", "job-points", "job-accuracy", "deployment-detail", "result-detail"]
    ),
    query=st.dictionaries(st.sampled_from(NAMES), TEXTS.map(stored), min_size=1, max_size=3),
)
def test_query_strings_of_records(person, name, query):
    def example():
        record = {
            "job": lambda: ended(log=b""),
            "deployment": make_deployment,
            "result": lambda: make_measured(points=[(4, {"output_tokens_per_s": 8.5})]),
        }[name.partition("-")[0]]()
        path = reverse(name, args=[record.pk])
        assert person.get(f"{path}?{urlencode(query)}").status_code < 500

    undone(example)


@fuzz
@given(
    kind=st.sampled_from(sorted(KINDS)),
    action=st.sampled_from(["launch-form", "launch-preview", "launch-script", "launch-check"]),
    data=st.data(),
)
def test_fields_of_launch_forms(person, kind, action, data):
    fields = ["host", "confirm", "priority", *KINDS[kind].Params.model_fields]
    given_fields = data.draw(
        st.dictionaries(st.sampled_from(fields), TEXTS.map(stored), max_size=5)
    )

    def example():
        host = make_host("here")
        sent = {"host": host.name, **given_fields}
        answer = person.post(reverse(action, args=[kind]), sent)
        assert answer.status_code < 500

    undone(example)


@fuzz
@given(
    name=st.sampled_from(
        [
            *("job-cancel", "job-retry", "job-pin", "job-move", "job-priority", "job-exclusive"),
            *(
                "job-confirm",
                "secret-list",
                "source-add",
                "person-add",
                "token-create",
                "model-add",
            ),
            *("model-add-yaml", "host-add", "login", "set_language"),
        ]
    ),
    fields=st.dictionaries(
        st.sampled_from(
            [
                *("name", "value", "to", "before", "after", "priority", "exclusive", "checks"),
                *("username", "password", "next", "language", "yaml", "slots", "pinned", "scope"),
                *("type", "address", "note"),
            ]
        ),
        TEXTS.map(stored),
        max_size=4,
    ),
)
def test_fields_of_other_forms(person, name, fields):
    def example():
        job = make_job(host=make_host("here"))
        args = [job.pk] if name.startswith("job-") else []
        assert person.post(reverse(name, args=args), fields).status_code < 500

    undone(example)


@fuzz
@given(number=st.one_of(st.integers(min_value=0), st.sampled_from([2**31, 2**63, 10**30])))
def test_numbers_in_addresses(person, number):
    for name, pattern in _numbered():
        path = reverse(name, kwargs=dict.fromkeys(pattern, 7))
        path = re.sub(r"\b7\b", str(number), path)  # also those that no address can have
        assert person.get(path).status_code < 500, path


def _numbered():
    """Names of addresses whose only arguments are numbers of records, with those arguments."""
    numbers = {"job_id", "deployment_id", "result_id"}
    for name, entries in get_resolver().reverse_dict.lists():
        for possibilities, *_rest in entries:
            arguments = possibilities[0][1]
            if isinstance(name, str) and arguments and set(arguments) <= numbers:
                yield name, arguments


@fuzz
@given(
    body=st.one_of(
        st.sampled_from([json.dumps(value, default=str) for value in NASTY if value == value]),
        st.text(max_size=40),
        st.just("[" * 1000),
        st.just('{"kind": "benchmark", "host": "here", "params": ' + "[" * 900 + "]" * 900 + "}"),
    ),
    path=st.sampled_from(["jobs", "jobs/preview", "pipelines", "jobs/1/cancel", "jobs/1/pin"]),
)
def test_bodies_of_the_api(person, body, path):
    answer = person.post(
        f"/api/v1/{path}", body.encode("utf-8", "replace"), content_type="application/json"
    )
    assert answer.status_code < 500
