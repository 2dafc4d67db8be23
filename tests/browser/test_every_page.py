"""Every page with the records of tests/sample_data.py, and its width however much is on it."""

import json

import pytest
from django.urls import get_resolver
from playwright.sync_api import expect

from dashboard.pages.shared.columns import RESULTS
from tests.browser.lib.checks import CUT, Inspector, in_turns, overflows, until, wait_for_charts
from tests.browser.lib.visits import OF_FONTS, checked, open_window, too_wide
from tests.pages import ALL_PATHS, NO_PAGES, PAGES

pytestmark = pytest.mark.browser

SEED = """
import json
from tests import sample_data
print(json.dumps(sample_data.make(), separators=(",", ":")))
"""
# Pages of other records and choices, whose parts may be wider than those of PAGES.
MORE = [
    "/jobs/{silent}/",
    "/search/?q=deep",
    "/results/compare/?id=res-{speed}&id=res-{speed2}&id=res-{speed3}&all=1",
    "/results/res-{single}/",
    "/jobs/{away}/",
    "/models/deepseek-r1/",
    "/results/?order=-output_tokens_per_s&stamp=disturbed&stamp=simulated",
]
# A filter or a choice shows the same parts again, and one form of a launch those of all.
CHINESE_PATHS = [path for path in ALL_PATHS if "?" not in path and path not in PAGES["launch-form"]]
CHINESE_PATHS.append("/launch/benchmark/")
# Numbers of the list in sight, by the heads above them.
IN_SIGHT = """() => [...document.querySelectorAll(".results thead th")].filter((head) => {
  const { left, right } = head.getBoundingClientRect();
  return right - left > 0 && left >= 0 && right <= document.documentElement.clientWidth;
}).map((head) => head.textContent.trim())"""
# As in a list of years: numbers of five digits, days of another year.
GROW = """() => { for (const row of document.querySelectorAll(".results tbody tr")) {
  const moment = row.querySelector("time");
  if (moment) moment.textContent = "30 Nov 2025";
  for (const link of row.querySelectorAll("a")) {
    if (/^res-/.test(link.textContent.trim())) link.textContent = "res-12345";
  } } }"""


@pytest.fixture(scope="module")
def made(server):
    """Numbers of the records, by their names in PAGES."""
    return json.loads(server.shell(SEED)[0])


@pytest.fixture(scope="module")
def chinese_window(browser, server):
    with open_window(browser, server, locale="zh-CN") as opened:
        yield opened


@pytest.fixture(scope="module")
def inspectors(inspector, browser, server, chinese_window):
    """By language, and whether somebody is logged in."""
    with (
        open_window(browser, server, logged_in=False) as stranger,
        open_window(browser, server, logged_in=False, locale="zh-CN") as chinese_stranger,
    ):
        yield {
            ("en", True): inspector,
            ("zh", True): Inspector(chinese_window),
            ("en", False): Inspector(stranger),
            ("zh", False): Inspector(chinese_stranger),
        }


@pytest.mark.parametrize("path", ALL_PATHS)
def test_a_page_is_whole(inspectors, made, path):
    for language, look in in_turns(ALL_PATHS.index(path)).items():
        if language == "en" or path in CHINESE_PATHS:
            inspector = inspectors[language, path != "/login/"]
            # Texts of parts are longest in English.
            is_english = language == "en"
            found = inspector.faults(path.format(**made), looks=look, resized=is_english)
            assert found == [], language


def test_a_browser_that_asks_for_chinese_gets_it(chinese_window):
    page = chinese_window.new_page()
    page.goto("/")

    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.close()


def test_no_page_is_left_out():
    named = {name for name in names(get_resolver()) if not name.startswith(("api-", "intake-"))}

    assert named == set(PAGES) | NO_PAGES


def names(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from names(pattern)
        elif pattern.name:
            yield pattern.name


@pytest.fixture(scope="module")
def page(window, made):
    """A page for all addresses: a new one costs a process."""
    with checked(window) as open_page:
        yield open_page()


@pytest.mark.parametrize("path", MORE)
def test_no_page_scrolls_its_body_sideways(page, made, path):
    assert page.goto(path.format(**made)).ok
    wait_for_charts(page)

    assert overflows(page, also=CUT) == []


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_at_1280_px_the_list_of_results_shows_every_metric(window, page, language):
    window.add_cookies([{"name": "django_language", "value": language, "url": window.site.url}])
    # As wide as a window of 1280 px with a scrollbar leaves it.
    page.set_viewport_size({"width": 1264, "height": 800})

    page.goto("/results/")
    window.clear_cookies(name="django_language")
    page.wait_for_function(OF_FONTS)
    page.evaluate(GROW)

    assert page.get_by_text("res-12345").first.is_visible()
    assert page.get_by_text("30 Nov 2025").first.is_visible()
    assert page.locator(".results thead th").count() == len(page.evaluate(IN_SIGHT)) == 13
    page.set_viewport_size({"width": 1264, "height": 300})
    head, bar = page.locator(".results thead th").nth(1), page.locator("header.bar")

    def is_below_the_bar():
        page.evaluate("scrollTo(0, 200)")
        return head.bounding_box()["y"] == bar.bounding_box()["height"]

    until(page, is_below_the_bar)


def test_a_list_with_all_its_columns_scrolls_inside_itself(page):
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
