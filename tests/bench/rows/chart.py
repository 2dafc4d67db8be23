"""The live chart of a job with 100,000 points, with a new one twice a second."""

from playwright.sync_api import CDPSession

from tests.bench.chromium import chromium, wait_for, window
from tests.bench.harness import Bench, Goal, Readings
from tests.bench.programs import program
from tests.bench.stacks import dashboard, environment, inside

NAME = "chart"
WHAT = "live chart at 2 Hz, 100,000 raw points"
BESIDE = "–"
GOALS = (Goal("update", "ms", 50),)
LIMIT_S = 120
HZ = 2
POINTS = "Number(document.querySelector('[data-live-chart]')?.dataset.points ?? 0)"


def measure(bench: Bench) -> Readings:
    """The time of the page's main thread, all that it does, for each update."""
    seconds = bench.size(30, 8)
    with dashboard(bench.folder) as stack, chromium() as browser:
        job = inside(stack.data_dir, "open_job", watched=True)["job"]
        order = {"job": job, "points": bench.size(100_000, 20_000), "hz": HZ}
        with (
            program("inside.points", order, env=environment(stack.data_dir)) as scraper,
            window(browser, stack) as context,
        ):
            scraper.hear()
            page = context.new_page()
            page.goto(f"/jobs/{job}/")
            wait_for(page, POINTS)
            scraper.say()
            first = page.evaluate(POINTS)
            begun = wait_for(page, POINTS, lambda points: points > first)
            # One session for both looks: each counts from its own beginning.
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            busy = _busy_s(session)
            page.wait_for_timeout(seconds * 1000)
            used, updates = _busy_s(session) - busy, page.evaluate(POINTS) - begun
    if updates < seconds or used <= 0:
        raise RuntimeError(f"the chart was drawn anew {updates} times in {seconds} s, {used} s")
    return {"update": (used / updates * 1000, None)}


def _busy_s(session: CDPSession) -> float:
    """Seconds that the main thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration")
