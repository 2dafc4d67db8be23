"""A report as a file: opens without a network, draws its charts, prints to A4 with nothing cut."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import PHONE, axe, open_window, too_wide

pytestmark = pytest.mark.browser

A4 = {"width": 680, "height": 1000}  # 180 mm between the margins
SEED = """
from tests.factories import make_job, make_measured
points = [(c, {"concurrency": c, "output_tokens_per_s": 21.5 * c ** 0.5, "ttft_p50_ms": 90.0 * c,
               "ttft_p90_ms": 95.0 * c, "ttft_p99_ms": 99.0 * c, "tpot_p50_ms": 20.0 + c,
               "requests": 64, "failed_requests": 0}) for c in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
for n in range(8):
    job = make_job(state="succeeded", kind="benchmark")
    print(make_measured(points=points, job=job, simulated=n == 0,
                        what="a workload with a long name " * 4).pk)
"""
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
