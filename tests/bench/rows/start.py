"""From the click on *Launch* to the command on the host, and to its first line on the screen."""

import json

from playwright.sync_api import Page

from tests.bench.chromium import chromium, wait_for, window
from tests.bench.harness import Bench, Goal, Readings, percentile, until
from tests.bench.stacks import dashboard
from tests.stack import Stack

NAME = "start"
WHAT = "click on launch → command started on the host; → first log line drawn"
BESIDE = "–"
GOALS = (Goal("command-p95", "ms", 150), Goal("line-p95", "ms", 300))
LIMIT_S = 240
# Without a network and with an empty folder of wheels: the job prints its command, and fails.
FORM = "/launch/prepare/?what=weights"
NOTE = """
const now = () => performance.timeOrigin + performance.now();
addEventListener("click", (event) => {
  if (event.target.closest("[data-launch]")) sessionStorage.setItem("clicked", String(now()));
}, true);
new MutationObserver((_, observer) => {
  if (!document.querySelector(".logrows [data-line='1'] > span")?.textContent) return;
  observer.disconnect();
  const drawn = () => sessionStorage.setItem("drawn", String(now()));
  requestAnimationFrame(() => requestAnimationFrame(drawn)); // once the frame is on the screen
}).observe(document, { childList: true, subtree: true, characterData: true });
"""


def measure(bench: Bench) -> Readings:
    """A person's launches, one after the other, each when the one before has ended."""
    empty = bench.folder / "wheels"
    empty.mkdir()
    commands, lines = [], []
    with (
        dashboard(bench.folder, WHEELS_DIR=str(empty)) as stack,
        chromium() as browser,
        window(browser, stack, NOTE) as context,
    ):
        page = context.new_page()
        for _ in range(bench.size(31, 6)):
            command, line = _launch(page, stack)
            commands.append(command)
            lines.append(line)
    # The first start of all loads what the others find loaded.
    return {
        "command-p95": (percentile(commands[1:], 0.95), None),
        "line-p95": (percentile(lines[1:], 0.95), None),
    }


def _launch(page: Page, stack: Stack) -> tuple[float, float]:
    """Milliseconds from the click to both."""
    page.goto(FORM)
    page.evaluate("sessionStorage.clear()")
    page.locator("[data-launch]:not([disabled])").click()
    page.wait_for_url("**/jobs/*/")
    drawn = float(wait_for(page, "sessionStorage.getItem('drawn')"))
    clicked = float(page.evaluate("sessionStorage.getItem('clicked')"))
    number = page.url.rstrip("/").rpartition("/")[2]
    spool = stack.data_dir / "host" / "spool" / number
    until(lambda: (spool / "acked").exists(), f"job {number} has ended", 60)
    events = [json.loads(line) for line in (spool / "events.jsonl").read_text().splitlines()]
    started = next(event["at"] for event in events if event["type"] == "step_started") * 1000
    return started - clicked, drawn - clicked
