"""The field in the top bar, by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import axe
from tests.waiting import until

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_page):
    return open_page("/")


def test_arrows_and_enter_open_what_was_found(page):
    page.keyboard.press("/")
    page.keyboard.type("smol")
    options = page.locator("#found [role=option]")
    # Answers to the first letters have other options.
    expect(page.locator("#found-all")).to_have_attribute("href", re.compile("q=smol$"))
    assert axe(page) == []

    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    wanted = options.nth(1).get_attribute("href")
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{wanted}")


def test_a_late_answer_leaves_what_was_chosen(page):
    late = []
    page.route("**/search/list/?q=smol", lambda route: late.append(route))
    page.keyboard.press("/")
    page.keyboard.type("smo")
    first, every = page.locator("#found [role=option]").first, page.locator("#found-all")
    expect(every).to_have_attribute("href", re.compile("q=smo$"))

    page.keyboard.type("l")
    until(lambda: late or page.wait_for_timeout(20), "the next answer is asked for")
    page.keyboard.press("ArrowDown")
    late[0].continue_()

    expect(every).to_have_attribute("href", re.compile("q=smol$"))
    expect(first).to_have_attribute("aria-selected", "true")


def test_typing_on_leaves_nothing_chosen(page):
    page.keyboard.press("/")
    page.keyboard.type("smo")
    first, every = page.locator("#found [role=option]").first, page.locator("#found-all")
    expect(every).to_have_attribute("href", re.compile("q=smo$"))
    page.keyboard.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")

    page.keyboard.type("l")

    expect(page.locator("#found [aria-selected=true]")).to_have_count(0)


def test_escape_closes_the_list_and_keeps_what_was_typed(page):
    page.keyboard.press("/")
    page.keyboard.type("smol")
    expect(page.locator("#found")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator("#search")).to_have_value("smol")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=smol")


def test_an_answer_after_escape_does_not_open_the_list_again(page):
    held = []
    page.route(re.compile("q=smol$"), lambda route: held.append(route))
    page.keyboard.press("/")
    with page.expect_request(re.compile("q=smol$")):
        page.keyboard.type("smol")
    page.keyboard.press("Escape")

    held[-1].continue_()
    expect(page.locator("#found-all")).to_have_attribute("href", re.compile("q=smol$"))

    expect(page.locator("#found")).to_be_hidden()
    page.keyboard.type("l")
    expect(page.locator("#found")).to_be_visible()


def test_ctrl_k_leads_to_a_page_from_any_field(open_page):
    page = open_page("/jobs/")
    page.locator("main input[name=q]").focus()
    page.keyboard.press("Control+k")
    areas = page.locator("#found [role=option]")
    expect(areas.first).to_be_visible()
    assert axe(page) == []

    page.keyboard.type("by model")
    expect(areas.first).to_have_text("By model")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url("**/results/fleet/")


def test_a_search_without_matches_says_so(page):
    page.keyboard.press("/")
    page.keyboard.type("nothing of the kind")

    expect(page.locator("#found")).to_have_text("No matches.")
