"""First screen and tabs of a result: address, keyboard, print, no scripts."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import overflows
from tests.browser.lib.measured import SEED
from tests.browser.lib.visits import WIDE, axe, checked, open_window

pytestmark = pytest.mark.browser

SHOWN = "[...document.querySelectorAll('.tabbed > section')].filter((one) => one.checkVisibility())"
CUT_TABLES = """[...document.querySelectorAll("main .scroll")].filter(
  (one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map(
  (one) => `${one.ariaLabel}: ${one.scrollWidth} px in a card of ${one.clientWidth} px`)"""
BOTTOM = "element => element.getBoundingClientRect().bottom"


@pytest.fixture(scope="module")
def address(server):
    (number,) = server.shell(SEED)
    return f"/results/res-{number}/"


@pytest.fixture(scope="module")
def page(window, address):
    with checked(window) as open_page:
        yield open_page(address)


def shown(page):
    return page.evaluate(f"{SHOWN}.map((one) => one.id)")


def test_the_first_screen_has_numbers_charts_and_the_way_on(page, address):
    page.goto(address)
    expect(page.locator("#ttft .main-svg").first).to_be_attached()
    for name in ("#conclusion", "#throughput", "#ttft", "#notes", ".tabrow"):
        assert page.locator(name).evaluate(BOTTOM) <= 900, name
    assert page.evaluate("document.body.scrollHeight") <= 1800


def test_a_tab_has_an_address_and_a_way_back(page, address):
    page.goto(address)
    page.get_by_role("tab", name="Reproduce").click()
    assert (shown(page), page.url.partition("#")[2]) == (["reproduce"], "reproduce")
    expect(page.get_by_role("tabpanel", name="Reproduce")).to_be_visible()
    page.reload()
    expect(page.get_by_role("tab", name="Reproduce")).to_have_attribute("aria-selected", "true")

    page.go_back()

    expect(page.get_by_role("tab", name="By concurrency")).to_have_attribute(
        "aria-selected", "true"
    )
    assert shown(page) == ["by-concurrency"]


def test_arrow_keys_walk_over_tabs_and_a_chart_is_drawn_when_it_is_shown(page, address):
    page.goto(address)
    assert page.locator("#spread-ttft .main-svg").count() == 0
    page.get_by_role("tab", name="By concurrency").focus()

    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("tab", name="Requests")).to_be_focused()
    expect(page.locator("#spread-ttft .main-svg").first).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert shown(page) == ["files"]


def test_an_address_of_before_opens_the_tab_that_has_its_part(page, address):
    page.goto(f"{address}#provenance")

    expect(page.locator("#provenance")).to_be_in_viewport()
    page.evaluate("location.hash = 'repeats'")
    expect(page.locator("#repeats")).to_be_in_viewport()
    assert shown(page) == ["reproduce"]


def test_a_switch_shows_one_percentile(page, address):
    page.goto(f"{address}#by-concurrency")
    row = page.locator(".points tbody tr").first
    assert "20.0" in row.inner_text() and "25.0" not in row.inner_text()

    page.get_by_role("radio", name="p90").check()

    assert "25.0" in row.inner_text() and "20.0" not in row.inner_text()


def test_each_tab_is_well_and_no_tab_is_wide(page, address):
    faults = {}
    page.goto(f"{address}?level=mlperf-interactive")  # a column more
    for tab in page.get_by_role("tab").all():
        page.set_viewport_size({"width": 1280, "height": 800})
        tab.click()
        faults[tab.inner_text()] = [*page.evaluate(CUT_TABLES), *axe(page), *overflows(page)]
    page.set_viewport_size(WIDE)

    assert not any(faults.values()), faults


def test_print_has_the_open_tab_and_nothing_to_press(page, address):
    page.goto(f"{address}#reproduce")
    page.emulate_media(media="print")

    pressed = page.locator("main :is(button, input, select, textarea, .btn, .tabrow)")
    seen = pressed.evaluate_all("all => all.filter((one) => one.checkVisibility()).length")
    open_tabs = shown(page)
    page.emulate_media(media="screen")

    assert (seen, open_tabs) == (0, ["reproduce"])


def test_without_scripts_a_link_opens_each_tab(browser, server, address):
    with open_window(browser, server, java_script_enabled=False) as window:
        page = window.new_page()
        page.goto(f"{address}#identity")
        expect(page.locator("#reproduce")).to_be_visible()
        expect(page.locator("#by-concurrency")).to_be_hidden()

        page.get_by_role("link", name=re.compile("^Files")).click()
        expect(page.locator("#files")).to_be_visible()
        expect(page.locator("#reproduce")).to_be_hidden()
        page.goto(address)
        expect(page.locator("#by-concurrency")).to_be_visible()
        expect(page.locator("#files")).to_be_hidden()
