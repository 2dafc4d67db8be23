"""Checks of every page: light and dark, wide and on a phone, in English and in Chinese."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from playwright.sync_api import BrowserContext, Page, Request

from tests.browser.lib.visits import PATIENCE_MS, PHONE, WIDE, axe, too_wide
from tests.waiting import PATIENCE_S

SIZES = {"1440 px": WIDE, "390 px": PHONE}
# Widths that a loaded page is brought to, to see whether it fits.
FITS_IN = ({"width": 1280, "height": 800}, PHONE)
REDRAWN_MS = 500  # charts follow the width of their window a moment later
Looks = Mapping[str, Literal["light", "dark"]]
# A page is loaded twice, so that it is seen in both widths and both themes.
LOOKS: Looks = {"1440 px": "light", "390 px": "dark"}
_IN_TURNS: Sequence[Mapping[str, Looks]] = (
    {"en": {"1440 px": "light"}, "zh": {"390 px": "dark"}},
    {"en": {"390 px": "light"}, "zh": {"1440 px": "dark"}},
    {"en": {"390 px": "dark"}, "zh": {"1440 px": "light"}},
    {"en": {"1440 px": "dark"}, "zh": {"390 px": "light"}},
)
# A page that is live says so in its bar; fragments and charts have come once no request is open.
# Modules have run, as far as they had come.
AT_REST = "() => new Promise((done) => requestIdleCallback(() => done(), { timeout: 1000 }))"
# Tables wider than their card, also in tabs, and names cut at their end, where variants differ.
CUT = """() => {
  for (const tab of document.querySelectorAll("main [role=tabpanel]")) tab.hidden = false;
  const cuts = (element) => getComputedStyle(element).textOverflow === "ellipsis";
  const others = ":not(.log *, .mid > :first-child, .who-name, .play *, .manual *)";
  const shown = [...document.querySelectorAll(`main *${others}`)].filter((element) =>
     element.checkVisibility() && (cuts(element) || element.matches("table")));
  return shown.map((element) => [element, element.matches("table")
    ? element.closest(".scroll, .panel, .prose") ?? element.parentElement : element])
    .filter(([, card]) => card.scrollWidth > card.clientWidth + 1)
    .map(([element, card]) => `${element.localName}.${element.className}: ${card.scrollWidth} px`
      + ` in ${card.clientWidth} px: ${element.textContent.trim().slice(0, 60)}`);
}"""
QUIET_LOOKS, BETWEEN_MS = 3, 40
SQUEEZED = """() => [...document.querySelectorAll("label, summary")].filter((box) =>
  box.checkVisibility() && box.clientWidth && getComputedStyle(box).overflowX === "visible"
  && box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent.trim())"""
# An icon without a size in its style grows to the width of its line.
HUGE_ICONS = """() => [...document.querySelectorAll("svg:has(> use)")].filter((icon) =>
  icon.checkVisibility() && icon.getBoundingClientRect().height > 64)
  .map((icon) => icon.firstElementChild.getAttribute("href"))"""
POLL_MS = 100  # by the clock: a page in the background may get no frames


class Inspector:
    """Looks at one address after another, in a page that it keeps: a new one costs a process."""

    def __init__(self, context: BrowserContext) -> None:
        self._complaints = context.complaints
        self._page = context.new_page()
        self._open: set[Request] = set()
        # Its handlers are functions: it writes attributes to them.
        self._page.on("request", lambda request: self._open.add(request))
        self._page.on("requestfinished", lambda request: self._open.discard(request))
        self._page.on("requestfailed", lambda request: self._open.discard(request))

    def faults(
        self, path: str, *, status: int = 200, looks: Looks = LOOKS, resized: bool = False
    ) -> list[str]:
        """All that is wrong with the page at ``path``, a line for each fault.

        ``resized``: at the end, its window gets all widths of ``FITS_IN``, too.
        """
        page, faults = self._page, []
        self._complaints.take()  # what other pages of the window have had to say
        for size, scheme in looks.items():
            page.set_viewport_size(SIZES[size])
            page.emulate_media(color_scheme=scheme)
            answer = page.goto(path)
            if answer.status != status:
                faults.append(f"{size}: answered {answer.status}")
            self._settle()
            faults += [f"{size}, {scheme}: {fault}" for fault in axe(page)]
            if wide := too_wide(page):
                faults.append(f"{size}: {wide}")
            faults += [f"{size}: huge icon: {name}" for name in page.evaluate(HUGE_ICONS)]
            faults += [f"{size}: wider than its box: {text}" for text in page.evaluate(SQUEEZED)]
        if resized:
            faults += overflows(page, also=CUT)
        expected = f"{status}: " if status >= 400 else "-"
        return faults + [
            complaint for complaint in self._complaints if not complaint.startswith(expected)
        ]

    def _settle(self) -> None:
        """Wait as :func:`settle`, but only until several looks in a row find no open request."""
        quiet, deadline = 0, time.monotonic() + PATIENCE_S
        while quiet < QUIET_LOOKS:
            assert time.monotonic() < deadline, f"still asked for: {[r.url for r in self._open]}"
            self._page.evaluate(AT_REST)
            self._page.wait_for_timeout(BETWEEN_MS)
            quiet = 0 if self._open else quiet + 1
        wait_for_charts(self._page)


def in_turns(number: int) -> Mapping[str, Looks]:
    """Return the look at page ``number``: each page is seen once, in one language."""
    return _IN_TURNS[number % len(_IN_TURNS)]


def overflows(page: Page, also: str = "") -> list[str]:
    """Return each overflow to the side of a loaded page in the widths of ``FITS_IN``. ``also``:
    what a script finds in the first one."""
    found: list[str] = []
    for size in FITS_IN:
        page.set_viewport_size(size)
        if too_wide(page):
            page.wait_for_timeout(REDRAWN_MS)
        if also and size == FITS_IN[0]:
            found += page.evaluate(also)
        found.append(too_wide(page))
    return [each for each in found if each]


def settle(page: Page) -> None:
    """Until modules have run, charts are drawn and nothing is asked for any more."""
    page.wait_for_load_state("networkidle", timeout=PATIENCE_MS)
    wait_for_charts(page)


def until(page: Page, is_so: Callable[[], bool]) -> None:
    for _ in range(PATIENCE_MS // 50):
        if is_so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to be")


def wait_for_charts(page: Page) -> None:
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-chart]')]"
        ".every((chart) => chart.closest('[hidden]') || chart.querySelector('.main-svg'))",
        polling=POLL_MS,
        timeout=PATIENCE_MS,
    )
