"""Accuracy of an evaluation while it runs: from a host's points to the page."""

import json

import pytest
from django.urls import reverse

from dashboard.charts.live import accuracy_series
from jobs.models import Job, PointBlock
from jobs.plans import Watch
from jobs.queries.jobs.job_page import job_page
from jobs.queries.jobs.progress import standings, whole_standing
from jobs.queries.overview import running_of
from jobs.services.intake.streams import MOST_PARTS, append_points, with_points
from jobs.statistics import wilson
from tests.factories import make_job, make_plan

WATCH = Watch(
    "accuracy",
    reader="evalscope",
    folder="{job_dir}/work/eval",
    expected=(("short_answers/short_en", 96), ("choice_letters/choice_en", 20)),
)
EN, CHOICE = (name for name, _size in WATCH.expected)


def counts(answered, scored=None, right=0.0, **more):
    scored = answered if scored is None else scored
    return {"answered": answered, "scored": scored, "right": right, **more}


def shipped(*points):
    """Lines that a host ships: ``(t, part, counts)`` as lines."""
    names = [(t, f"accuracy/{part}" if part else "accuracy", v) for t, part, v in points]
    return "".join(json.dumps({"t": t, "w": w, "v": v}) + "\n" for t, w, v in names).encode()


@pytest.fixture
def job():
    return make_job(kind="evaluate", state="running", plan=make_plan(watches=(WATCH,)))


@pytest.fixture
def tell(job):
    """A function that ships more points of the job."""

    def ship(*points):
        job.refresh_from_db()
        append_points(job, offset=job.points_bytes, data=shipped(*points))
        job.refresh_from_db()

    return ship


def test_before_the_first_answer_each_set_has_a_row(job):
    standing = standings(job)

    assert [(one.title, one.total, one.asked > 0) for one in standing.sets] == [
        ("short_en", 96, False),
        ("choice_en", 20, False),
    ]
    assert (standing.whole.total, whole_standing(job)) == (116, None)


def test_points_of_a_host_become_accuracy_pace_and_what_is_left(job, tell):
    tell((100.0, "", counts(4, right=2)), (100.0, EN, counts(4, right=2)))
    tell((160.0, "", counts(24, 20, 15, cut=3, errors=1)), (160.0, EN, counts(24, 20, 15, cut=3)))

    standing = standings(job)

    one = standing.sets[0]
    assert one.accuracy == wilson(15, 20)
    assert one.per_minute == pytest.approx(20)
    assert (one.left_s, standing.scored_sets) == (pytest.approx(60 * (96 - 24) / 20), 0)
    assert standing.whole.per_minute == pytest.approx(21)  # an errored question was asked too
    assert (one.cut, standing.whole.errors) == (3, 1)
    assert whole_standing(job).accuracy == wilson(15, 20)


def test_a_set_that_is_scored_at_its_end_says_so_until_then(job, tell, member):
    tell((1.0, EN, counts(96, 0)), (1.0, "", counts(96, 0)))
    waits = member.get(reverse("job-detail", args=[job.pk])).text
    tell((9.0, EN, counts(96, 96, 48, total=96)), (9.0, "", counts(96, 96, 48)))
    text = member.get(reverse("job-accuracy-table", args=[job.pk])).text

    assert "scored at the end of the set" in waits
    assert "No score yet" in waits
    assert "scored at the end of the set" not in text
    assert "1 of 2 data sets scored." in text
    assert standings(job).sets[0].is_done


def test_the_guide_s_command_says_that_it_scores_after_all_sets(job, tell, member):
    tell((1.0, EN, counts(96, 0)), (1.0, "", counts(96, 0)))
    verbatim = {"kind": "evaluate-opencompass", "steps": [{"name": "evaluate", "argv": ["x"]}]}
    for steps, text in (([], "scored after all sets"), (["score"], "scored at the end of the set")):
        more = [{"name": name, "argv": ["x"]} for name in steps]
        job.plan = {**job.plan, **verbatim, "steps": [*verbatim["steps"], *more]}
        job.save()

        assert text in member.get(reverse("job-accuracy-table", args=[job.pk])).text


def test_the_curve_ends_at_the_last_count(job, tell, member):
    tell(*((float(n), "", counts(n, right=n // 2)) for n in range(1, 11)))
    address = reverse("job-accuracy", args=[job.pk])

    first = member.get(address).json()
    tell((11.0, "", counts(20, right=15)), (11.0, EN, counts(20, right=20)))
    more = member.get(address, {"after": first["after"]}).json()
    of_set = member.get(address, {"set": EN}).json()

    assert first["series"]["low"]["t"] == more["series"]["low"]["t"] == []  # one set has not begun
    tell((12.0, CHOICE, counts(1, right=1)), (12.0, "", counts(20, right=15)))
    more["series"] = member.get(address, {"after": more["after"]}).json()["series"]
    low, high, accuracy = (more["series"][name]["y"][-1] for name in ("low", "high", "accuracy"))
    assert len(first["series"]["accuracy"]["t"]) == 10
    assert more["series"]["accuracy"]["t"] == [12000]
    assert accuracy == 75.0
    assert (low, high) == (round(100 * wilson(15, 20).low, 3), round(100 * wilson(15, 20).high, 3))
    assert of_set["series"]["accuracy"]["y"] == [100.0]


def test_a_thinned_long_run_keeps_its_last_point():
    samples = [(float(n), counts(n, right=n / 4)) for n in range(1, 10_000)]

    series = accuracy_series(samples)["accuracy"]

    assert len(series["t"]) <= 1_000
    assert series["t"][-1] == 9_999_000
    assert accuracy_series([(1.0, counts(5, 0))])["accuracy"]["t"] == []


def test_what_a_host_says_that_is_no_count_breaks_no_page(job, tell, member):
    tell(
        (1.0, "", {"answered": -4, "scored": 1e17, "right": 1e17, "total": 1e17}),
        (1.0, EN, {"x": 1}),
        (1.0, "ü" * 50, counts(3, 2, 9)),
    )

    assert member.get(reverse("job-detail", args=[job.pk])).status_code == 200
    assert member.get(reverse("job-accuracy", args=[job.pk])).status_code == 200
    assert member.get(reverse("job-list")).status_code == 200
    strange = [one for one in standings(job).sets if "ü" in one.name]
    assert [(one.right, one.scored) for one in strange] == [(2, 2)]


def test_parts_without_end_are_cut_off():
    points = {f"accuracy/{n}": [[1.0, counts(1)]] for n in range(2 * MOST_PARTS)}

    assert len(with_points(None, points)) == MOST_PARTS
    assert with_points(None, {"engine": [[1.0, {}]]}) is None


def test_lists_overview_and_api_show_the_accuracy_of_what_runs(job, tell, member):
    parts = ((1.0, EN, counts(19, right=14)), (1.0, CHOICE, counts(1, right=1)))
    tell((1.0, "", counts(20, right=15, total=116)), *parts)
    Job.objects.filter(pk=job.pk).update(started_at=job.created_at)
    job.steps.update(started_at=job.created_at)

    for address in ("job-list", "overview"):
        assert "[53.13, 88.81]" in member.get(reverse(address)).text
    accuracy = member.get(f"/api/v1/jobs/{job.pk}").json()["accuracy"]
    assert accuracy["share"] == 0.75
    assert (accuracy["scored"], accuracy["total"], accuracy["correct"]) == (20, 116, 15)
    assert [one["set"] for one in accuracy["sets"]] == [EN, CHOICE]


def test_the_curve_stays_after_the_end_and_goes_with_the_points(job, tell, member):
    tell((1.0, "", counts(20, right=15)))
    Job.objects.filter(pk=job.pk).update(state="succeeded", finished_at=job.created_at)
    address = reverse("job-detail", args=[job.pk])

    kept = member.get(address).text
    PointBlock.objects.all().delete()
    Job.objects.filter(pk=job.pk).update(removed_at=job.created_at, removed_why="age")
    removed = member.get(address).text

    assert "accuracy-figure-data" in kept and "Accuracy while it ran" in kept
    assert "accuracy-figure-data" not in removed and "75.00" in removed
    assert member.get(reverse("job-accuracy", args=[job.pk])).status_code == 410


def test_a_job_that_is_no_evaluation_has_no_table(member):
    job = make_job()

    assert member.get(reverse("job-accuracy-table", args=[job.pk])).status_code == 404
    assert 'id="accuracy"' not in member.get(reverse("job-detail", args=[job.pk])).text


def test_all_sets_have_no_interval_before_each_has_begun(job, tell, member):
    tell((1.0, "", counts(20, right=15, total=116)), (1.0, EN, counts(20, right=15)))
    Job.objects.filter(pk=job.pk).update(started_at=job.created_at)
    job.steps.update(started_at=job.created_at)

    accuracy = member.get(f"/api/v1/jobs/{job.pk}").json()["accuracy"]
    assert (accuracy["share"], accuracy["interval"], accuracy["partial"]) == (0.75, None, True)
    assert accuracy["sets"][0]["interval"] is not None
    assert member.get(reverse("job-accuracy", args=[job.pk])).json()["series"]["low"]["y"] == []
    for address in ("job-list", "overview"):
        text = member.get(reverse(address)).text
        assert "so far" in text
        assert "[53.13, 88.81]" not in text
    text = member.get(reverse("job-detail", args=[job.pk])).text
    assert text.count("[53.13, 88.81]") == 1  # that of the set that is asked


def test_the_job_page_counts_questions_in_the_table_only(job, tell, member):
    tell((0.0, "", counts(1, total=116)), (0.0, EN, counts(1)))
    tell((60.0, "", counts(50, total=116)), (60.0, EN, counts(50)))

    text = member.get(reverse("job-detail", args=[job.pk])).text

    assert "116" in text[text.index('id="accuracy-rows"') :].partition("</table>")[0]
    # The facts are renewed less often than the table: an older count stood above a newer one.
    assert "<dt>Progress</dt>" not in text


def test_all_pages_show_the_same_progress(job, tell, member):
    Job.objects.filter(pk=job.pk).update(
        started_at=job.created_at, progress={"done": 1, "total": 3, "unit": "steps"}
    )
    job.steps.filter(index=0).update(started_at=job.created_at)
    tell((0.0, "", counts(1, total=116)), (0.0, EN, counts(1)))
    tell((60.0, "", counts(50, errors=8, total=116)), (60.0, EN, counts(50, errors=8)))

    row, shown = standings(job).whole, job_page(job.pk)
    overview = running_of(job)

    assert (row.asked, row.total, row.per_minute) == (58, 116, 57)
    assert shown.share == 0.5
    assert (overview.done, overview.total, overview.unit) == (58, 116, "questions")
    assert overview.left_s == row.left_s == pytest.approx(58 / 57 * 60)
    accuracy = member.get(f"/api/v1/jobs/{job.pk}").json()["accuracy"]
    assert accuracy["left_s"] == round(row.left_s)
