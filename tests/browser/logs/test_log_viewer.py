"""The log panel in a real browser, on a server of its own whose log the test writes itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lib.log_panel import IN_SIGHT, go_to, in_sight, lines, row
from tests.browser.lib.visits import PHONE, WIDE, axe

pytestmark = pytest.mark.browser

BARS = Path(__file__).parents[2] / "data" / "evalscope-1.14-perf" / "bars.log"
# The page of a job that ended at a line that is known, before its scripts run.
FAILED_AT_77 = """document.addEventListener("readystatechange", () => {
  document.querySelector("[data-log-url]").dataset.logAt = "77";
});"""


def test_the_log_opens_at_its_end_and_follows_what_comes(log, open_lines):
    page = open_lines(5000)
    assert page.evaluate(IN_SIGHT)[-1] == 5000

    log(lines(5001, 5100))
    row(page, 5100).wait_for()
    assert page.evaluate(IN_SIGHT)[-1] == 5100
    assert page.locator("[data-log=size]").inner_text().startswith("5\u202f100 lines")


def test_the_first_line_of_a_new_log_comes_by_the_socket_alone(log, open_page, server):
    asked = []
    page = open_page("/jobs/")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/jobs/{server.job}/")
    page.locator("#the-log[data-log-state=live]").wait_for()
    log(lines(1, 3))
    row(page, 3).wait_for()

    read = [url for url in asked if url.rpartition("/log/")[2].startswith(("index", "folds"))]
    assert not read
    log(b"\r 10%\r 100%\nlast\n")
    row(page, 5).wait_for()
    row(page, 4).get_by_text("100%").wait_for()


def test_a_reader_who_scrolled_up_stays_and_sees_new_lines(log, open_lines):
    page = open_lines(5000)
    page.hover("[data-log=scroller]")
    page.mouse.wheel(0, -400)
    before = in_sight(page, lambda numbers: numbers[-1] <= 4981)
    page.locator(".pill", has_text="Paused").wait_for()
    assert page.locator("[data-log=announcer]").inner_text() == "Paused"

    log(lines(5001, 5012))
    page.locator(".pill", has_text="12 new lines").wait_for()
    assert page.evaluate(IN_SIGHT) == before

    page.keyboard.press("f")
    page.locator(".pill", has_text="Following").wait_for()
    assert page.evaluate(IN_SIGHT)[-1] == 5012


def test_scrollbar_and_link_reach_any_part_of_a_long_log(log, open_log):
    log(lines(1, 300_000))
    page = open_log("#L123456")
    row(page, 123_456).wait_for()
    assert 123_456 in page.evaluate(IN_SIGHT)

    page.evaluate("document.querySelector('[data-log=scroller]').scrollTop = 0")
    row(page, 1).wait_for()
    assert page.evaluate(IN_SIGHT)[0] == 1

    def is_at_end(numbers):
        # Lines that are still drawn at the beginning keep their place: scroll as often as needed.
        page.evaluate("document.querySelector('[data-log=scroller]').scrollTop = 1e9")
        return numbers[-1] == 300_000

    in_sight(page, is_at_end)


def test_a_log_opens_at_the_line_that_ended_its_job(open_lines):
    page = open_lines(9000)
    page.evaluate("""() => {
      const link = document.createElement("a");
      link.href = "#L4500";
      link.textContent = "line 4500";
      document.querySelector("main").append(link);
    }""")
    page.get_by_role("link", name="line 4500").click()
    page.locator(".l.at[data-line='4500']").wait_for()
    assert page.url.endswith("#L4500")
    assert page.evaluate("document.activeElement.dataset.log") == "scroller"

    page.add_init_script(FAILED_AT_77)
    page.goto(page.url.split("#")[0])
    page.locator(".l.at[data-line='77']").wait_for()


@pytest.fixture
def ended(server):
    """The server's job has ended, until the test's end."""
    server.set_state("succeeded")
    yield
    server.set_state("running")


def test_the_log_of_an_ended_job_shows_its_last_lines_until_it_is_opened(ended, log, open_log):
    log(lines(1, 5000))
    page = open_log()
    in_sight(page, lambda numbers: numbers[-1] == 5000 and len(numbers) == 12)
    assert axe(page) == []
    page.keyboard.press("w")
    in_sight(page, lambda numbers: numbers[-1] == 5000 and len(numbers) > 12)
    page.locator("[data-do=fold]", has_text="Fold the log").click()
    in_sight(page, lambda numbers: numbers[-1] == 5000 and len(numbers) == 12)

    page.locator("#log-search").fill("line 77")
    page.locator(".l[data-line='77'] mark.now").wait_for()
    assert page.locator("[data-log-folded]").count() == 0
    page.goto("about:blank")
    page = open_log("#L4242")
    in_sight(page, lambda numbers: 4242 in numbers and len(numbers) > 12)
    expect(page.locator(".l.at[data-line='4242']")).to_be_in_viewport()


def test_a_short_log_has_nothing_to_open(ended, log, open_log):
    log(lines(1, 3))
    page = open_log()
    row(page, 3).wait_for()
    expect(page.locator("[data-do=fold]")).to_be_hidden()


@pytest.mark.parametrize("is_read", [False, True])
def test_at_its_end_the_outcome_comes_first_unless_the_log_is_read(
    server, log, open_lines, is_read
):
    page = open_lines(5000)
    if is_read:
        page.keyboard.press("f")
        page.locator(".pill", has_text="Paused").wait_for()
        before = page.evaluate(IN_SIGHT)
    server.set_state("failed")
    try:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as on a return
        page.locator("#why").wait_for()
        page.locator("[data-log-state=over]").wait_for()
        if is_read:
            assert page.evaluate(IN_SIGHT) == before
        else:
            in_sight(page, lambda numbers: numbers[-1] == 5000 and len(numbers) == 12)
        outcome, panel = (page.locator(one).bounding_box() for one in ("#why", ".logpanel"))
        assert (outcome["y"] < panel["y"]) is not is_read
        assert (outcome["width"] == panel["width"]) is not is_read
    finally:
        server.set_state("running")


def test_every_line_passes_once_while_scrolling_up(log, open_log):
    log(b"".join(b"line %d %s\n" % (n, b"long " * (n % 60)) for n in range(1, 3001)))
    page = open_log()
    row(page, 3000).wait_for()
    page.hover("[data-log=scroller]")
    shown = page.evaluate(IN_SIGHT)
    for _ in range(12):
        page.mouse.wheel(0, -300)
        top = shown[0]
        now = in_sight(page, lambda lines, top=top: lines[0] != top)
        assert now[-1] >= shown[0]  # nothing is passed over
        assert now == list(range(now[0], now[-1] + 1))
        shown = now


def test_what_a_job_prints_never_becomes_html(log, open_log):
    log(b"<b>bold</b><img src=x onerror=alert(1)>\n\x1b[31m<script>\x1b[0m&amp;\n")
    log("a\u202eb\u2066c\x9b31m\x1b]0;title\x07\x1b[2J\x1b[H!\n".encode())
    page = open_log()
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))

    assert row(page, 1).inner_text() == "<b>bold</b><img src=x onerror=alert(1)>"
    assert row(page, 2).inner_text() == "<script>&amp;"
    assert row(page, 2).locator(".ar").inner_text() == "<script>"
    assert row(page, 3).inner_text() == "aU+202EbU+2066c31m!"
    assert page.locator(".logrows").locator("b b, img, script").count() == 0
    assert not dialogs
    assert page.title() != "title"


def test_progress_is_one_line_that_is_drawn_anew(log, open_log):
    log(b"start\n" + b"".join(b"\r %d%%" % n for n in range(165)))
    page = open_log()
    row(page, 2).get_by_text("164 earlier updates").wait_for()
    assert row(page, 2).inner_text().startswith(" 164%")

    log(b"\r done\nnext\n")
    row(page, 3).wait_for()
    assert row(page, 2).inner_text().startswith(" done")


def test_several_bars_leave_no_empty_rows(log, open_log):
    """Bytes of a real benchmark; its numbers are the file's, with gaps where bars were redrawn."""
    whole = BARS.read_bytes()
    page = open_log()
    for start in range(0, len(whole), 1500):
        log(whole[start : start + 1500])
    row(page, 53).wait_for()
    shown = in_sight(page, lambda numbers: len(numbers) == 15)
    assert shown == [1, 2, 3, 4, 7, 9, 10, 18, 45, 48, 49, 50, 51, 52, 53]
    assert page.locator("[data-log=size]").inner_text().startswith("53 lines")

    row(page, 45).get_by_role("button", name="26 collapsed updates").click()
    # How many rows there is room for depends on what stands above, such as a host that is away.
    in_sight(page, lambda numbers: numbers[7:17] == list(range(18, 28)))
    assert row(page, 21).inner_text().startswith("Processing[parallel_1_number_12]:   8%")
    assert page.evaluate("document.activeElement.closest('.l').dataset.line") == "19"
    page.keyboard.press("Enter")
    in_sight(page, lambda numbers: numbers == shown)

    page.locator("#log-search").fill("67%")
    page.locator(".l[data-line='35'] mark.now").wait_for()

    other = open_log("#L14")
    other.locator(".l.at[data-line='14']").wait_for()


def test_a_followed_log_stays_at_its_end_after_a_resize(log, open_log):
    log(b"".join(b"line %d %s\n" % (n, b"long " * (n % 90)) for n in range(1, 601)))
    page = open_log()
    for size in (PHONE, {"width": 390, "height": 3000}, PHONE, WIDE):
        page.set_viewport_size(size)
        in_sight(page, lambda numbers: numbers[-1] == 600)
        page.locator(".pill", has_text="Following").wait_for()
    # For a picture of the whole page the browser makes the window huge, and the bar jumps.
    page.set_viewport_size(PHONE)
    in_sight(page, lambda numbers: numbers[-1] == 600)
    page.screenshot(full_page=True)
    in_sight(page, lambda numbers: numbers[-1] == 600)
    assert page.locator(".pill").inner_text() == "Following"


@pytest.mark.parametrize("paused", [False, True])
def test_a_panel_that_gets_another_room_shows_the_same_place(log, open_log, paused):
    log(b"".join(b"line %d %s\n" % (n, b"long " * (n % 25)) for n in range(1, 401)))
    page = open_log()
    row(page, 400).wait_for()
    if paused:
        page.keyboard.press("f")
        page.locator(".pill", has_text="Paused").wait_for()
    log(lines(401, 800))
    page.locator(".pill", has_text="400 new lines" if paused else "Following").wait_for()
    in_sight(page, lambda numbers: paused or numbers[-1] == 800)
    before = page.evaluate(IN_SIGHT)
    for is_narrow in (True, False, True):
        # What happens when a job ends: other panels come beside it, and the pill's place goes.
        page.evaluate(
            """(isNarrow) => {
              document.querySelector(".logpanel").dataset.logState = isNarrow ? "over" : "live";
              document.querySelector(".the-log").style.width = isNarrow ? "700px" : "";
            }""",
            is_narrow,
        )
        page.wait_for_timeout(300)
        shown = page.evaluate(IN_SIGHT)
        assert (shown[0] == before[0]) if paused else (shown[-1] == 800)
        label = page.locator(".pill").inner_text()
        assert label == ("400 new lines" if paused else "Following")


def test_a_search_counts_the_whole_log_and_walks_through_it(open_lines):
    page = open_lines(20_000)
    field, count = page.locator("#log-search"), page.locator("[data-log=matches]")
    field.fill("LINE 77")
    count.get_by_text("no match", exact=True).wait_for()

    field.fill("line 1999")
    count.get_by_text("2 / 11", exact=True).wait_for()
    page.evaluate("document.querySelector('[data-log=scroller]').scrollTop = 0")
    in_sight(page, lambda numbers: numbers[0] == 1)
    field.press("Enter")
    count.get_by_text("1 / 11").wait_for()
    page.locator("mark.now").wait_for()
    assert page.locator(".l:has(mark.now)").get_attribute("data-line") == "1999"
    field.press("Enter")
    page.locator(".l[data-line='19990'] mark.now").wait_for()
    field.press("Shift+Enter")
    field.press("Shift+Enter")
    page.locator(".l[data-line='19999'] mark.now").wait_for()
    page.click("[data-do=only]")
    in_sight(page, lambda numbers: len(numbers) == 11)
    page.click("[data-do=only]")

    page.click("[data-do=regex]")
    field.fill("LINE (9+)$".lower())
    count.get_by_text("1 / 4", exact=True).wait_for()
    page.locator("mark.now").wait_for()  # looked for in a worker, which the policy allows


def test_a_search_jumps_to_its_first_match_and_back(log, open_log):
    log(b"alpha\nalpine\n" + lines(3, 3000))
    page = open_log()
    row(page, 3000).wait_for()
    field = page.locator("#log-search")

    field.press_sequentially("alp")
    page.locator(".l[data-line='1'] mark.now").wait_for()
    field.press_sequentially("i")
    page.locator(".l[data-line='2'] mark.now").wait_for()
    field.press("Escape")

    in_sight(page, lambda numbers: numbers[-1] == 3000)
    page.locator(".pill", has_text="Following").wait_for()

    field.fill("alp")
    page.locator(".l[data-line='1'] mark.now").wait_for()
    field.press("Enter")
    page.locator(".l[data-line='2'] mark.now").wait_for()
    page.locator(".logview").focus()
    page.keyboard.press("Shift+M")
    page.locator(".l[data-line='1'] mark.now").wait_for()
    assert "/launch/" not in page.url
    field.press("Escape")
    page.wait_for_timeout(400)
    assert page.evaluate(IN_SIGHT)[0] == 1  # gone on from a match: it is where one wants to be


def test_a_step_says_how_many_matches_it_has_and_opens_for_them(log, open_log, server):
    log(lines(1, 3000))
    server.set_steps(len(lines(1, 1000)))
    page = open_log()
    row(page, 3000).wait_for()
    group = page.locator("[data-group='0']")

    page.locator("#log-search").fill("line 99")

    page.locator(".l[data-line='99'] mark.now").wait_for()
    page.locator("[data-log=scroller]").press("Home")
    group.get_by_text("11 matches").wait_for()
    assert group.get_attribute("aria-expanded") == "true"


def test_a_search_starts_at_the_first_visible_step(log, open_log, server):
    log(lines(1, 3000))
    server.set_steps(len(lines(1, 1000)))
    page = open_log()
    row(page, 3000).wait_for()
    page.locator("[data-log=scroller]").press("Home")
    page.locator("[data-group='0']").hover()
    page.mouse.wheel(0, 31)
    in_sight(page, lambda numbers: numbers[0] == 1001)

    page.locator("#log-search").fill("line 1")

    page.locator(".l[data-line='1001'] mark.now").wait_for()


def test_lines_that_come_are_dated_by_the_dashboards_clock(log, open_log):
    page = open_log()
    page.add_init_script("{ const now = Date.now; Date.now = () => now.call(Date) + 3 * 3600e3; }")
    page.reload()
    page.locator("[data-log-state=live]").wait_for()
    log(b"now\n")
    row(page, 1).wait_for()

    stamp = page.locator(".logrows [data-line='1'] > time").get_attribute("datetime")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(stamp)) < timedelta(minutes=10)


def test_line_links_and_the_strip_follow_every_jump(open_lines):
    page = open_lines(5000)
    viewport = page.locator(".minimap .v")
    at_end = viewport.bounding_box()

    go_to(page, "1,200")

    page.locator(".l.at[data-line='1200']").wait_for()
    with page.context.expect_page() as other:
        page.locator(".l[data-line='1200'] > a").click(modifiers=["Control"])
    other.value.locator(".l.at[data-line='1200']").wait_for()
    other.value.close()
    assert viewport.bounding_box()["y"] < at_end["y"] - 100


def test_warnings_alone_show_for_a_long_log_at_its_end(log, open_log):
    log(lines(1, 3000) + b"WARNING: too hot\n" + lines(3002, 5000))
    page = open_log()
    row(page, 5000).wait_for()
    page.locator("[data-log=warnings]", has_text="1").wait_for()

    page.locator("[data-do=warnings]").click()

    row(page, 3001).wait_for()
    assert in_sight(page, lambda numbers: numbers == [3001])
    page.locator("[data-do=all]").click()
    in_sight(page, lambda numbers: len(numbers) > 5)


def test_warnings_are_visited_from_where_the_reader_is(log, open_lines):
    page = open_lines(1000)
    page.locator("[data-do=warnings]").click()
    page.locator("[data-log=note]", has_text="No warnings or errors.").wait_for()
    page.locator("[data-do=all]").click()
    log(b"WARNING 1001\n" + lines(1002, 3000) + b"ERROR 3001\n" + lines(3002, 4000))
    page.locator("[data-log=warnings]", has_text="2").wait_for()

    go_to(page, "1 001")
    page.locator(".l.at[data-line='1001']").wait_for()
    go_to(page, "2000")
    page.locator(".l.at[data-line='2000']").wait_for()
    page.keyboard.press("e")
    page.locator(".l.at[data-line='3001']").wait_for()
    page.keyboard.press("e")
    page.locator(".l.at[data-line='1001']").wait_for()


def test_clearing_the_search_keeps_the_chosen_line(open_lines):
    page = open_lines(3000)
    page.locator("#log-search").fill("line 77")
    page.locator(".l[data-line='77'] mark.now").wait_for()
    go_to(page, "1500")
    page.locator(".l.at[data-line='1500']").wait_for()

    page.locator("#log-search").press("Escape")

    page.wait_for_timeout(500)
    assert 1500 in page.evaluate(IN_SIGHT)


def test_a_match_far_down_or_aside_scrolls_into_view(log, open_log):
    log(lines(1, 50) + b"x" * 20_000 + b"needle\n" + lines(52, 100))
    page = open_log()
    row(page, 100).wait_for()
    in_view = """() => {
      const mark = document.querySelector("mark.now")?.getBoundingClientRect();
      const view = document.querySelector("[data-log=scroller]").getBoundingClientRect();
      return mark && mark.top >= view.top && mark.bottom <= view.bottom
        && mark.left >= view.left && mark.right <= view.right;
    }"""
    for button in (None, "[data-do=wrap]"):
        if button:
            page.locator(button).click()
        page.locator("#log-search").fill("")
        page.wait_for_timeout(400)
        page.locator("#log-search").fill("needle")
        for _ in range(100):
            if page.evaluate(in_view):
                break
            page.wait_for_timeout(50)
        assert page.evaluate(in_view)


def test_home_and_end_lead_there_while_the_log_grows(log, open_lines):
    page = open_lines(3000)
    page.locator("[data-log=scroller]").focus()

    def press(key, last):
        page.keyboard.press(key)
        for first in range(last + 1, last + 201, 20):
            log(lines(first, first + 19))
            page.wait_for_timeout(60)

    press("Home", 3000)
    in_sight(page, lambda numbers: numbers[0] == 1)
    press("End", 3200)
    in_sight(page, lambda numbers: numbers[-1] == 3400)
    page.locator(".pill", has_text="Following").wait_for()


def test_a_copy_has_no_line_numbers(open_lines):
    page = open_lines(3)
    copied = page.evaluate(
        "() => { getSelection().selectAllChildren(document.querySelector('.logrows'));"
        " return getSelection().toString(); }"
    )
    assert [line for line in copied.splitlines() if line] == ["line 1", "line 2", "line 3"]


def test_a_page_that_was_cut_off_shows_what_came_meanwhile(log, open_lines, window):
    page = open_lines(10)
    page.context.set_offline(True)  # new connections fail; the old one is closed by the script
    page.locator(".pill").click()
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.locator(".pill", has_text="Paused · disconnected").wait_for()
    page.locator(".pill").click()
    page.locator(".pill", has_text="Disconnected, retrying").wait_for()
    log(lines(11, 20))
    page.context.set_offline(False)
    row(page, 20).wait_for()
    assert page.locator(".logrows .l").count() == 20
    assert all("ERR_INTERNET_DISCONNECTED" in each for each in window.complaints.take())


def test_axe_finds_nothing_on_the_log_panel(log, open_log):
    log(lines(1, 100) + b"\x1b[33mWARNING\x1b[0m hot\nTraceback (most recent call last):\n")
    page = open_log()
    row(page, 102).wait_for()
    page.locator("[data-log=warnings]", has_text="2").wait_for()
    assert axe(page) == []
