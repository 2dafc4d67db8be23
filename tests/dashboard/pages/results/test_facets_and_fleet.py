"""Facets of stack, parallelism, date and tag; the list by identity; the fleet page."""

import re

import pytest
from django.urls import reverse
from django.utils.timezone import now, timedelta

from jobs.models import Deployment, Note, Result, Tag
from tests.comparing import listed, text_of
from tests.factories import (
    make_artifact,
    make_deployment,
    make_evaluation,
    make_job,
    make_measured,
    make_result,
    make_user,
)
from tests.measuring import SERVE, measured, served

pytestmark = pytest.mark.usefixtures("lin")

LIST, FLEET = reverse("result-list"), reverse("result-fleet")


def facet(client, name, **query):
    found = {one["name"]: one for one in client.get(LIST, query).context["facets"]}
    return [(one["value"], one["count"]) for one in found[name]["options"]]


def test_stack_and_parallelism_are_facets(client):
    one = make_result(stack="guide", parallelism="tp8")
    other = make_result(stack="current", parallelism="tp8")
    make_result()

    assert facet(client, "stack") == [("current", 1), ("guide", 1)]
    assert facet(client, "parallelism", stack="guide") == [("tp8", 1)]
    assert set(listed(client, stack="guide")) == {one}
    assert set(listed(client, parallelism="tp8")) == {one, other}


def test_a_tag_counts_at_once_and_only_matching_results(client):
    one, other = make_result(label="a"), make_result(label="b")
    assert facet(client, "tag") == []

    for result in (one, other):
        Tag.objects.create(result=result, name="nightly")
    assert facet(client, "tag") == [("nightly", 2)]
    assert facet(client, "tag", precision="a") == [("nightly", 1)]
    assert facet(client, "precision", tag="nightly") == [("a", 1), ("b", 1)]
    Tag.objects.filter(result=one).delete()

    assert facet(client, "tag") == [("nightly", 1)]
    assert client.get(LIST, {"tag": "nightly"}).context["page"].total == 1
    assert facet(client, "tag", tag="gone") == [("nightly", 1), ("gone", 0)]


def test_a_mark_that_no_result_has_is_no_choice(client, lin):
    noted = make_result()
    make_result(label="b")
    Note.objects.create(result=noted, text="x", created_by=lin)

    assert facet(client, "mark") == [("noted", 1)]
    assert facet(client, "mark", precision="b") == []


def test_dates_bound_the_list(client):
    recent = make_result()
    old = make_result(created_at=now() - timedelta(days=20))
    oldest = make_result(created_at=now() - timedelta(days=200))
    day = (now() - timedelta(days=20)).date().isoformat()

    assert set(listed(client, days="7")) == {recent}
    assert set(listed(client, days="30")) == {recent, old}
    assert set(listed(client, days="9")) == {recent, old, oldest}
    assert old in listed(client, **{"from": day, "to": day})
    assert recent not in listed(client, to=day)
    assert set(listed(client, **{"from": "0001-01-02"})) == {recent, old, oldest}
    assert client.get(LIST, {"days": "30"}).context["page"].total == 2


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "9999-12-31", "2026-1"])
def test_a_wrong_date_is_said_at_its_field(client, text):
    result = make_result()

    answer = client.get(LIST, {"to": text})

    assert "Enter a date such as 2026-11-27." in answer.text.partition("facet-to-error")[2]
    assert list(answer.context["page"].results) == [result]


def test_active_filters_are_chips_that_can_be_cleared(client):
    make_result()

    page = client.get(LIST, {"tag": "a", "days": "7", "mark": "released", "stack": "guide"})

    shown = [(item["title"], item["word"]) for item in page.context["chosen"]]
    assert ("Tags", "a") in shown and ("Measured", "last 7 days") in shown
    assert all("after" not in item["without"] for item in page.context["chosen"])
    assert len(shown) == 4


def test_the_list_by_identity_is_a_link(client, host):
    deployment = served(host)
    for rate in (98, 100, 102):
        measured(deployment, points=((1, rate),))

    page = client.get(LIST, {"group": "identity"}).text

    assert page.count("data-step") == 1
    assert "[95.2, 105]" in page and "polyline" in page
    assert "group=identity" in client.get(LIST).text


def test_setups_that_look_alike_show_the_part_that_differs(client, host):
    measured(served(host), points=((1, 98),))
    measured(served(host, (*SERVE, "--flash-attention")), points=((1, 98),))

    text = text_of(client.get(LIST, {"group": "identity"}).text)

    assert "2 setups, each measured once: their spread is unknown" in text
    assert "Rerun a setup until it has three counted runs" in text
    assert text.count("--flash-attention yes") == 2  # wide and narrow
    assert text.count("--flash-attention none") == 2


def test_setups_with_an_unknown_part_say_it_once_and_have_no_trend(client, host):
    unknown = {"unknown": ["host.cpu", "host.cores"]}
    for _n in range(2):
        make_measured(points=[(1, {"output_tokens_per_s": 9.0})], host=host, identity=unknown)

    page = client.get(LIST, {"group": "identity"}).text

    assert "so a rerun is a setup of its own" in page and "Trend" not in page
    assert "three counted runs" not in page
    assert text_of(page).count("Processor unknown") == 4  # wide and narrow


def test_a_fleet_without_rows_says_why_and_offers_a_ready_deployment(client, host):
    make_measured(points=[(1, {"output_tokens_per_s": 9.0})])
    assert "Benchmark a ready deployment" not in client.get(FLEET).text
    ready = make_deployment(host=host, state="ready")

    page = client.get(FLEET).text

    assert "1 result is not listed: 1 without a known stack." in page
    assert f"{reverse('launch-form', args=['benchmark'])}?host={host.name}" in page
    assert f"deployment={ready.pk}" in page


def test_the_fleet_shows_values_and_what_is_missing(client, host):
    deployment = served(host, stack="guide", tp=8)
    result = measured(deployment, points=((1, 50.0), (4, 90.0)))
    make_artifact(host=host, label="int4")

    page = client.get(FLEET).text

    text = text_of(page)
    assert reverse("result-detail", args=[result.pk]) in page
    assert "90.0" in text and "concurrency 4" in text and "tp8" in text
    assert f"{reverse('launch-form', args=['evaluate'])}?host=va16" not in page
    assert f"host={host.name}&amp;deployment={deployment.pk}" in page
    assert reverse("launch-form", args=["deploy"]) in page
    assert (
        re.search(r"<h1>(.*)</h1>", page)[1] == "Speed and accuracy by model: 5 missing of 6 values"
        and "not deployed" in text
    )
    Result.objects.update(run_context={"dies": ["0", "1"]})
    assert "45.0 tok/s per die" in text_of(client.get(FLEET, {"per": "die"}).text)
    client.force_login(make_user("eve", role="viewer"))
    assert reverse("launch-form", args=["deploy"]) not in client.get(FLEET).text


def test_the_button_of_a_stale_cell_opens_the_filled_form(client, host):
    job = make_job(host=host, kind="deploy", state="succeeded")
    deployment = make_deployment(job=job, details={"stack": "guide"})
    result = measured(deployment)
    Result.objects.update(created_at=now() - timedelta(days=40))

    page = client.get(FLEET).text

    form = f"{reverse('launch-form', args=['benchmark'])}?host={host.name}&amp;from={result.job_id}"
    assert f"{form}&amp;deployment={deployment.pk}" in page
    assert "older than 30 days" in page
    assert "older than" not in client.get(FLEET, {"days": "90"}).text
    Deployment.objects.update(state="stopped")
    assert f"{reverse('launch-form', args=['deploy'])}?host={host.name}" in client.get(FLEET).text


def test_an_empty_fleet_says_what_to_do_and_a_simulated_cell_says_so(client):
    page = client.get(FLEET, {"days": "x"}).text
    assert "Deploy a model, then benchmark and evaluate it." in page and "not listed" not in page

    make_evaluation([1, 0], params={"stack": "guide"}, simulated=True)
    assert "simulated</span>" in client.get(FLEET).text
