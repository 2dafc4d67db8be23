"""The dashboard's own requests in the server log, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.lib.log_panel import row

pytestmark = pytest.mark.browser

ASKED = (
    b'INFO:     127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK\n',
    b'INFO:     127.0.0.1:55136 - "GET /metrics HTTP/1.1" 200 OK\n',
)
WRONG = b"ERROR 11-27 08:00:00 engine.py:1] EngineDeadError: out of memory\n"
ANSWERED = b'INFO:     127.0.0.1:60000 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
REFUSED = b'INFO:     127.0.0.1:55136 - "GET /health HTTP/1.1" 503 Service Unavailable\n'
LOG = b"".join(ASKED) * 900 + WRONG + b"".join(ASKED) * 900 + ANSWERED + REFUSED
FIRST, SECOND = 1801, 3602  # what is no poll: the error, then the other two
IN_ROWS = """() =>
  [...document.querySelectorAll(".logrows [data-line]")].map((row) => Number(row.dataset.line))"""


@pytest.fixture
def page(open_page, server):
    key = f"deployment/{server.deployment}"
    for file in server.logs.path(key).parent.glob(f"{server.deployment}.*"):
        file.unlink()
    server.logs.append(key, 0, LOG)
    return open_page(f"/deployments/{server.deployment}/")


def test_own_requests_are_hidden_and_counted_but_errors_show(page):
    expect(page.get_by_role("button", name="own requests hidden")).to_have_text(
        "3\u202f600 own requests hidden"
    )
    expect(row(page, FIRST)).to_contain_text("EngineDeadError")
    expect(row(page, SECOND)).to_contain_text("POST /v1/chat/completions")
    expect(row(page, SECOND + 1)).to_contain_text("503 Service Unavailable")
    assert page.evaluate(IN_ROWS) == [FIRST, SECOND, SECOND + 1]


def test_a_click_shows_them_and_a_reload_keeps_that(page):
    page.get_by_role("button", name="own requests hidden").click()
    switch = page.get_by_role("button", name="own requests")
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(row(page, SECOND - 1)).to_contain_text("GET /metrics")

    page.reload()

    expect(row(page, SECOND - 1)).to_contain_text("GET /metrics")
    expect(switch).to_have_text("Hide 3\u202f600 own requests")
    switch.click()
    expect(row(page, SECOND - 1)).to_have_count(0)
    expect(row(page, FIRST)).to_contain_text("EngineDeadError")


@pytest.mark.parametrize("link", ["Download raw log", "Download as plain text"])
def test_a_download_has_all_of_them(page, link):
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()

    assert download.value.path().read_bytes() == LOG


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_their_switch_moves_no_button_when_it_comes(page, width):
    expect(row(page, SECOND + 1)).to_be_visible()
    held = []
    page.route("**/polls?**", lambda route: held.append(route))
    page.set_viewport_size({"width": width, "height": 800})
    with page.expect_request("**/polls?**"):
        page.reload()
    link = page.get_by_role("link", name="Download as plain text")
    expect(page.get_by_role("button", name="own requests hidden")).to_be_hidden()
    place = link.bounding_box()

    for route in held:
        route.continue_()

    expect(page.get_by_role("button", name="own requests hidden")).to_be_visible()
    assert link.bounding_box() == place


def test_own_requests_never_flash_while_following(page, server):
    """Each frame is looked at while requests come one by one, and then a line of the server's."""
    expect(row(page, SECOND + 1)).to_be_visible()
    page.evaluate(
        """() => {
          window.own = [];
          const look = () => {
            for (const row of document.querySelectorAll(".logrows [data-line]"))
              if (row.textContent.includes("GET /metrics HTTP")) window.own.push(row.dataset.line);
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    key = f"deployment/{server.deployment}"
    for data in (*ASKED * 6, b"INFO: the last word\n"):
        server.logs.append(key, server.logs.size(key), data)
        page.wait_for_timeout(150)

    expect(row(page, SECOND + 2 + 12)).to_contain_text("the last word")
    assert page.evaluate("window.own") == []
