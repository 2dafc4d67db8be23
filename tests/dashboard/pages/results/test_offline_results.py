"""Pages of an offline benchmark: batch latency, no rates."""

import re

from django.template.loader import render_to_string

from jobs.queries.comparison.comparison import compare
from tests.comparing import text_of
from tests.factories import make_host, make_job, make_measured

BATCH = {
    **{"batch_latency_mean_s": 0.781, "batch_latency_p10_s": 0.71, "batch_latency_p25_s": 0.72},
    **{"batch_latency_p50_s": 0.75, "batch_latency_p75_s": 0.83, "batch_latency_p90_s": 0.89},
    **{"batch_latency_p99_s": 0.93, "iterations": 10.0},
}
FEW = ("0.781", "0.750", "0.890", "0.930")


def measured(**fields):
    job = make_job(state="succeeded", kind="benchmark-latency", duration_s=9.0)
    return make_measured(points=[(4, BATCH)], job=job, **fields)


def of_identity(fingerprint):
    """Return the fields that repeats share."""
    identity = {"schema": 1, "parts": {}, "unknown": []}
    return {"identity": identity, "fingerprint": fingerprint}


def numbers(html):
    """Return the panel of metrics as text."""
    start = html.index('<dl class="facts')
    return text_of(html[start : html.index("</dl>", start)])


def test_the_result_of_a_batch_has_latency_and_no_chart():
    html = render_to_string("results/_result_panel.html", {"result": measured()})

    text = numbers(html)
    assert all(number in text for number in FEW)
    assert "not measured" not in text
    assert "data-chart" not in html


def test_the_page_of_a_batch_says_how_long_it_takes_with_all_percentiles(detail):
    html = detail(measured())

    text = numbers(html)
    assert all(number in text for number in FEW)
    assert "not measured" not in text
    assert "<h1>smollm2-135m-instruct: batch of 4 in 0.781 s</h1>" in html
    assert "data-chart" not in html
    table = text_of(html[html.index(' points">') : html.index("</table>")])
    assert "Batch size" in table
    assert "Concurrency" not in table
    for which, number in (("p10", "0.710"), ("p25", "0.720"), ("p75", "0.830")):
        assert re.search(rf"Batch latency {which}, s .* {number}", table)


def test_three_runs_of_a_batch_give_its_mean_an_interval(detail):
    host = make_host()
    for seconds in (0.7, 0.8, 0.9):
        job = make_job(state="succeeded", kind="benchmark-latency", host=host)
        metrics = BATCH | {"batch_latency_mean_s": seconds}
        result = make_measured(points=[(4, metrics)], job=job, **of_identity("a"))

    text = text_of(detail(result))

    assert "Batch latency mean 0.800 s [0.586, 1.09] p50" in text
    assert "This run alone 0.900 s" in text


def test_the_list_says_how_long_a_batch_takes(get):
    measured()

    html = get("result-list")

    row = text_of(html[html.index("<tbody>") : html.index("</tbody>")])
    assert "Batch 0.781 s" in row
    assert "p99 0.930 s" in row


def test_two_batches_are_compared_by_how_long_they_take(page):
    base, other = measured(label="a"), measured(label="b")

    rows = {row.metric: row.base for row in compare([[base], [other]]).rows}
    html = page(f"id=res-{base.pk}&id=res-{other.pk}&all=1")

    assert rows["batch_latency_mean_s"] == 0.781
    assert rows["batch_latency_p99_s"] == 0.93
    assert "data-chart" not in html
    assert "batch latency mean equal for a batch of 4, one run each: no interval" in html


def test_a_comparison_of_batches_speaks_of_batches(page):
    host, chosen = make_host(), []
    for label, scale in (("a", 1.0), ("b", 0.5)):
        for seconds in (0.79, 0.80, 0.81):
            job = make_job(state="succeeded", kind="benchmark-latency", host=host)
            metrics = BATCH | {"batch_latency_mean_s": seconds * scale}
            kept = of_identity(label)
            chosen.append(make_measured(points=[(4, metrics)], job=job, label=label, **kept).pk)

    groups = "group=res-{},res-{},res-{}&group=res-{},res-{},res-{}".format(*chosen)
    html = page(groups)

    title = text_of(html[html.index("<h1>") : html.index("</h1>")])
    assert "batch latency mean \u221250.0 % for a batch of 4, significant difference" in title
    metrics = html.partition("<h2>Metrics</h2>")[2]
    assert "batch of 4" in text_of(metrics[: metrics.index("<table")])
    assert "concurrency 4" not in html


def test_job_and_result_agree_on_uncounted_requests(detail):
    offline = {"output_tokens_per_s": 90.0, "requests_per_s": 3.0}
    result = make_measured(points=[(16, offline)])

    panel = numbers(render_to_string("results/_result_panel.html", {"result": result}))
    own = text_of(detail(result))

    assert "Failed not measured" in panel
    assert "Failed not measured" in own
