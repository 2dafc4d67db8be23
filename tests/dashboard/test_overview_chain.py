"""The chain on the overview: large while it runs or broke, one line once it is over."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import Job
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = pytest.mark.django_db

KINDS = ("prepare", "compile", "deploy", "benchmark", "evaluate")


@pytest.fixture
def chain():
    return uuid.uuid4()


@pytest.fixture
def lin(client):
    client.force_login(make_user("lin"))
    return client


def make_tour(chain, **states):
    """Five jobs of ten seconds each; those in ``states`` by kind, the others have succeeded."""
    host, start = make_host(), now() - timedelta(minutes=5)
    for number, kind in enumerate(KINDS):
        state = states.get(kind, "succeeded")
        times = {"started_at": start + timedelta(seconds=20 * number)}
        if state not in Job.OPEN_STATES:
            times["finished_at"] = times["started_at"] + timedelta(seconds=20)
        make_job(kind=kind, host=host, chain=chain, state=state, **times)


def panel(client):
    """The chain's panel on the overview, "" where there is none."""
    html = client.get(reverse("overview")).content.decode()
    found = re.search(r'<section class="panel" id="chain".*?</section>', html, re.S)
    return found[0] if found else ""


def test_a_tour_that_is_over_is_one_line_with_its_time_and_where_to_go_on(lin, chain):
    make_tour(chain)
    deployment = make_deployment(job=Job.objects.get(kind="deploy"))

    html = panel(lin)

    assert "5 of 5 succeeded" in html
    assert "1 min 40 s" in html
    assert f"{reverse('result-list')}?deployment={deployment.pk}" in html
    assert f"{reverse('playground')}?deployment={deployment.pk}" in html
    assert "<ol" not in html


@pytest.mark.parametrize("state", ["running", "failed", "lost", "errored"])
def test_a_tour_that_runs_or_broke_shows_every_job(lin, chain, state):
    make_tour(chain, evaluate=state)

    assert panel(lin).count("<li ") == len(KINDS)


def test_a_tour_that_was_cancelled_is_one_line_and_not_called_succeeded(lin, chain):
    make_tour(chain, evaluate="cancelled")

    html = panel(lin)

    assert "<ol" not in html
    assert "4 of 5 succeeded" in html
    assert 'class="st cancelled"' in html


@pytest.mark.parametrize(("state", "is_shown"), [("running", True), ("failed", True), ("", False)])
def test_two_jobs_that_went_well_are_no_line(lin, chain, state, is_shown):
    host = make_host()
    make_job(host=host, chain=chain, state="succeeded")
    make_job(host=host, chain=chain, state=state or "succeeded")

    assert bool(panel(lin)) is is_shown


def test_two_jobs_that_went_well_do_not_push_the_tour_away(lin, chain):
    make_tour(chain)
    pair = uuid.uuid4()
    for _ in range(2):
        make_job(chain=pair, state="succeeded")

    assert "5 of 5 succeeded" in panel(lin)


def test_a_tour_of_yesterday_is_gone(lin, chain):
    make_tour(chain)
    Job.objects.update(finished_at=now() - timedelta(days=1, hours=1))

    assert panel(lin) == ""


def test_the_line_can_be_put_away_and_others_still_see_it(lin, chain):
    make_tour(chain)
    other = Client()
    other.force_login(make_user("chen"))

    assert lin.post(reverse("chain-put-away"), {"chain": str(chain)}).url == reverse("overview")

    assert panel(lin) == ""
    assert "5 of 5 succeeded" in panel(other)


def test_the_next_chain_is_shown_again(lin, chain):
    make_tour(chain)
    lin.post(reverse("chain-put-away"), {"chain": str(chain)})

    make_tour(uuid.uuid4(), evaluate="running")

    assert "4 of 5 succeeded" in panel(lin)


def test_a_tour_that_runs_cannot_be_put_away(lin, chain):
    make_tour(chain, evaluate="running")

    assert reverse("chain-put-away") not in panel(lin)
