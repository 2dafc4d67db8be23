"""A report as a file: opens without a network, draws its charts, prints to A4 with nothing cut."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import PHONE, axe, open_window, too_wide

pytestmark = pytest.mark.browser

A4 = {"width": 680, "height": 1000}  # 180 mm between the margins
SEED = """
from django.contrib.auth import get_user_model
from jobs.models import Note
from jobs.plans import Step
from tests.factories import make_job, make_measured, make_plan
points = [(c, {"concurrency": c, "output_tokens_per_s": 21.5 * c ** 0.5, "ttft_p50_ms": 90.0 * c,
               "ttft_p90_ms": 95.0 * c, "ttft_p99_ms": 99.0 * c, "tpot_p50_ms": 20.0 + c,
               "requests": 64, "failed_requests": 0}) for c in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
lin = get_user_model().objects.first()
argv = ("client", "--url", "http://10.77.7.7:8000/v1", "--out", "/hidden/folder/out.json")
for n in range(8):
    plan = make_plan(steps=(Step("measure", argv),))
    job = make_job(state="succeeded", kind="benchmark", plan=plan, created_by=lin)
    result = make_measured(points=points, job=job, simulated=n == 0, label=f"int{n}",
                           what="a workload with a long name " * 4, created_by=lin)
    Note.objects.create(result=result, text="a hidden note", created_by=lin)
    print(result.pk)
"""
# Reports with as much as they have at most: 66 cells, five columns; written into a folder.
LARGE = """
from pathlib import Path
from dashboard.reports.make import KINDS, make
from jobs.models import Matrix
from tests.factories import make_cell, make_host, make_job, make_measured
host = make_host("va16-77", type="vacc")
of = {{"host": host, "kind": "benchmark-online", "model_id": "deepseek-r1-distill-qwen-32b"}}
title, spec = "DeepSeek-R1-Distill-Qwen-32B-%s-with-chat-template", {{"workload": "vendor"}}
families = [(f, s, b) for f, b in (("ttft", 90), ("tpot", 18), ("itl", 18))
            for s in ("mean", "p50", "p90", "p99")]
def metrics(c, scale):
    known = {{f"{{f}}_{{s}}_ms": b * c ** 0.5 for f, s, b in families}}
    known |= {{f"latency_{{s}}_s": 2.0 * c ** 0.3 for s in ("p50", "p90", "p99")}}
    return known | {{"concurrency": c, "output_tokens_per_s": scale * 21.5 * c ** 0.7,
                    "requests": 640, "failed_requests": 0}}
def measured(points, label):
    job = make_job(host=host, state="succeeded", kind="benchmark")
    return make_measured(job=job, points=points, label=label, what="sonnet 1024 → 1024 tok",
                         model_id=of["model_id"], run_context={{"dies": [0, 1, 2, 3]}})
matrices = []
for scale, label in ((1, "int8"), (1.3, "fp16")):
    matrices.append(Matrix.objects.create(title=title % label, spec=spec, **of))
    for place in range(66):
        row, column = divmod(place, 6)
        more = {{"row": row, "place": place, "input_tokens": 128 << row, "output_tokens": 512}}
        job = None
        if row + column < 14:
            job = measured([(2 ** column, metrics(2 ** column, scale))], label).job
        make_cell(matrices[-1], column, job, **more)
labels = ("int8", "fp16", "int8, prefix cache", "fp16, tp 8", "w8a8")
speeds = [measured([(2 ** n, metrics(2 ** n, 1 + k / 9)) for n in range(8)], label)
          for k, label in enumerate(labels)]
scores = [make_measured(scores=[0] * 8 * k + [1] * (200 - 8 * k), label=label)
          for k, label in enumerate(labels)]
runs, sets = ([f"res-{{one.pk}}" for one in rows] for rows in (speeds, scores))
for name, (kind, given) in {{
    "result": ("result", {{"id": runs[0]}}),
    "evaluation": ("result", {{"id": sets[0]}}),
    "comparison": ("comparison", {{"id": runs}}),
    "evaluations": ("comparison", {{"id": sets}}),
    "matrix": ("matrix", {{"id": matrices[0].pk, "per": "card"}}),
    "matrices": ("matrices", {{"id": [one.pk for one in matrices]}}),
    "parity": ("parity", {{"base": sets[0], "id": sets[1]}}),
    "candidates": ("parity", {{"base": sets[0], "id": ";".join(sets[1:])}}),
}}.items():
    for language in ("en", "zh"):
        asked = {{"profile": "customer", "language": language, **given}}
        text = make(KINDS[kind], KINDS[kind].asked.model_validate(asked)).text
        Path({folder!r}, f"{{name}}.{{language}}.html").write_text(text, "utf-8")
"""
MOST_PAGES = {
    **{"result": 3, "evaluation": 3, "comparison": 5, "evaluations": 5},
    **{"matrix": 8, "matrices": 8, "parity": 3, "candidates": 3},
}
WORDS = {
    "heading": "R1 on VACC, November",
    "customer": "ACME",
    "summary": "Twice as fast.",
    "name-1": "VACC, driver 1",
    "device-1": "VACC card A",
    "name-2": "VACC, driver 2",
    "device-2": "VACC card B",
}
# Jobs, people, notes, folders, addresses, empty values.
INTERNAL = re.compile(r"#\d|lin\b|hidden|10\.77|127\.0\.0\.1|None")
# Elements whose content is wider or higher than what is shown of it.
CUT = """() => [...document.querySelectorAll("main, main *")].filter((element) =>
  getComputedStyle(element).display !== "inline" && !element.closest("svg, .js-plotly-plot") &&
  (element.scrollWidth > element.clientWidth + 1 ||
    element.scrollHeight > element.clientHeight + 1)
).map((element) => `${element.tagName}: ${element.textContent}`.slice(0, 90))"""


@pytest.fixture(scope="module")
def results(server):
    return server.shell(SEED)


@pytest.fixture
def saved(open_page, tmp_path):
    def save(path, link):
        page = open_page(path)
        page.locator("[data-report] > summary").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=link, exact=True).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        return file

    return save


@pytest.fixture
def offline(browser):
    """A page without a network, and what it asked for."""
    with open_window(browser, offline=True) as window:
        page, page_asked = window.new_page(), []
        window.on("request", lambda request: page_asked.append(request.url))
        window.route("http**", lambda route: route.abort())
        page.asked = page_asked
        yield page
    assert window.complaints == []


def opened(page, file):
    page.goto(file.as_uri())
    expect(page.locator("[data-chart][data-drawn]")).to_have_count(
        page.locator("[data-chart]").count()
    )
    return page


@pytest.mark.parametrize(("link", "title"), [("中文 HTML", "结论"), ("English HTML", "Conclusion")])
@pytest.mark.parametrize("kind", ["result", "comparison"])
def test_a_report_opens_without_a_network(saved, offline, results, kind, link, title):
    query = "&".join(f"id=res-{pk}" for pk in results)
    address = f"/results/res-{results[0]}/" if kind == "result" else f"/results/compare/?{query}"
    file = saved(address, link)

    page = opened(offline, file)

    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.locator("[data-chart] .main-svg .scatterlayer .trace").first).to_be_attached()
    assert [url for url in page.asked if not url.startswith("data:")] == [file.as_uri()]
    assert page.locator(".warning").count() >= 1
    assert axe(page) == []
    page.set_viewport_size(PHONE)
    assert not too_wide(page)


@pytest.mark.parametrize("kind", ["result", "comparison"])
def test_a_report_prints_to_a4_with_nothing_cut(saved, offline, results, kind):
    query = "&".join(f"id=res-{pk}" for pk in results)
    address = f"/results/res-{results[0]}/" if kind == "result" else f"/results/compare/?{query}"
    page = opened(offline, saved(address, "English HTML"))

    pdf = page.pdf(prefer_css_page_size=True)
    page.set_viewport_size(A4)
    page.emulate_media(media="print")

    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
    assert re.search(rb"/MediaBox\s*\[0 0 59[45][.\d]* 84[12][.\d]*\]", pdf)
    assert not too_wide(page)
    assert page.evaluate(CUT) == []
    widths = page.locator("[data-chart] .main-svg").evaluate_all(
        "images => images.map((image) => image.getBoundingClientRect().width)"
    )
    assert all(width <= A4["width"] for width in widths)


def test_two_results_become_a_report_for_a_customer(open_page, offline, results, tmp_path):
    """By 6 clicks and what a person types. Another person then finds the words typed."""
    page = open_page("/results/")
    clicks = []

    def click(element):
        clicks.append(element)
        element.click()

    for pk in results[-2:]:
        click(page.locator(f"input[name=id][value=res-{pk}]"))
    click(page.get_by_role("button", name="Compare"))
    click(page.locator("[data-report] > summary"))
    click(page.get_by_role("link", name="For a customer…"))
    for field, text in WORDS.items():
        page.locator(f"#{field}").fill(text)
    address = page.url
    with page.expect_download() as download:
        click(page.get_by_role("button", name="Download HTML"))
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    report = opened(offline, file)

    text = report.locator("body").inner_text()
    assert len(clicks) == 6
    assert report.locator("h1").inner_text() == WORDS["heading"]
    assert [word for word in WORDS.values() if word not in text] == []
    assert INTERNAL.findall(text) == []
    page.goto(address)
    for field, typed in WORDS.items():
        expect(page.locator(f"#{field}")).to_have_value(typed)
    assert axe(page) == []


# Last in this file: its results fill the first page of the list.
@pytest.fixture(scope="module")
def large(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    server.shell(LARGE.format(folder=str(folder)))
    return folder


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", MOST_PAGES)
def test_a_report_is_short_before_its_appendix(offline, large, name, language):
    page = opened(offline, large / f"{name}.{language}.html")
    page.evaluate("document.querySelectorAll('.appendix').forEach((part) => part.remove())")

    pdf = page.pdf(prefer_css_page_size=True)

    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= MOST_PAGES[name]
    page.set_viewport_size(A4)
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
