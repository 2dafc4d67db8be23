"""On a phone: search and language at hand, state before actions, tabs that say there are more."""

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import PHONE, checked

pytestmark = pytest.mark.browser


# The server's own deployment is of no model and has no page; an administrator may stop it.
SEED = """
from jobs.models import Account, Deployment
Deployment.objects.update(model_id="deepseek-r1")
Account.objects.update(role="admin")
"""


# What stands alone, not in a sentence, and is too low for a finger.
TOO_LOW = """() => [...document.querySelectorAll("a, button, summary, input")].filter((one) => {
  const shown = one.closest("label") ?? one;
  const { height } = shown.getBoundingClientRect();
  return height && height < 29.5 && getComputedStyle(shown).display !== "inline" &&
    !one.closest(".vh, .log, .t td, .lines");
}).map((one) => `${one.className} ${one.textContent.trim()}`)"""
STATES = """
from jobs.models import Host
from tests.factories import make_host, make_job
host = Host.objects.first()
make_job(host=host, state="failed", message_id="work:exit",
  message_args={"step": "run", "exit_code": 1})
make_job(host=host)
make_host("va16-02", type="vacc", facts={"dies": [{"id": n} for n in range(8)]})
"""


@pytest.fixture(scope="module")
def page(window, server):
    server.shell(SEED)
    with checked(window) as open_page:
        opened = open_page()
        opened.set_viewport_size(PHONE)
        yield opened


def test_search_and_language_are_in_the_bar(page, server):
    page.goto(f"/jobs/{server.job}/")
    bar = page.locator("header.bar")
    right = bar.locator(".who").bounding_box()

    assert right["x"] + right["width"] > PHONE["width"] - 24  # at its end
    bar.get_by_role("button", name="中：切换到中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    bar.get_by_role("button", name="EN: switch to English").click()
    bar.get_by_role("link", name="Search").click()
    expect(page).to_have_url(f"{server.url}/search/")
    expect(page.get_by_role("searchbox")).to_be_visible()


@pytest.mark.parametrize("kind", ["job", "deployment"])
def test_the_state_stands_before_the_actions(page, server, kind):
    page.goto(f"/{kind}s/{getattr(server, kind)}/")

    title, state, actions = (
        page.locator(f"#{kind}-head {part}").bounding_box()["y"]
        for part in ("h1", ".say", ".head > .push .btn >> nth=0")
    )

    assert title < state < actions


def test_tabs_that_overflow_are_shaded_and_show_the_chosen_one(page):
    page.set_viewport_size({"width": 300, "height": 700})
    page.goto("/launch/prepare/")
    tabs = page.locator(".front .seg")

    inner, outer = tabs.evaluate("tabs => [tabs.scrollWidth, tabs.clientWidth]")
    assert inner > outer
    assert "local" in tabs.evaluate("tabs => getComputedStyle(tabs).backgroundAttachment")
    shown = tabs.locator("label:has(:checked)").bounding_box()
    frame = tabs.bounding_box()
    assert frame["x"] <= shown["x"]
    assert shown["x"] + shown["width"] <= frame["x"] + frame["width"] + 1
    page.set_viewport_size(PHONE)


@pytest.mark.parametrize(
    "path",
    ["/", "/hosts/", "/hosts/va16-02/", "/launch/prepare/", "/models/deepseek-r1/", "/playground/"],
)
def test_what_a_finger_presses_is_30_px_high(page, server, path):
    if path == "/":
        server.shell(STATES)
    page.goto(path)

    assert page.evaluate(TOO_LOW) == []
