"""Missing runs of a comparison and the buttons to launch these runs."""

import re

import pytest
from django.urls import reverse

from jobs.models import Deployment, Job, Result
from tests.comparing import OTHER, grouped, ids, text_of
from tests.factories import make_user
from tests.measuring import runs, served

pytestmark = pytest.mark.django_db


def test_missing_runs_are_shown_with_power_and_launchable(page, host):
    base = runs(served(host), 50.0, 51.0, 52.0)
    other = runs(served(host, OTHER), 53.0, 51.2, 54.5)

    html = page(grouped(base, other))

    assert "Needed if the difference stays: about 7 more runs of each" in text_of(html)
    assert "(power 80 %)" in text_of(html)
    assert "Run each 7 more times" in text_of(html)


def test_the_button_launches_the_runs_in_turn(client, host):
    client.force_login(make_user("lin"))
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]
    for run in (one, other):
        Job.objects.filter(pk=run.job_id).update(inputs={})

    back = ids(one, other)
    response = client.post(
        reverse("result-run-more"),
        {"id": [f"res-{one.pk}", f"res-{other.pk}"], "n": "2", "back": back},
    )

    assert response.url == f"{reverse('result-compare')}?{back}"
    queued = Job.objects.filter(state="queued").order_by("pk")
    assert [job.repeats_id for job in queued] == [one.job_id, other.job_id] * 2


def more_forms(html):
    """Return ids and counts of each launch form."""
    forms = re.findall(r"<form[^>]*/more/.*?</form>", html, re.DOTALL)
    return [
        dict(
            zip(
                *(re.findall(f'name="{n}" value="(?:res-)?([0-9]+)"', form) for n in ("id", "n")),
                strict=True,
            )
        )
        for form in forms
    ]


def test_missing_runs_are_launched_for_each_side(page, client, host):
    base, other = runs(served(host), 50.0, 51.0, 52.0), runs(served(host, OTHER), 60.0, 61.0)

    html = page(grouped(base, other))

    assert (
        f"No interval: three runs of each are needed. Missing: 1 of res-{other[0].pk}."
        in text_of(html)
    )
    assert more_forms(html) == [{str(other[0].pk): "1"}]


def test_each_side_launches_its_own_missing_runs(page, client, host):
    base, other = runs(served(host), 50.0), runs(served(host, OTHER), 60.0, 61.0)
    Job.objects.update(inputs={})

    html = page(grouped(base, other))
    client.post(
        reverse("result-run-more"),
        {
            "id": [f"res-{base[0].pk}", f"res-{other[0].pk}"],
            "n": ["2", "1"],
            "back": ids(base[0], other[0]),
        },
    )

    mine, theirs = str(base[0].pk), str(other[0].pk)
    assert more_forms(html) == [{mine: "2", theirs: "1"}, {mine: "2"}, {theirs: "1"}]
    queued = Job.objects.filter(state="queued").order_by("pk")
    wanted = [base[0].job_id, other[0].job_id, base[0].job_id]
    assert [job.repeats_id for job in queued] == wanted


def test_repeats_that_exist_are_counted_before_more_are_run(page, host):
    base, other = runs(served(host), 50.0, 51.0, 52.0), runs(served(host, OTHER), 60.0, 61.0, 62.0)

    html = page(ids(base[0], other[0]))

    assert "Include repeats for an interval" in text_of(html)
    assert not more_forms(html)


def test_deployments_that_disturb_new_runs_are_named(page, host):
    mine, theirs = served(host), served(host, OTHER)
    base, other = runs(mine, 50.0), runs(theirs, 60.0)
    Deployment.objects.filter(pk=mine.pk).update(state="stopped")

    text = text_of(page(ids(base[0], other[0])))

    assert "Other deployments would disturb new runs" in text
    assert f"Stop first: {theirs.name} for res-{base[0].pk}" in text
    assert f"for res-{other[0].pk}" not in text


def test_missing_runs_of_compared_repeats_count_once(page, host):
    """One side has a disturbed run and three undisturbed ones, the other side has two."""
    mine, theirs = served(host), served(host, OTHER)
    base, noisy = runs(mine, 50.0, 51.0), runs(mine, 20.0)
    other = runs(theirs, 60.0, 61.0)
    Result.objects.filter(pk=noisy[0].pk).update(disturbed=True)

    html = page(ids(base[0], noisy[0], other[0]))

    assert more_forms(html) == [
        {str(base[0].pk): "1", str(other[0].pk): "1"},
        {str(base[0].pk): "1"},
        {str(other[0].pk): "1"},
    ]


def test_compared_repeats_need_no_more_runs(page, host):
    html = page(ids(*runs(served(host), 50.0, 51.0)))

    title = text_of(html[html.index("<h1") : html.index("</h1>")])
    assert ", repeats of one measurement: " in title
    assert "too few runs" not in title
    assert "three runs" not in text_of(html)
    assert not more_forms(html)


def test_no_more_runs_are_offered_where_the_identity_is_unknown(page, host):
    """More runs could not be grouped: the page names the unknown part."""
    base, other = runs(served(host), 50.0), runs(served(host, OTHER), 60.0)
    for run in other:
        identity = {**run.identity, "unknown": ["engine.program llmdeploy"]}
        Result.objects.filter(pk=run.pk).update(identity=identity, fingerprint="")

    html = page(ids(base[0], other[0]))

    assert not more_forms(html)
    assert "more run" not in text_of(html)
    known = f"More runs of res-{other[0].pk} cannot be grouped as repeats. Unknown: Program"
    assert f"{known} llmdeploy." in text_of(html)
