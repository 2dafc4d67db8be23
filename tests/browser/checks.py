"""What every page must stand: light and dark, wide and on a phone, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playwright.sync_api import BrowserContext, Page

from tests.browser.visits import PHONE, WIDE, Complaints, axe, too_wide

SIZES = {"1440 px": WIDE, "390 px": PHONE}
Looks = Mapping[str, Sequence[str]]
# A page is loaded twice, so that it is seen in both widths and both themes.
LOOKS: Looks = {"1440 px": ("light",), "390 px": ("dark",)}
# The same for pages that are seen in two languages, once in each: which language gets which look is
# another from page to page.
IN_TURNS: Sequence[Mapping[str, Looks]] = (
    {"en": {"1440 px": ("light",)}, "zh": {"390 px": ("dark",)}},
    {"en": {"390 px": ("light",)}, "zh": {"1440 px": ("dark",)}},
    {"en": {"390 px": ("dark",)}, "zh": {"1440 px": ("light",)}},
    {"en": {"1440 px": ("dark",)}, "zh": {"390 px": ("light",)}},
)
# A page that is live says so in its bar; fragments and charts have come once no request is open.
SETTLE_MS = 10_000
# Colours fade from one theme to the other, and axe would judge what is half way.
NO_FADING = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("*, *::before, *::after { transition: none !important }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
POLL_MS = 100  # by the clock: a page that nobody looks at may be drawn no more


def faults(
    context: BrowserContext, path: str, *, status: int = 200, looks: Looks = LOOKS
) -> list[str]:
    """All that is wrong with the page at ``path``, a line for each fault."""
    complaints = Complaints()
    page = context.new_page()
    complaints.listen(context)
    found: list[str] = []
    try:
        for size, schemes in looks.items():
            page.set_viewport_size(SIZES[size])
            answer = page.goto(path)
            assert answer is not None
            if answer.status != status:
                found.append(f"{size}: answered {answer.status}")
            settle(page)
            page.evaluate(NO_FADING)
            for scheme in schemes:
                page.emulate_media(color_scheme=scheme)
                found += [f"{size}, {scheme}: {fault}" for fault in axe(page)]
            if wide := too_wide(page):
                found.append(f"{size}: {wide}")
    finally:
        page.close()
    expected = f"{status}: " if status >= 400 else "-"
    return found + [said for said in complaints if not said.startswith(expected)]


def settle(page: Page) -> None:
    """Until modules have run, charts are drawn and nothing is asked for any more."""
    page.wait_for_load_state("networkidle", timeout=SETTLE_MS)
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-chart]')]"
        ".every((chart) => chart.closest('[hidden]') || chart.querySelector('.main-svg'))",
        polling=POLL_MS,
        timeout=SETTLE_MS,
    )
