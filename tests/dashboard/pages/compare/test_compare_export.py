"""CSV, charts and URL of a comparison; its missing runs and the buttons to launch them."""

import re

import pytest
from django.urls import reverse

from jobs.models import Deployment, Job, Result
from tests.comparing import OTHER, RATE, at_two, figures, grouped, ids, rows_of, text_of
from tests.factories import make_measured, make_user
from tests.measuring import measured, runs, served


@pytest.fixture
def lines(client):
    client.force_login(make_user("lin"))

    def get(query):
        response = client.get(f"{reverse('result-compare')}?{query}&format=csv")
        return response["Content-Disposition"], rows_of(response)

    return get


def test_the_csv_has_a_line_per_column_concurrency_metric(lines, host):
    base = [at_two(served(host), rate, 2 * rate) for rate in (50.0, 51.0, 52.0)][:1]
    base += [at_two(base[0].deployment, rate, 2 * rate) for rate in (51.0, 52.0)]
    other = at_two(served(host, OTHER), 60.0, 110.0)

    name, rows = lines(grouped(base, [other]))

    assert name == f'attachment; filename="compare-res-{base[0].pk}-res-{other.pk}.csv"'
    rates = {(r["column"], r["concurrency"]): r for r in rows if r["metric"] == RATE}
    assert set(rates) == {("base", "1"), ("base", "4"), ("2", "1"), ("2", "4")}
    mean = rates["base", "4"]
    cells = [mean[name] for name in ("value", "n", "unit", "interval")]
    assert cells == ["102.0", "3", "tokens/s", "log t"]
    assert float(mean["low"]) < 102 < float(mean["high"])
    assert mean["jobs"] == " ".join(str(run.job_id) for run in base)
    single = rates["2", "4"]
    assert (single["value"], single["low"], single["n"]) == ("110.0", "", "1")
    assert float(single["difference"]) == pytest.approx(110 / 101.99346 - 1, abs=1e-4)
    assert (single["difference_unit"], single["verdict"]) == ("share of base", "cannot_tell")


def test_a_line_of_a_comparison_says_what_its_number_is_of(lines, host):
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]
    Result.objects.filter(pk=other.pk).update(disturbed=True)

    _name, rows = lines(ids(one, other))

    last = rows[-1]
    assert last["results"] == f"res-{other.pk}"
    assert last["model"] == other.model_id
    assert last["precision"] == other.label
    assert last["host"] == host.name
    assert last["identity"] == other.fingerprint
    assert (rows[0]["uncounted_results"], last["uncounted_results"]) == ("", f"res-{other.pk}")


def test_exported_evaluations_have_both_intervals(lines):
    one, other = make_measured(scores=[0] * 12, label="a"), make_measured(scores=[1] * 12)

    _name, rows = lines(ids(one, other))

    shares = [row for row in rows if row["metric"] == "accuracy"]
    assert [row["value"] for row in shares] == ["0.0", "1.0"]
    assert [row["interval"] for row in shares] == ["wilson", "wilson"]
    assert (shares[1]["difference"], shares[1]["difference_unit"]) == ("1.0", "share")


def test_numbers_and_charts_offer_the_csv_of_the_comparison(page, host):
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]

    html = page(ids(one, other))

    address = f'href="?{ids(one, other)}&format=csv" download'.replace("&", "&amp;")
    assert html.count(address) == 1 + len(figures(html))


def test_a_line_is_named_by_what_differs(page, host):
    base, other = runs(served(host), 50.0, 51.0), runs(served(host, OTHER), 60.0)

    (figure,) = figures(page(grouped(base, other))).values()

    names = [f"res-{base[0].pk} × 2", f"res-{other[0].pk} (--flash-attention yes)"]
    assert {trace["name"] for trace in figure["data"]} >= set(names)


def test_a_disturbed_run_is_hollow_in_every_chart(page, host):
    more = {"tpot_p50_ms": 20.0}
    one, other = measured(served(host), more=more), measured(served(host, OTHER), more=more)
    Result.objects.filter(pk=other.pk).update(disturbed=True)

    for name in ("throughput", "ttft", "interactivity"):
        figure = figures(page(f"{ids(one, other)}&chart={name}"))[name]
        symbols = {
            trace["name"].partition(" ")[0]: trace["marker"].get("symbol", "")
            for trace in figure["data"]
            if "marker" in trace  # not of the frontier
        }
        assert all(one.endswith("-open") for one in symbols[f"res-{other.pk}"])
        assert not symbols[f"res-{one.pk}"].endswith("-open")
        assert figure["layout"]["annotations"][0]["text"] == "hollow: disturbed"


def test_equal_values_are_grouped_with_their_columns(page, host):
    deployment = served(host)
    few = [measured(one, output_tokens=64) for one in (deployment, served(host, OTHER))]
    many = measured(deployment, output_tokens=128)

    text = text_of(page(ids(*few, many)))

    lengths = f"Output length: 64 (res-{few[0].pk}, res-{few[1].pk}), 128 (res-{many.pk})"
    assert lengths in text


def test_a_missing_result_is_named_and_the_others_are_offered(client, host):
    client.force_login(make_user("lin"))
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]

    query = f"id=res-{one.pk}&id=res-987654&id=res-{other.pk}"
    answer = client.get(f"{reverse('result-compare')}?{query}")

    html = answer.content.decode()
    assert answer.status_code == 404
    assert "res-987654 does not exist or was removed." in html
    assert f'href="?{ids(one, other)}"'.replace("&", "&amp;") in html


def test_missing_runs_are_shown_with_power_and_launchable(page, host):
    base = runs(served(host), 50.0, 51.0, 52.0)
    other = runs(served(host, OTHER), 53.0, 51.2, 54.5)

    html = page(grouped(base, other))

    assert "Needed if the difference stays: about 7 more runs of each" in text_of(html)
    assert "(power 80 %)" in text_of(html)
    assert "Run each 7 more times" in text_of(html)


@pytest.mark.parametrize(
    ("counts", "turns"), [(["2"], [0, 1, 0, 1]), (["2", "1"], [0, 1, 0])], ids=["equal", "own"]
)
def test_the_button_launches_the_runs_in_turn(client, host, counts, turns):
    client.force_login(make_user("lin"))
    sides = [runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]]
    Job.objects.update(inputs={})
    back = ids(*sides)

    sent = {"id": [f"res-{one.pk}" for one in sides], "n": counts, "back": back}
    response = client.post(reverse("result-run-more"), sent)

    assert response.url == f"{reverse('result-compare')}?{back}"
    queued = Job.objects.filter(state="queued").order_by("pk")
    assert [job.repeats_id for job in queued] == [sides[side].job_id for side in turns]


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


def test_missing_runs_are_launched_for_each_side(page, host):
    base, other = runs(served(host), 50.0, 51.0, 52.0), runs(served(host, OTHER), 60.0, 61.0)

    html = page(grouped(base, other))

    assert (
        f"No interval: three runs of each are needed. Missing: 1 of res-{other[0].pk}."
        in text_of(html)
    )
    assert more_forms(html) == [{str(other[0].pk): "1"}]


def test_each_side_has_its_own_missing_runs(page, host):
    base, other = runs(served(host), 50.0), runs(served(host, OTHER), 60.0, 61.0)

    mine, theirs = str(base[0].pk), str(other[0].pk)
    found = more_forms(page(grouped(base, other)))
    assert found == [{mine: "2", theirs: "1"}, {mine: "2"}, {theirs: "1"}]


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
