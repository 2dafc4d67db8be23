"""Visits to pages, and the complaints of the browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request, Response

from tests.dashboard.lib.socket_server import Server
from tests.stack import PASSWORD, Stack
from tests.waiting import PATIENCE_S

# Each window would load two pages for its address bar, which no test uses. The switch takes the
# place of Playwright's own; the first two of those matter here.
NOT_NEEDED = ("PaintHolding", "HttpsUpgrades", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    f"--disable-features={','.join(NOT_NEEDED)}",
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
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


class Complaints(list[str]):
    """Complaints of a context's pages: console, exceptions, policy, failed requests."""

    def listen(self, context: BrowserContext) -> None:
        context.add_init_script(NOTE_VIOLATIONS)
        context.on("console", lambda message: self._printed(message.type, message.text))
        context.on("weberror", lambda error: self.append(f"exception: {error.error}"))
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)

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


class Visitor:
    def __init__(self, browser: Browser, stack: Stack) -> None:
        self._browser = browser
        self._stack = stack
        self._session: Any = None

    @contextmanager
    def context(self, *, logged_in: bool, **options: Any) -> Iterator[BrowserContext]:
        options.setdefault("viewport", WIDE)
        if logged_in:
            options["storage_state"] = self._logged_in()
        with self._browser.new_context(base_url=self._stack.url, **options) as context:
            context.set_default_timeout(PATIENCE_MS)
            yield context

    @contextmanager
    def page(self, *, logged_in: bool = True, **options: Any) -> Iterator[Page]:
        """A page of a window of its own, which must complain of nothing until it closes."""
        complaints = Complaints()
        with self.context(logged_in=logged_in, **options) as context:
            complaints.listen(context)
            yield context.new_page()
        assert complaints == []

    def _logged_in(self) -> Any:
        if self._session is None:
            with self.context(logged_in=False) as context:
                log_in(context.new_page())
                self._session = context.storage_state()
        return self._session


@contextmanager
def checked_page(context: BrowserContext, path: str = "", *, but: str = "-") -> Iterator[Page]:
    """A page of a window; nothing may be complained of but what begins with ``but``."""
    complaints = Complaints()
    complaints.listen(context)
    page = context.new_page()
    if path:
        page.goto(path)
    yield page
    page.close()
    assert [complaint for complaint in complaints if not complaint.startswith(but)] == []


@contextmanager
def own_window(browser: Browser, server: Server, **options: Any) -> Iterator[BrowserContext]:
    """A window in which the user of ``server`` is logged in. Its addresses may be relative."""
    name, value = server.cookie.split("=", 1)
    with browser.new_context(base_url=server.url, **options) as context:
        context.set_default_timeout(PATIENCE_MS)
        context.add_cookies([{"name": name, "value": value, "url": server.url}])
        yield context


@contextmanager
def checked_window(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """A wide :func:`own_window`, whose pages must complain of nothing until it closes."""
    complaints = Complaints()
    with own_window(browser, server, viewport=WIDE) as context:
        complaints.listen(context)
        yield context
    assert complaints == []


def log_in(page: Page) -> None:
    page.goto("/login/")
    page.get_by_label("Name", exact=True).fill("admin")
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
    scroll, client = page.evaluate(WIDTHS)
    return f"{scroll} px in a window of {client} px" if scroll > client else ""
