"""Pages whose requests fail once: each is sent again, and the page says so meanwhile."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import until
from tests.browser.lib.log_panel import go_to, lines, row
from tests.browser.lib.measured import SEED
from tests.browser.lib.visits import checked

pytestmark = pytest.mark.browser

BARS = b"".join(b"bar %d begun\n\x1b[Abar %d ended\n" % (n, n) for n in range(3))
CHART_FILES = ("plotly-cartesian.min.", "js/charts.", "js/app.", "jsi18n/")


@pytest.fixture
def open_page(window, server):
    """Pages may complain."""
    with checked(window, but="") as opens:
        yield opens


@pytest.fixture(scope="module")
def result(server):
    (number,) = server.shell(SEED)
    return f"/results/res-{number}/"


def fail_once(window, part, *, status=0):
    """Let the first request whose address has ``part`` fail; the list fills with its address."""
    failed = []

    def answer(route):
        if failed:
            route.fallback()
        else:
            failed.append(route.request.url)
            route.fulfill(status=status) if status else route.abort("connectionreset")

    window.route(re.compile(re.escape(part)), answer)
    return failed


@pytest.mark.parametrize("status", [0, 503])
def test_a_chart_is_drawn_although_its_template_failed_once(window, open_page, result, status):
    failed = fail_once(window, "plotly-template", status=status)
    page = open_page(result)

    expect(page.locator("#throughput .main-svg").first).to_be_attached()
    assert failed


@pytest.mark.parametrize("file", CHART_FILES)
def test_a_page_loads_again_after_a_script_failed_once(window, open_page, result, file):
    failed = fail_once(window, file)
    page = open_page(result, wait_until="commit")

    expect(page.locator("#throughput .main-svg").first).to_be_attached()
    expect(page.locator("#unloaded")).to_be_hidden()
    assert failed


def test_a_page_with_typed_text_does_not_load_again(window):
    page, held = window.new_page(), []
    page.route("**/js/live.*.js", lambda route: held.append(route))
    page.goto("/", wait_until="commit")
    field = page.locator("#search")
    field.fill("mine")
    until(page, lambda: held)
    held.pop().abort("connectionreset")

    page.wait_for_load_state("load")
    expect(page.get_by_text("Parts of this page failed to load.")).to_be_visible()
    expect(field).to_have_value("mine")


def test_charts_do_not_wait_for_a_font_that_never_comes(window, open_page, result):
    window.route(re.compile("woff2"), lambda _route: None)
    page = open_page(result, wait_until="commit")

    expect(page.locator("#throughput .main-svg").first).to_be_attached()


FAILURES = [("/log/index", 0), ("/log/steps", 503), ("/log/folds", 0), ("&framed=1", 503)]


@pytest.mark.parametrize(("part", "status"), FAILURES)
def test_a_log_is_shown_although_a_request_failed_once(
    window, open_page, server, log, part, status
):
    log(BARS + lines(7, 100_000))
    failed = fail_once(window, part, status=status)
    page = open_page(f"/jobs/{server.job}/")
    row(page, 100_000).wait_for()
    go_to(page, "2")

    row(page, 2).get_by_text("1 collapsed update").wait_for()
    assert failed


def test_warnings_of_an_ended_log_are_counted_although_the_search_failed_once(
    window, open_page, server, log
):
    log(lines(1, 5) + b"WARNING: hot\n")
    server.set_state("succeeded")
    failed = fail_once(window, "search?warnings=1", status=429)
    page = open_page(f"/jobs/{server.job}/")
    expect(page.locator("[data-log=warnings]")).to_have_text("1")
    server.set_state("running")
    assert failed


def test_the_bar_names_the_wait_until_the_dashboard_answers(window, open_page, result):
    window.route(re.compile("plotly-template"), lambda route: route.abort("connectionreset"))
    page = open_page(result)

    expect(page.locator("#live")).to_contain_text("no answer, retrying in")


def test_a_part_that_htmx_reads_is_asked_for_again(window, open_page):
    failed = fail_once(window, "/search/list", status=503)
    page = open_page("/")
    page.locator("#search").fill("nowhere")

    expect(page.locator("#found")).to_contain_text("No matches.")
    assert failed


ADD = """([tag, count]) => {
  for (let n = 0; n < count; n += 1) {
    const part = document.body.appendChild(document.createElement("div"));
    part.className = "added";
    part.setAttribute(tag, "/added/");
    part.setAttribute("hx-trigger", "load");
    htmx.process(part);
  }
}"""


def with_parts(window, open_page, method, count, *, failing):
    """A page with parts that htmx asks for; the first ``failing`` requests get 503."""
    asked = []

    def answer(route):
        asked.append(route.request.method)
        route.fulfill(status=503 if len(asked) <= failing else 200, body="here")

    window.route("**/added/", answer)
    page = open_page("/")
    page.evaluate(ADD, [f"hx-{method}", count])
    until(page, lambda: len(asked) == count)
    return page, asked


def test_two_parts_with_one_path_are_both_asked_for_again(window, open_page):
    page, _asked = with_parts(window, open_page, "get", 2, failing=2)

    expect(page.locator(".added")).to_have_text(["here", "here"])
    expect(page.locator("#live")).not_to_contain_text("no answer")


def test_a_part_that_is_gone_is_no_longer_waited_for(window, open_page):
    page, asked = with_parts(window, open_page, "get", 1, failing=1000)
    expect(page.locator("#live")).to_contain_text("no answer, retrying in")
    page.evaluate("document.querySelector('.added').remove()")

    expect(page.locator("#live")).not_to_contain_text("no answer")
    assert len(asked) <= 2


def test_a_check_on_a_host_is_not_asked_for_again(window, open_page):
    page, asked = with_parts(window, open_page, "post", 1, failing=1000)
    page.wait_for_timeout(3000)

    assert asked == ["POST"]


def test_an_error_of_ours_is_not_taken_for_the_network(open_page):
    page = open_page("/")

    said = page.evaluate("""async () => {
      const app = document.querySelector("script[src*='js/app.']").src;
      const { readAgain } = globalThis.$modules["js/lib/again.js"];
      const fail = () => { throw new TypeError("ours"); };
      return readAgain(app, fail).catch((error) => error.message);
    }""")

    assert said == "ours"


def test_scrolling_counts_while_the_panel_changes_its_size(open_page, server, log):
    log(lines(1, 5000))
    page = open_page(f"/jobs/{server.job}/")
    row(page, 5000).wait_for()

    page.evaluate("""() => {
      const scroller = document.querySelector("[data-log=scroller]");
      scroller.style.width = `${scroller.clientWidth - 100}px`;
      scroller.scrollTop = 0;
    }""")

    row(page, 1).wait_for()
