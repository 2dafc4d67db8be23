"""Adding a host in a real browser: the page that is shown once, and the host that arrives."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import settle
from tests.browser.lib.visits import PHONE, WIDE, axe, too_wide
from tests.dashboard.lib.http_host import HttpHost

pytestmark = pytest.mark.browser

FACTS = {
    "dies": [{"id": number} for number in range(32)],
    "tools": [{"name": "vasmi", "version": "2.8.6", "path": "/usr/bin/vasmi"}],
    "disk": {"total_bytes": 8 * 10**12, "free_bytes": 38 * 10**11},
    "roots": {"environments": "/h/environments", "weights": "/h/weights"},
}


ADMIN = "from jobs.models import Account; Account.objects.update(role='admin')"


@pytest.fixture
def page(open_page, server):
    server.shell(ADMIN)
    return open_page("/hosts/add_host/")


def test_the_page_that_is_shown_once_sees_the_host_arrive(page, server):
    page.get_by_label("Name", exact=True).fill("va16-01")
    page.get_by_role("button", name="Add host").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("va16-01 is added")
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        settle(page)
        assert axe(page) == []
        assert too_wide(page) == ""
    key = re.search(r"HOST_KEY=(\S+)", page.locator("#c2").inner_text())[1]
    title = page.locator("#arrival h2")
    expect(title).to_have_text("Waiting for va16-01")

    HttpHost(server.url, key).beat(**FACTS)

    expect(title).to_have_text("va16-01 is connected", timeout=30_000)
    # The commands stay as long as the page does.
    assert key in page.locator("#c2").inner_text()
    page.goto("/hosts/va16-01/")
    assert page.locator(".cardgrid .die").count() == 32
    assert key not in page.content()


def test_a_commands_button_copies_all_of_it(window, page):
    window.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Name", exact=True).fill("va16-02")
    page.get_by_role("button", name="Add host").click()

    page.locator('[data-copy="#c2"]').click()

    expect(page.locator('[data-copy="#c2"]')).to_contain_text("Copied")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.locator("#c2").inner_text()
    assert copied.endswith("\nEND")
