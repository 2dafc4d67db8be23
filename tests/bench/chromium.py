"""A real browser without a GPU, logged in to a stack."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.bench.stacks import inside
from tests.browser.lib.visits import ARGUMENTS
from tests.conftest import find_chromium
from tests.stack import Stack

WIDE = {"width": 1440, "height": 900}
# From now on the page notes how long each of its frames took.
FRAMES = """() => {
  window.frames_ms = [];
  let last = performance.now();
  const note = (at) => {
    window.frames_ms.push(at - last);
    last = at;
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """One Chromium, ended at the end.

    Raises:
        RuntimeError: there is none on the PATH.
    """
    executable = find_chromium()
    if executable is None:
        raise RuntimeError("no Chromium on the PATH: apt install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def window(browser: Browser, stack: Stack, script: str = "") -> Iterator[BrowserContext]:
    """A window in which the administrator is logged in; ``script`` runs first in each page."""
    name, _, value = inside(stack.data_dir, "page")["cookie"].partition("=")
    with browser.new_context(base_url=stack.url, viewport=WIDE) as context:
        context.add_cookies([{"name": name, "value": value, "url": stack.url}])
        context.set_default_timeout(60_000)
        if script:
            context.add_init_script(script)
        yield context


def wait_for(
    page: Page, expression: str, is_enough: Callable[[Any], bool] = bool, *, within_s: float = 60
) -> Any:
    """The value of an expression of the page once it is enough. Its policy forbids eval, so that
    ``wait_for_function`` cannot be had."""
    deadline = time.monotonic() + within_s
    while not is_enough(value := page.evaluate(expression)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{expression} is {value!r}")
        page.wait_for_timeout(20)
    return value


def renderer_bytes(browser: Browser) -> int:
    """Memory of the renderers: their private pages and their share of the shared ones."""
    info = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pids = [each["id"] for each in info["processInfo"] if each["type"] == "renderer"]
    return sum(_proportional_bytes(pid) for pid in pids)


def _proportional_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} reports no memory")
