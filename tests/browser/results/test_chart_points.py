"""Points of charts: panel by mouse, keyboard and table; pages of history and distribution."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.measured import SEED
from tests.browser.lib.visits import checked

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def opened(window, server):
    (number,) = server.shell(SEED)
    with checked(window) as open_page:
        page = open_page(f"/results/res-{number}/")
        expect(page.locator("#throughput .main-svg").first).to_be_attached()
        yield page, number


def panel(page):
    return page.get_by_role("dialog")


def test_a_click_on_a_point_opens_its_panel(opened):
    page, _number = opened
    point = page.locator("#throughput .points path.point").first

    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    expect(panel(page)).to_contain_text("concurrency 1")
    expect(panel(page)).to_contain_text("/e/evalscope/bin/evalscope perf")
    expect(panel(page).get_by_role("link", name="Result")).to_have_attribute(
        "href",
        re.compile(r"^/results/res-\d+/$"),  # of the mean, or of one of its runs
    )
    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)


def test_the_keyboard_walks_over_points_and_opens_one(opened):
    page, _number = opened
    plot = page.locator("#throughput .plot")

    plot.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#throughput .hoverlayer")).to_contain_text("tok/s")
    page.keyboard.press("Enter")

    expect(panel(page)).to_contain_text("concurrency 16")
    page.keyboard.press("Escape")


def test_a_number_of_the_table_opens_the_same_panel(opened):
    page, _number = opened

    page.locator("#throughput .fig-table > summary").click()
    page.locator("#throughput .fig-table a").first.click()

    expect(panel(page)).to_contain_text("concurrency 1")
    page.keyboard.press("Escape")
    page.locator("#throughput .fig-table > summary").click()


def test_the_distribution_has_a_row_for_each_share(opened):
    page, _number = opened

    page.get_by_role("tab", name="Requests").click()
    page.locator("#spread-ttft .fig-table > summary").click()

    table = page.locator("#spread-ttft .fig-table table")
    expect(table.locator("th").nth(1)).to_contain_text("(n = 50)")
    expect(table.locator("tbody tr", has_text=re.compile("^50"))).to_have_count(1)
    page.locator("#spread-ttft .fig-table > summary").click()


def test_the_history_marks_the_changed_argument(opened):
    page, _number = opened

    page.get_by_role("link", name="History").click()

    expect(page.locator("#history .main-svg").first).to_be_attached()
    expect(page.locator("#history .annotation")).to_have_count(1)
    expect(page.locator(".periods tbody tr").first).to_contain_text("--flash-attention")
    page.go_back()
    expect(page.locator("#throughput .main-svg").first).to_be_attached()
