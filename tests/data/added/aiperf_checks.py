"""AIPerf as any other tool: form, plan, real output."""

import pytest
from django.urls import reverse

from jobs.kinds import KINDS
from jobs.plans import fill
from jobs.readings import read_outcome
from tests.factories import make_user
from tests.jobs.lib.target import DATA, VALUES, here

KIND = KINDS["benchmark-aiperf"]
PARAMS = KIND.Params(deployment="3", concurrency=(4,), requests=20)


def test_its_job_sends_new_prompts_at_each_concurrency():
    steps = fill(KIND.plan(PARAMS, here()), VALUES).steps

    assert [step.name for step in steps] == ["prompts", "measure-4"]
    assert steps[1].argv[1:6] == (
        "profile",
        "--model",
        "small-int8",
        "--url",
        VALUES["deployment.url"],
    )


def test_its_real_output_is_read():
    content = (DATA / "aiperf-0.13" / "profile_export_aiperf.json").read_bytes()
    outputs = {"result-4/profile_export_aiperf.json": content}

    read = read_outcome(KIND, PARAMS, KIND.plan(PARAMS, here()), outputs)

    assert read.measured.tool == "aiperf 0.13.0"
    ((concurrency, metrics),) = read.measured.points
    assert (concurrency, metrics["requests"]) == (4, 20)
    assert metrics["ttft_p50_ms"] == pytest.approx(841.4876375)
    assert metrics["output_tokens_per_s"] == pytest.approx(47.73541388700015)


@pytest.mark.django_db
def test_its_form_opens(client):
    client.force_login(make_user("lin"))

    page = client.get(reverse("launch-form", args=["benchmark-aiperf"]))

    assert "Benchmark with AIPerf" in page.text
