"""Logs in the panel: long ones, ones with overwritten lines, ones with a gap."""

import re
import subprocess
import time

import pyte
import pytest
from tqdm import tqdm

from tests.browser.lib.log_panel import IN_SIGHT, go_to, in_sight, lines, row

pytestmark = pytest.mark.browser

MILLION = 1_000_000
BAR = b"".join(b"\r%3d%%|%-20s|" % (n, b"#" * (n // 5)) for n in range(0, 101, 5))


class Terminal:
    """A file that tools take for a terminal, so that they draw bars."""

    encoding = "utf-8"

    def __init__(self):
        self.texts = []

    def write(self, text):
        self.texts.append(text)

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.fixture(scope="module")
def million():
    """A million lines, every tenth coloured, every thousandth a bar that was drawn twenty times."""
    written = bytearray()
    for n in range(1, MILLION + 1):
        if n == 777_777:
            written += b"ERROR: die 13 is \x1b[41mhot\x1b[0m\n"
        elif n % 1000 == 0:
            written += b"%s step %d\n" % (BAR, n)
        elif n % 10 == 0:
            written += b"\x1b[32mINFO\x1b[0m \x1b[38;5;208mstep %d\x1b[0m ready\n" % n
        else:
            written += b"2026-11-24 14:14:19 step %d loss 0.%d\n" % (n, n % 997)
    return written


def test_a_million_line_log_opens_at_its_end(log, open_log, million):
    log(million)
    sizes = []
    page = open_log("#")
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    page.reload()
    row(page, MILLION).wait_for()
    assert page.evaluate(IN_SIGHT)[-1] == MILLION
    assert row(page, MILLION).inner_text().startswith(f"100%|{'#' * 20}| step {MILLION}")
    assert sum(sizes) < len(million) / 10

    for number in (654_321, 2, 999_990):
        go_to(page, str(number))
        assert f"step {number}" in row(page, number).inner_text()
        assert page.url.endswith(f"#L{number}")
    orange = row(page, 999_990).locator(".xf")
    assert orange.inner_text() == "step 999990"
    assert orange.evaluate("e => e.style.getPropertyValue('--fg')") == "rgb(255 135 0)"

    log(b"one more\n")
    page.keyboard.press("f")
    row(page, MILLION + 1).wait_for()

    page.locator(".minimap .e").wait_for()
    page.keyboard.press("Shift+E")
    page.locator(".l.bad.at[data-line='777777']").wait_for()


def test_a_log_search_counts_the_same_matches_as_grep(log, open_log, million, server):
    log(million)
    path = server.logs.path(f"job/{server.job}")
    page = open_log()
    row(page, MILLION).wait_for()
    field, count = page.locator("#log-search"), page.locator("[data-log=matches]")
    for text, option in (("loss 0.12", "-cF"), ("ready", "-cF"), ("step 7+ ", "-cE")):
        if option == "-cE":
            page.click("[data-do=regex]")
        field.fill(text)
        grep = subprocess.run(["grep", option, text, str(path)], capture_output=True, check=True)
        number = f"{int(grep.stdout):,}".replace(",", "\u202f")
        count.get_by_text(re.compile(rf"/ {number}$")).wait_for()
    page.click("[data-do=regex]")

    field.fill("ready")  # 99,900 of them: more than one answer holds
    count.get_by_text(re.compile("/ 99\u202f000$")).wait_for()
    go_to(page, "500001")
    field.press("Enter")
    count.get_by_text("49\u202f501 / 99\u202f000").wait_for()
    assert page.locator(".l:has(mark.now)").get_attribute("data-line") == "500010"
    field.press("Shift+Enter")
    page.locator(".l[data-line='499990'] mark.now").wait_for()


def test_a_link_names_a_range_of_lines(log, open_log):
    log(lines(1, 50_000))
    page = open_log("#L40010-L40013")
    page.locator(".l.at").nth(3).wait_for()
    marked = page.locator(".l.at").evaluate_all("rows => rows.map((row) => row.dataset.line)")
    assert marked == ["40010", "40011", "40012", "40013"]

    page.locator(".l[data-line='40008'] > a").click()
    page.locator(".l[data-line='40012'] > a").click(modifiers=["Shift"])
    assert page.url.endswith("#L40008-L40012")
    assert page.locator(".l.at").count() == 5

    go_to(page, "nonsense")
    page.locator("#log-line.is-invalid").wait_for()
    page.get_by_text(
        "“nonsense” is not a line number. Enter 120, or a range such as 120-140."
    ).wait_for()
    go_to(page, "50001")
    page.get_by_text("The log has 50\u202f000 lines.").wait_for()
    go_to(page, "7-9")
    assert page.url.endswith("#L7-L9")
    page.locator(".l.at[data-line='9']").wait_for()


def draw_bars(count):
    """Return tqdm's output for three bars, one inside the other."""
    terminal = Terminal()
    options = {"file": terminal, "mininterval": 0, "miniters": 1, "ncols": 70, "ascii": False}
    with (
        tqdm(total=count // 100, desc="epoch", position=0, **options) as epoch,
        tqdm(total=100, desc="batch", position=1, **options) as batch,
        tqdm(total=count, desc="token", position=2, **options) as token,
    ):
        for n in range(count):
            token.update()
            batch.update()
            if n % 100 == 99:
                epoch.update()
                batch.reset()
        batch.update(100)
    return "".join(terminal.texts)


def shown_by_a_terminal(text):
    screen = pyte.Screen(100, 10)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [row.rstrip() for row in screen.display if row.strip()]


def test_three_redrawn_progress_bars_show_as_three_lines(log, open_log):
    text = "start\n" + draw_bars(10_000) + "ready\n"
    wanted = shown_by_a_terminal(text)
    assert len(wanted) == 5
    whole = text.encode()
    cut = len(whole) // 3
    log(whole[:cut])
    page = open_log()
    page.locator(".logrows .l").nth(3).wait_for()
    for start in range(cut, len(whole), 100_000):
        log(whole[start : min(len(whole), start + 100_000)])
    page.locator(".logrows .l", has_text="ready").wait_for()

    shown = page.locator(".logrows .l > span")
    page.wait_for_function("() => document.querySelectorAll('.logrows .l').length === 5")
    texts = [text.split("\n")[0] for text in shown.evaluate_all(OWN_TEXTS)]
    assert texts == wanted
    numbers = page.evaluate(IN_SIGHT)
    assert numbers == sorted(set(numbers))


OWN_TEXTS = """rows => rows.map((row) => {
  const copy = row.cloneNode(true);
  for (const fold of copy.querySelectorAll(".fold")) fold.remove();
  return copy.textContent.trimEnd();
})"""


def test_seconds_offline_lose_and_repeat_no_line(log, open_lines, window):
    page = open_lines(20)
    network = page.context.new_cdp_session(page)
    state = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", {"offline": True, **state})
    written, back_at = 20, time.monotonic() + 6
    while time.monotonic() < back_at:
        log(lines(written + 1, written + 2))
        written += 2
        page.wait_for_timeout(200)
    network.send("Network.emulateNetworkConditions", {"offline": False, **state})
    log(lines(written + 1, written + 1))
    row(page, written + 1).wait_for()

    assert all("ERR_INTERNET_DISCONNECTED" in each for each in window.complaints.take())

    rows = {}
    page.hover("[data-log=scroller]")
    while 1 not in rows:
        for line in in_sight(page, bool):
            rows[line] = row(page, line).inner_text()
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(20)
    assert rows == {n: f"line {n}" for n in range(1, written + 2)}
