"""Visits to pages, and the complaints of the browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, Response

from tests.dashboard.lib.socket_server import Server
from tests.stack import PASSWORD, Stack
from tests.waiting import PATIENCE_S

# Each window would load two pages for its address bar, which no test uses, and start a process
# ahead. The switch replaces Playwright's own, whose first two names it keeps.
NOT_NEEDED = (
    *("PaintHolding", "HttpsUpgrades", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    "SpareRendererForSitePerProcess",
)
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    f"--disable-features={','.join(NOT_NEEDED)}",
    "--font-render-hinting=none",  # as with windows: letters are as wide
]
AXE = Path(__file__).parent.parent / "vendor" / "axe" / "axe.min.js"
PATIENCE_MS = int(PATIENCE_S * 1000)
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Everything that axe knows of WCAG 2.2 to AA, and its own best practices.
RUN_AXE = """async () => {
  const report = await axe.run(document, { resultTypes: ["violations"] });
  return report.violations.flatMap((rule) => rule.nodes.map(
    (node) => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}"""
# In the page itself, because the browser reports a violation to the page that made it.
NOTE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI}`));
"""
# What htmx says of a request that ended with the page that was left, or for a newer one.
ABORTED = ("htmx:afterRequest", "htmx:sendAbort")
OF_FONTS = "() => document.fonts.status === 'loaded'"  # those in their place are wider
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


class Complaints(list[str]):
    """Complaints of a window's pages: console, exceptions, policy, failed requests."""

    def __init__(self, window: BrowserContext) -> None:
        super().__init__()
        window.add_init_script(NOTE_VIOLATIONS)
        window.on("console", lambda message: self._printed(message.type, message.text))
        window.on("weberror", lambda error: self.append(f"exception: {error.error}"))
        window.on("response", self._answered)
        window.on("requestfailed", self._failed)

    def take(self) -> list[str]:
        taken, self[:] = list(self), []
        return taken

    def _printed(self, level: str, text: str) -> None:
        # The answer itself is noted, with its address.
        noted = ("Failed to load resource", *ABORTED)
        if level in ("error", "warning") and not text.startswith(noted):
            self.append(f"console: {text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.append(f"{response.status}: {response.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that was left
            self.append(f"{request.failure}: {request.url}")


@contextmanager
def open_window(
    browser: Browser, site: Server | Stack | None = None, *, logged_in: bool = True, **options: Any
) -> Iterator[BrowserContext]:
    """A wide window of the user of ``site``, with the ``complaints`` of its pages.

    Nothing moves or fades in it: what turns is drawn all the time, and axe would judge colours on
    their way.
    """
    still = {"reduced_motion": "reduce", "viewport": WIDE}
    options = {**still, "base_url": site and site.url, **options}
    with browser.new_context(**options) as window:
        window.set_default_timeout(PATIENCE_MS)
        window.complaints, window.site = Complaints(window), site
        if site and logged_in:
            name, _, value = site.cookie.partition("=")
            window.add_cookies([{"name": name, "value": value, "url": site.url}])
        yield window


@contextmanager
def checked(window: BrowserContext, *, but: str = "-") -> Iterator[Callable[..., Page]]:
    """Return a function that opens pages in a window, which outlives them with all that it loaded.

    Nothing may be complained of but what begins with ``but``.
    """
    cookies = window.cookies()
    window.complaints.clear()

    def open_page(path: str = "", **options: Any) -> Page:
        page = window.new_page()
        if len(window.pages) == 1:
            storage = {"origin": window.site.url, "storageTypes": "local_storage"}
            window.new_cdp_session(page).send("Storage.clearDataForOrigin", storage)
        if path:
            page.goto(path, **options)
        return page

    yield open_page
    for page in window.pages:
        page.close()
    window.unroute_all()
    window.set_offline(False)
    window.clear_cookies()
    window.add_cookies(cookies)
    complaints = [each for each in window.complaints if not each.startswith(but)]
    assert complaints == [], complaints


def log_in(page: Page, name: str = "admin") -> None:
    page.goto("/login/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")


def axe(page: Page) -> list[str]:
    """Return axe-core's violations on a page, a line for each element.

    The page's own content security policy stays on.
    """
    page.evaluate(AXE.read_text() + "; 0")
    faults: list[str] = page.evaluate(RUN_AXE)
    return faults


def too_wide(page: Page) -> str:
    """Return the overflow to the side in pixels, as text; "" when the page fits."""
    page.wait_for_function(OF_FONTS)
    scroll, client = page.evaluate(WIDTHS)
    return f"{scroll} px in a window of {client} px" if scroll > client else ""
