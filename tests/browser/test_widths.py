"""No page scrolls its body sideways, however much is on it: wide tables do so themselves."""

import json

import pytest
from playwright.sync_api import expect

from dashboard.pages.shared.columns import RESULTS
from tests.browser.lib.visits import own_window, too_wide
from tests.pages import TURNS

pytestmark = pytest.mark.browser

SIZES = ((1440, 900), (1280, 800), (390, 844))
SEED = """
import json
from tests import sample_data
print(json.dumps(sample_data.make(), separators=(",", ":")))
"""
MORE = [
    "/jobs/{silent}/",
    "/search/?q=deep",
    "/results/compare/?id=res-{speed}&id=res-{speed2}&id=res-{speed3}&all=1",
    "/results/res-{single}/",
    "/jobs/{away}/",
    "/results/?order=-output_tokens_per_s&stamp=disturbed&stamp=simulated",
]
PATHS = [
    *TURNS,
    "/results/compare/?id=res-{quality}",
    "/playground/?deployment={deployment}",
    *MORE,
]
# Numbers of the list in sight, by the heads above them.
IN_SIGHT = """() => [...document.querySelectorAll(".results thead th")].filter((head) => {
  const { left, right } = head.getBoundingClientRect();
  return right - left > 0 && left >= 0 && right <= document.documentElement.clientWidth;
}).map((head) => head.textContent.trim())"""
OF_CHARTS = """() => [...document.querySelectorAll("[data-chart]")].every(
  (chart) => chart.closest("[hidden]") || chart.querySelector(".main-svg"))"""


@pytest.fixture(scope="module")
def made(own_server):
    return json.loads(own_server.shell(SEED)[0])


@pytest.fixture(scope="module")
def context(browser, own_server, made):
    """One window for all pages of this file, in which the administrator is logged in."""
    with own_window(browser, own_server) as opened:
        yield opened


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]} px")
def page(request, context):
    """A page of one size, kept for all addresses: a new one costs a process."""
    width, height = request.param
    opened = context.new_page()
    opened.set_viewport_size({"width": width, "height": height})
    yield opened
    opened.close()


def test_no_page_scrolls_its_body_sideways(page, made):
    wide = {}
    # Of the forms, which are many and hold nothing of the data, test_every_page.py sees the others.
    is_middle = page.viewport_size["width"] == 1280
    for path in (path for path in PATHS if is_middle or not path.startswith("/launch/")):
        address = path.format(**made)
        answer = page.goto(address)
        assert answer.ok, f"{address} answered {answer.status}"
        page.wait_for_function(OF_CHARTS)
        if too_wide(page):
            page.wait_for_timeout(500)  # something may still be drawn
        if widest := too_wide(page):
            wide[address] = widest

    assert wide == {}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_at_1280_px_the_list_of_results_shows_every_metric(context, own_server, made, language):
    cookie = {"name": "django_language", "value": language, "url": own_server.url}
    context.add_cookies([cookie])
    page = context.new_page()
    # As wide as a window of 1280 px with a scrollbar leaves it.
    page.set_viewport_size({"width": 1264, "height": 800})

    page.goto("/results/")
    context.clear_cookies(name="django_language")

    assert page.locator(".results thead th").count() == len(page.evaluate(IN_SIGHT)) == 13
    page.set_viewport_size({"width": 1264, "height": 300})
    page.evaluate("scrollTo(0, 200)")
    head = page.locator(".results thead th").nth(1)
    assert head.bounding_box()["y"] == page.locator("header.bar").bounding_box()["height"]
    page.close()


def test_a_list_with_all_its_columns_scrolls_inside_itself(context, made):
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/results/")
    page.get_by_text("Columns", exact=True).click()
    for box in page.locator(".choose input[type=checkbox]").all():
        box.check()
    page.get_by_role("button", name="Apply", exact=True).click()

    expect(page.locator(".results thead th")).to_have_count(len(RESULTS) + 1)
    assert not too_wide(page)
    inner, outer = page.locator(".results .scroll").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert inner > outer
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("button", name="Reset to defaults").click()
    expect(page.locator(".results thead th")).to_have_count(13)
    page.close()
