"""Chart tools: nearest values, table, files."""

import csv
import html

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import checked, open_window

pytestmark = pytest.mark.browser

SEED = """
from tests.factories import make_job, make_measured
rates = {1: 21.5, 16: 250.25, 64: 700.125}
for _ in range(2):
    points = [(c, {"concurrency": c, "output_tokens_per_s": rate, "ttft_p50_ms": 90.0,
                   "tpot_p50_ms": 1000 / (60 - c / 4)}) for c, rate in rates.items()]
    print(make_measured(points=points, job=make_job(state="succeeded", kind="benchmark")).pk)
"""
# Colours of the first line and of text in the style sheet, and the drawn colour of the line.
COLOURS = """() => ["--d1", "--ink"].map((token) => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${token})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
})"""
DRAWN = "document.querySelector('#throughput .plot, body > #chart').data[0].line.color"


@pytest.fixture(scope="module")
def page(window, server):
    made = server.shell(SEED)
    with checked(window) as open_page:
        opened = open_page(f"/results/compare/?id=res-{made[0]}&id=res-{made[1]}")
        expect(opened.locator("#throughput .main-svg").first).to_be_attached()
        yield opened


def test_a_chart_keeps_its_margins_so_that_plotly_draws_it_once(page):
    used, given = page.locator("#throughput .plot").evaluate(
        "plot => [plot._fullLayout._size, plot.layout.margin]"
    )

    assert {side: used[side] for side in given} == given


def test_the_tooltip_shows_the_nearest_values(page):
    box = page.locator("#throughput .nsewdrag").bounding_box()

    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.9)

    expect(page.locator("#throughput .hoverlayer")).to_contain_text("700.1 tok/s")


def test_the_table_of_a_chart_moves_nothing_on_the_page(page):
    def places():
        return page.locator(".panel").evaluate_all(
            "panels => panels.map((panel) => [panel.offsetTop, panel.offsetHeight])"
        )

    before = places()
    page.locator("#throughput .fig-table > summary").click()

    table = page.locator("#throughput .fig-table table")
    expect(table).to_contain_text("250")
    assert places() == before
    page.locator("#throughput .fig-table > summary").click()
    expect(table).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_kept_as_png_svg_and_csv(page, scheme):
    page.emulate_media(color_scheme=scheme)

    picture, drawing, numbers = (saved(page, name) for name in ("PNG", "SVG", "CSV"))

    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    # The chart of 500 px, and below it a line for each result, and one for time and address.
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (1800, 1128)
    assert len(picture) > 20_000  # the chart is drawn
    text = drawing.decode()
    assert text.startswith("<svg")
    assert "Output in tok/s vs concurrency" in text
    # The equal model is in the lines below, and in no name of the legend.
    assert text.count(", smollm2-135m-instruct") == 2
    assert text.count(", smollm2-135m-instruct, Q8_0 from Q4_1") == 2
    assert text.count(", everyday prompts, ") == 2 and f"UTC, {page.url}" in html.unescape(text)
    rows = list(csv.DictReader(numbers.decode("utf-8-sig").splitlines()))
    values = {(row["concurrency"], row["metric"]): row["value"] for row in rows}
    assert values["16", "output_tokens_per_s"] == "250.25"


def test_a_saved_picture_has_its_legend_below_its_title(page):
    drawing = saved(page, "SVG").decode()

    shown = page.context.new_page()
    shown.set_content(f"<body>{drawing}</body>")
    places = shown.evaluate(
        """() => {
            const at = (name) => document.querySelector(name).getBoundingClientRect();
            const all = at("svg"), legend = at(".legend");
            const names = [...document.querySelectorAll(".legendtext")];
            const ends = names.map((name) => name.getBoundingClientRect().right);
            return [
                at(".gtitle").bottom, legend.top, legend.bottom - all.top, all.height,
                Math.max(...ends), at(".legend .bg").right,
            ];
        }"""
    )
    shown.close()

    title_ends, legend_starts, legend_ends, height, names_end, cut_at = places
    assert title_ends < legend_starts
    assert legend_ends <= height
    assert names_end <= cut_at


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_kept_as_a_page_that_opens_without_a_network(page, browser, tmp_path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"() => document.documentElement.dataset.bsTheme === '{scheme}'")
    expected = page.evaluate(COLOURS)
    page.wait_for_function(f"() => {DRAWN} === '{expected[0]}'")  # redrawn in this colour scheme
    file = tmp_path / "chart.html"
    file.write_bytes(saved(page, "HTML, interactive"))
    asked = []

    with open_window(browser, offline=True) as offline:
        offline.on("request", lambda request: asked.append(request.url))
        kept = offline.new_page()
        kept.goto(file.as_uri())
        expect(kept.get_by_role("heading")).to_have_text(
            "Output in tok/s vs concurrency, one line per result"
        )
        box = kept.locator(".nsewdrag").bounding_box()
        kept.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.9)

        expect(kept.locator(".hoverlayer")).to_contain_text("700.1 tok/s")
        expect(kept.locator(".infolayer > .legend .traces")).to_have_count(2)
        expect(kept.get_by_role("link", name=page.url)).to_be_visible()
        expect(kept.locator(".modebar-btn[data-title^='Zoom']").first).to_be_attached()
        expect(kept.locator(".modebar-btn[data-title*='hare']")).to_have_count(0)
        ink = kept.evaluate("() => getComputedStyle(document.body).color")
        assert [kept.evaluate(DRAWN), ink] == expected
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]
    assert "var(--" not in file.read_text().rsplit("Plotly.newPlot", 1)[1]
    assert offline.complaints == []


def saved(page, name):
    page.locator("#throughput .fig-tools .pop > summary").click()
    with page.expect_download() as download:
        page.locator("#throughput .pop-body").get_by_text(name, exact=True).click()
    suggested = download.value.suggested_filename
    # The CSV covers the whole comparison with context.
    assert suggested.startswith("compare-" if name == "CSV" else "throughput.")
    assert suggested.endswith(f".{name.split(',')[0].lower()}")
    return download.value.path().read_bytes()
