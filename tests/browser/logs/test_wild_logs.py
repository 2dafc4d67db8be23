"""The log panel with a line of 50 MB and with binary garbage."""

import random
import re

import pytest

from tests.browser.lib.log_panel import IN_SIGHT, go_to, in_sight, lines, row
from tests.pressure.tool import MARKUP, QUERIES

pytestmark = pytest.mark.browser

MEGABYTE = 1_000_000
DIGITS = b"0123456789" * (MEGABYTE // 10)


def test_a_line_of_50_mb_is_shown_cut_and_downloaded_whole(log, open_log):
    log(b"before\nbegin ")
    for _ in range(50):
        log(DIGITS)
    log(b" end\n" + lines(3, 102))
    sizes = []
    page = open_log()
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    row(page, 102).wait_for()

    page.evaluate("document.querySelector('[data-log=scroller]').scrollTop = 0")
    rest = row(page, 2).get_by_role("link", name="… 50.0 MB more, download")
    rest.wait_for()
    assert page.evaluate(IN_SIGHT)[:2] == [1, 2]
    shown = row(page, 2).inner_text()
    assert shown.startswith("begin 0123456789")
    assert len(shown) < 1100
    assert sum(sizes) < 5 * MEGABYTE
    with page.expect_download() as download:
        rest.click()
    with download.value.path().open("rb") as file:
        assert file.read(6) == b"begin "
        assert all(file.read(MEGABYTE) == DIGITS for _ in range(50))
        assert file.read() == b" end"

    log(b"after\n")
    page.keyboard.press("f")
    row(page, 103).wait_for()
    assert page.evaluate(IN_SIGHT)[-1] == 103


def test_a_line_that_has_no_end_yet_is_followed(log, open_log):
    page = open_log()
    for _ in range(4):
        log(b"\x1b[31m0123456789\x1b[0m" * 100_000)
        page.wait_for_timeout(200)
    row(page, 1).get_by_role("link", name=re.compile(r"7\.[56]\d MB more, download")).wait_for()
    assert len(row(page, 1).inner_text()) < 1100

    log(b"\nnext\n")
    row(page, 2).get_by_text("next").wait_for()


def test_binary_garbage_is_harmless_text(log, open_log):
    chance = random.Random(50)
    page = open_log()
    title = page.title()
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for _ in range(5):
        log(chance.randbytes(MEGABYTE) + QUERIES + MARKUP)
    log(b"\n\x1b[0mreadable\n")
    page.locator(".logrows .l", has_text="readable").wait_for()

    last = page.evaluate(IN_SIGHT)[-1]
    assert page.locator(".logrows .l > span").last.inner_text() == "readable"
    markup = page.locator(".logrows .l", has_text="<script>document.title='run'</script>")
    markup.wait_for()
    assert page.locator(".logrows").locator("script, img, b b, iframe").count() == 0
    page.evaluate("document.querySelector('[data-log=scroller]').scrollTop = 0")
    in_sight(page, lambda numbers: numbers[0] == 1)
    go_to(page, str(last // 2))
    in_sight(page, lambda numbers: last // 2 in numbers)
    page.locator("#log-search").fill("readable")
    page.locator("[data-log=matches]").get_by_text("1 / 1", exact=True).wait_for()
    assert (page.title(), dialogs) == (title, [])
    assert "run" not in page.evaluate("document.title.split(' ')")


def test_bars_beyond_the_fold_limit_have_a_row_a_line(log, open_log):
    bars = b"".join(b"bar %06d begun\n\x1b[Abar %06d has ended\n" % (n, n) for n in range(60_000))
    log(bars)
    page = open_log()
    row(page, 120_000).wait_for()
    page.locator("[data-log=size]", has_text="progress bars collapsed up to line").wait_for()
    assert row(page, 119_999).inner_text() == "bar 059999 begun"

    page.evaluate("document.querySelector('[data-log=scroller]').scrollTop = 0")
    row(page, 2).get_by_text("1 collapsed update").wait_for()
    log(b"bar 060000\n\x1b[Adone\n")
    page.keyboard.press("f")
    row(page, 120_002).get_by_text("done").wait_for()
