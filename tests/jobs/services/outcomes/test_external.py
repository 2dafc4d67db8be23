"""External results: stamp, device, identity; never repeats of ours."""

import json
from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import OutputFile
from jobs.plans import Plan, PlanFile, Step
from jobs.queries.comparison.settings import settings
from jobs.queries.results.listing import ResultFilters, Words, matching
from jobs.queries.results.provenance import provenance
from jobs.queries.results.repeats import disturbers, repeats_of
from jobs.services.outputs import output_path
from tests.factories import make_deployment, make_endpoint, make_job
from tests.measuring import applied, make_measuring_host, measured, served

pytestmark = pytest.mark.django_db

MODELS = {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 4096}]}
TOLD = {"/v1/models": [200, json.dumps(MODELS)], "/version": [200, '{"version": "0.9.1"}']}


@pytest.fixture
def host(db):
    return make_measuring_host("va16")


def external(endpoint, host, told=TOLD, **params):
    """The result of a benchmark of ``endpoint`` from ``host``, whose first step heard ``told``."""
    plan = Plan(
        "benchmark",
        (Step("measure", ("/e/evalscope/bin/evalscope", "perf")),),
        files=(PlanFile("prompts.txt", "one\ntwo\n"),),
    )
    job = make_job(
        plan=plan,
        kind="benchmark",
        host=host,
        state="running",
        started_at=now() - timedelta(minutes=1),
        inputs={"deployment": {"endpoint": endpoint.pk}},
        params={"deployment": f"endpoint:{endpoint.pk}", "requests": 50, **params},
    )
    if told is not None:
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        path = output_path(job.pk, "endpoint.json")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        size = {"bytes": len(content), "received_bytes": len(content)}
        OutputFile.objects.create(job=job, name="endpoint", path="endpoint.json", **size)
    return applied(job, points=((1, 900.0),), duration_s=30.0)


def test_it_carries_the_endpoint_and_its_device(host):
    endpoint = make_endpoint("H800")

    result = external(endpoint, host)

    assert (result.endpoint, result.deployment, result.measured) == (endpoint, None, "H800")
    assert result.run_context["device"] == {"text": "8 × H800", "count": 8}
    assert result.run_context["endpoint"] == {
        **{"name": "H800", "url": "http://10.0.0.5:8000", "model": "m"},
        **{"engine": "vllm", "version": "0.9.1"},
    }


@pytest.mark.parametrize(
    ("fields", "model_id"),
    [
        ({"model_id": "deepseek-r1"}, "deepseek-r1"),
        ({"model": "deepseek-ai/DeepSeek-R1"}, "DeepSeek-R1"),
        ({"model": "/data/DeepSeek-R1/"}, "DeepSeek-R1"),
    ],
)
def test_its_model_is_that_of_the_catalogue_or_the_served_name(host, fields, model_id):
    assert external(make_endpoint(**fields), host).model_id == model_id


def test_a_second_run_is_a_repeat(host):
    endpoint = make_endpoint()

    one, other = external(endpoint, host), external(endpoint, host)

    assert one.identity["unknown"] == []
    # Both ran at once, so that neither counts.
    assert list(repeats_of(one, uncounted=True)) == [other]


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://10.0.0.6:8000"},
        {"device": "4 × H800", "devices": 4},
        {"devices": 4},
        {"model_id": "deepseek-r1"},
    ],
)
def test_another_endpoint_or_device_is_no_repeat(host, change):
    one, other = external(make_endpoint(), host), external(make_endpoint(**change), host)

    assert one.fingerprint
    assert one.fingerprint != other.fingerprint


def test_another_version_client_host_or_workload_is_no_repeat(host):
    endpoint, newer = make_endpoint(), {**TOLD, "/version": [200, '{"version": "0.9.2"}']}
    prints = {
        external(endpoint, host).fingerprint,
        external(endpoint, host, newer).fingerprint,
        external(endpoint, make_measuring_host("va17")).fingerprint,
        external(endpoint, host, output_tokens=9).fingerprint,
    }

    assert len(prints) == 4


@pytest.mark.parametrize(
    ("fields", "told", "unknown"),
    [
        ({"device": "", "devices": None}, TOLD, ["host.device"]),
        ({}, {"/v1/models": TOLD["/v1/models"]}, ["engine.engine_version"]),
        ({"found": {}}, None, ["engine.engine_name", "engine.engine_version"]),
        ({"found": {}}, b"\xff", ["engine.engine_name", "engine.engine_version"]),
    ],
)
def test_without_engine_version_or_device_it_stands_alone(host, fields, told, unknown):
    result = external(make_endpoint(**fields), host, told)

    assert result.identity["unknown"] == unknown
    assert result.fingerprint == ""


def test_what_a_person_stated_counts_where_the_engine_is_silent(host):
    endpoint = make_endpoint(engine="sglang", engine_version="0.4", found={})

    result = external(endpoint, host, None)

    assert result.identity["parts"]["engine"] == {"engine_name": "sglang", "engine_version": "0.4"}


def test_ours_and_an_external_one_are_never_repeats(host):
    ours, theirs = measured(served(host)), external(make_endpoint(), host)

    assert not repeats_of(ours).exists()
    assert not repeats_of(theirs).exists()


# -- other work -----------------------------------------------------------------------------------


def test_deployments_of_the_client_s_host_do_not_disturb_it(host):
    deployment = make_deployment(host=host)
    deployment.events.create(run=1, state="ready")

    result = external(make_endpoint(), host)

    assert not result.disturbed
    assert disturbers([result]) == {}


@pytest.mark.postgresql
def test_a_job_against_the_same_endpoint_from_another_host_disturbs_it(host):
    endpoint, other = make_endpoint(), make_measuring_host("va17")
    beside = make_job(
        host=other,
        state="running",
        started_at=now() - timedelta(minutes=2),
        inputs={"deployment": {"endpoint": endpoint.pk}},
    )

    result = external(endpoint, host)

    assert result.run_context["concurrent_load"]["jobs"] == [beside.pk]
    assert result.disturbed


# -- readers --------------------------------------------------------------------------------------


@pytest.mark.postgresql
def test_the_list_filters_external_results(host):
    theirs = external(make_endpoint("H800"), host)
    measured(served(host))

    assert list(matching(ResultFilters(stamps=["external"]))) == [theirs]
    assert list(matching(ResultFilters(endpoint=theirs.endpoint_id))) == [theirs]
    assert list(matching(ResultFilters(words=Words("h800")))) == [theirs]


def test_a_comparison_shows_endpoint_device_and_engine(host):
    rows = {row.name: row.values for row in settings([external(make_endpoint(), host)])}

    assert rows["endpoint_url"] == ["http://10.0.0.5:8000"]
    assert rows["device"] == ["8 × H800"]
    assert (rows["engine_name"], rows["engine_version"]) == (["vllm"], ["0.9.1"])


def test_provenance_names_the_engine_and_asks_for_no_weights(host):
    known = provenance(external(make_endpoint(), host))

    assert known.parts["engine"] == {"vllm": "0.9.1"}
    assert "environment evalscope" in known.parts["measured_in"]
    assert "weights_sha256" not in known.missing


def test_docker_carries_a_tool_and_is_none(host):
    result = external(make_endpoint(), host)
    result.run_context |= {"programs": {"docker": "26.1.3", "python": "3.11.2"}}

    assert provenance(result).parts["measured_in"]["python"] == "3.11.2"
    assert "docker" not in provenance(result).parts["measured_in"]
