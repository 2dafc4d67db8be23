"""Job types, and their fields with the choices of a host."""

import jsonschema_rs
import pytest

from jobs.kinds import KINDS
from jobs.launch import launch
from tests.factories import make_deployment, make_host


def test_all_job_types_are_listed_with_their_schema(api):
    listed = api.get("job-types").json()["job_types"]

    assert [one["name"] for one in listed] == list(KINDS)
    for one in listed:
        schema = api.get(f"job-types/{one['name']}").json()["params_schema"]
        assert jsonschema_rs.meta.is_valid(schema)
    assert api.get("job-types/frobnicate").status_code == 404


def test_a_host_gives_choices_defaults_and_a_launchable_job(api):
    host = make_host("va16")
    deployment = make_deployment(host=host, state="ready", name="served")

    answer = api.get("job-types/benchmark", host="va16").json()

    fields = {field["name"]: field for field in answer["fields"]}
    assert (answer["host"], answer["available"]) == ("va16", True)
    assert fields["deployment"]["asset"] == "deployment"
    assert fields["deployment"]["choices"] == [
        {"value": str(deployment.pk), "label": "served"},
    ]
    assert fields["concurrency"]["default"] == [1, 2, 4]
    params = {name: field["default"] for name, field in fields.items()}
    assert launch.preview("benchmark", params, host).plan is not None


def test_a_value_in_the_query_moves_the_defaults_of_others(api):
    host = make_host("va16")
    deployments = [
        make_deployment(host=host, state="ready", model_id=model)
        for model in ("smollm2-135m-instruct", "deepseek-r1-distill-qwen-1.5b")
    ]

    thinking = [
        {
            field["name"]: field["default"]
            for field in api.get("job-types/evaluate", host="va16", deployment=one.pk).json()[
                "fields"
            ]
        }["max_tokens"]
        for one in deployments
    ]

    assert thinking[0] < thinking[1]


def test_a_host_without_choices_says_why(api):
    make_host("va16")

    fields = api.get("job-types/benchmark", host="va16").json()["fields"]

    missing = {field["name"]: field["missing"] for field in fields if field["missing"]}
    assert missing == {"deployment": "No deployment on this host yet."}


@pytest.mark.parametrize("wrong", [{"host": "nowhere"}, {"frobnicate": "1"}])
def test_an_unknown_name_is_refused_at_its_field(api, wrong):
    answer = api.get("job-types/benchmark", **wrong)

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, [*wrong])
