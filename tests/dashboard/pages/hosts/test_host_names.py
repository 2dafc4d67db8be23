"""People read "This computer"; its name is for addresses, commands and the API."""

import re

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now

from dashboard.text.messages import message
from tests.factories import (
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_measured,
    make_user,
    make_weights,
)

pytestmark = pytest.mark.django_db

NAME = "this-computer"


@pytest.fixture
def made(client):
    """This computer with one of everything."""
    client.force_login(make_user("lin", is_staff=True))
    host = make_host(NAME, facts={"roots": {"weights": "/w"}})
    make_weights(host=host)
    make_job(host=host, state="running", started_at=now(), message_id="job:running")
    job = make_job(host=host, state="succeeded", kind="benchmark")
    deployment = make_deployment(host=host, artifact=make_artifact(host=host))
    points = [(1, {"output_tokens_per_s": 60.0})]
    results = [
        make_measured(points=points, deployment=deployment, job=job),
        make_measured(points=points, job=make_job(host=host, state="succeeded", kind="benchmark")),
    ]
    return {
        "host": host.name,
        "job": job.pk,
        "deployment": deployment.pk,
        "results": [result.pk for result in results],
    }


def addresses(made):
    first, second = made["results"]
    return [
        reverse("overview"),
        reverse("job-list"),
        reverse("job-detail", args=[made["job"]]),
        reverse("host-list"),
        reverse("host-detail", args=[made["host"]]),
        reverse("deployment-list"),
        reverse("deployment-detail", args=[made["deployment"]]),
        reverse("model-list"),
        reverse("model-detail", args=["smollm2-135m-instruct"]),
        reverse("result-list"),
        reverse("result-list") + f"?host={NAME}",
        reverse("result-detail", args=[first]),
        reverse("result-compare") + f"?id=res-{first}&id=res-{second}&all=1",
        reverse("launch-form", args=["benchmark"]),
        reverse("playground"),
    ]


def test_no_page_shows_the_name_to_people(client, made):
    for address in addresses(made):
        html = client.get(address).content.decode()

        html = re.sub(r"<(script|pre|code)\b.*?</\1>", "", html, flags=re.S)  # commands, figures
        shown = re.sub(r"<[^>]+>", " ", html)
        assert NAME not in shown, address


def test_it_is_named_in_the_viewers_language(client, made):
    client.cookies["django_language"] = "zh-hans"

    assert "本机" in client.get(reverse("job-list")).content.decode()


def test_messages_name_it_as_people_do():
    args = {"host": NAME}

    with translation.override("en"):
        assert message("job:running", args) == "Running on This computer."
        assert message("job:running", {"host": "va16-01"}) == "Running on va16-01."
    with translation.override("zh-hans"):
        assert "本机" in message("job:running", args)


def test_a_host_of_another_type_keeps_its_name(client):
    client.force_login(make_user("lin"))
    make_host("va16-01", type="vacc")

    assert "This computer" not in client.get(reverse("host-list")).content.decode()
