"""Overview: failures first; a pipeline is large while active and one line after the end."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import Job
from jobs.queries import overview as queries
from tests.factories import make_deployment, make_host, make_job, make_user

KINDS = ("prepare", "compile", "deploy", "benchmark", "evaluate")
OTHER = uuid.uuid4()


def make_tour(chain, **states):
    """Return five jobs of ten seconds; ``states`` by kind, others succeeded."""
    host, start = make_host(), now() - timedelta(minutes=5)
    for number, kind in enumerate(KINDS):
        state = states.get(kind, "succeeded")
        times = {"started_at": start + timedelta(seconds=20 * number)}
        if state not in Job.OPEN_STATES:
            times["finished_at"] = times["started_at"] + timedelta(seconds=20)
        make_job(kind=kind, host=host, chain=chain, state=state, **times)


def panel(client):
    """Return the pipeline's panel on the overview, "" without one."""
    html = client.get(reverse("overview")).text
    match = re.search(r'<section class="panel" id="chain".*?</section>', html, re.S)
    return match[0] if match else ""


def test_an_ended_tour_is_one_line_with_links_until_the_next_day(member, chain):
    make_tour(chain)
    deployment = make_deployment(job=Job.objects.get(kind="deploy"))
    for _ in range(2):  # two jobs that went well do not push it away
        make_job(chain=OTHER, state="succeeded")

    html = member.get(reverse("overview")).text

    line = re.search(r'<section class="panel" id="chain".*?</section>', html, re.S)[0]
    assert "5 of 5 succeeded" in line
    assert "1 min 40 s" in line
    assert f"{reverse('result-list')}?deployment={deployment.pk}" in line
    assert f"{reverse('playground')}?deployment={deployment.pk}" in line
    assert reverse("pipeline", args=[chain]) in line
    assert "<ol" not in line
    assert html.index('id="running-title"') < html.index('id="chain-title"')
    assert 'id="chain"' not in member.get(reverse("overview"), {"whose": "mine"}).text
    Job.objects.update(finished_at=now() - timedelta(days=1, hours=1))
    assert panel(member) == ""


@pytest.mark.parametrize(("begun", "lines"), [("running", 0), ("queued", 1)])
def test_a_queued_chain_is_one_line_until_a_job_of_it_runs(member, chain, begun, lines):
    make_tour(chain, compile=begun, deploy="queued", benchmark="queued", evaluate="queued")
    alone = make_job(state="queued")

    html = member.get(reverse("overview")).text
    waiting = re.search(r'<section class="panel waiting".*?</section>', html, re.S)[0]

    assert re.findall(r'href="/jobs/(\d+)/"', waiting) == [str(alone.pk)]
    assert waiting.count(reverse("pipeline", args=[chain])) == lines


def test_a_job_of_a_chain_that_asks_stands_for_the_chain(chain):
    make_tour(chain, deploy="queued", benchmark="queued", evaluate="queued")
    asks = [{"check": "shm", "message_id": "check:shm", "message_args": {}}]
    Job.objects.filter(kind="evaluate").update(needs_confirmation=asks)

    first, _every = queries.waiting(None)

    assert [job.kind for job in first] == ["evaluate"]


def test_a_cancelled_tour_is_one_line_and_not_shown_as_succeeded(member, chain):
    make_tour(chain, evaluate="cancelled")

    html = panel(member)

    assert "<ol" not in html
    assert "4 of 5 succeeded" in html
    assert 'class="st cancelled"' in html
    assert reverse("pipeline", args=[chain]) in html


@pytest.mark.parametrize(("state", "is_shown"), [("cancelled", True), ("succeeded", False)])
def test_two_jobs_that_went_well_are_no_line(member, chain, state, is_shown):
    host = make_host()
    make_job(host=host, chain=chain, state="succeeded")
    make_job(host=host, chain=chain, state=state)

    assert bool(panel(member)) is is_shown


def test_a_pipeline_that_failed_stands_among_the_failures_alone(member, chain):
    make_tour(chain, evaluate="failed")

    html = member.get(reverse("overview")).text

    assert panel(member) == ""
    assert html.count(reverse("pipeline", args=[chain])) == 1


def test_a_failed_run_explains_its_group_before_a_lost_one(member, chain):
    make_job(chain=chain, state="failed", message_id="step_failed")
    make_job(chain=chain, state="lost")
    failed = Job.objects.get(state="failed")

    html = member.get(reverse("overview")).text

    assert f'<a class="q b" href="/jobs/{failed.pk}/">' in html


def test_the_line_can_be_dismissed_until_the_next_and_others_still_see_it(member, chain):
    make_tour(chain)
    other = Client()
    other.force_login(make_user("chen"))

    assert member.post(reverse("chain-dismiss"), {"chain": str(chain)}).url == reverse("overview")

    assert panel(member) == ""
    assert "5 of 5 succeeded" in panel(other)
    make_tour(OTHER, evaluate="cancelled")
    assert "4 of 5 succeeded" in panel(member)


def test_a_running_chain_is_a_row_of_what_runs_below_what_failed(member, chain):
    make_tour(chain, evaluate="running")
    make_job(state="failed")

    html = member.get(reverse("overview")).text

    assert panel(member) == ""
    assert html.count(f'id="group-{chain}"') == 1
    assert "1 running, 4 succeeded" in html
    titles = ("failed-today-title", "running-title", "hosts-title")
    places = [html.index(f'id="{title}"') for title in titles]
    assert places == sorted(places)
