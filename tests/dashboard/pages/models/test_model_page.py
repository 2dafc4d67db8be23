"""A model's page: what is there from weights to figures, and one button for what is next."""

import re

from django.urls import reverse

from jobs.models import Deployment
from tests.factories import (
    make_artifact,
    make_deployment,
    make_evaluation,
    make_guide_host,
    make_job,
    make_result,
    make_user,
    make_weights,
)

QWEN = "deepseek-r1-distill-qwen-7b"


def ladder(client, model=QWEN):
    """Title, the states of the rungs, and the addresses of the primary buttons."""
    html = client.get(reverse("model-detail", args=[model])).text
    panel = html.partition('id="model-ladder"')[2].partition("</section>")[0]
    title = re.search(r"<h2[^>]*>(.*?)</h2>", panel)[1]
    states = re.findall(r'<h3><span class="st (\w+)"', panel)
    buttons = re.findall(r'<a class="btn btn-primary" href="([^"]+)"', panel)
    return title, states, buttons


def test_the_button_is_the_next_rung(member):
    assert ladder(member) == (
        "Next: prepare the weights",
        ["queued"] * 4,
        [f"/launch/prepare-weights/?model={QWEN}"],
    )
    host = make_guide_host("va16")
    make_weights(host=host, model_id=QWEN)
    artifact = make_artifact(host=host, model_id=QWEN)
    assert ladder(member) == (
        "Next: deploy",
        ["ok", "ok", "queued", "queued"],
        [f"/launch/deploy-build-in/?host=va16&amp;artifact={artifact.pk}"],
    )
    served = make_deployment(host=host, model_id=QWEN, state=Deployment.State.LOADING)
    assert ladder(member) == ("The server is starting", ["ok", "ok", "loading", "queued"], [])
    Deployment.objects.update(state=Deployment.State.READY)
    make_result(model_id=QWEN)
    title, states, (button,) = ladder(member)
    assert (title, states) == ("Next: measure the accuracy", ["ok", "ok", "ok", "queued"])
    assert button == f"/launch/evaluate/?host=va16&amp;deployment={served.pk}"
    make_evaluation([1.0, 0.0], model_id=QWEN)
    assert ladder(member) == ("Served and measured", ["ok"] * 4, [])


def test_a_job_that_is_on_it_takes_the_place_of_the_button(member):
    job = make_job(kind="prepare-weights", model_id=QWEN, state="running")

    assert ladder(member) == ("Next: prepare the weights", ["run", *["queued"] * 3], [])
    assert f"#{job.pk} Prepare weights" in member.get(reverse("model-detail", args=[QWEN])).text


def test_a_viewer_has_no_button(client):
    client.force_login(make_user(role="viewer"))

    assert ladder(client)[2] == []


def test_a_model_that_vllm_reads_skips_the_compiler(member):
    assert ladder(member, "deepseek-r1")[1] == ["queued", "skip", "queued", "queued"]


def test_what_stands_for_the_model_has_sample_and_interval(member):
    make_evaluation([1.0] * 90 + [0.0] * 10, model_id=QWEN)

    html = member.get(reverse("model-detail", args=[QWEN])).text

    panel = html.partition('id="model-ladder"')[2].partition("</section>")[0]
    text = " ".join(re.sub(r"<[^>]+>", "", panel).split())
    assert "90.00%" in text
    assert "[82.56, 94.48]" in text
    assert "100 questions, everyday prompts, " in text


def test_the_catalogue_says_how_many_models_are_served_and_measured(member):
    for state in (Deployment.State.READY, Deployment.State.LOADING):
        make_deployment(host=make_guide_host(f"of-{state}"), model_id=f"of-{state}", state=state)
    make_deployment(host=make_guide_host("va16"), model_id=QWEN, state=Deployment.State.READY)
    make_result(model_id=QWEN)

    heading = re.search(r"<h1>(.*?)</h1>", member.get(reverse("model-list")).text)[1]

    assert re.fullmatch(r"\d+ models, 1 served, 1 measured on hardware", heading)
