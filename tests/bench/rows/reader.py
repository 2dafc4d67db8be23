"""The reader of 14,000 answers with 30,000 tokens of reasoning, beside a table of ids alone."""

import statistics
import time

from playwright.sync_api import Page

from tests.bench.chromium import chromium, wait_for, window
from tests.bench.harness import Bench, Goal, Readings
from tests.bench.stacks import dashboard, inside

NAME = "reader"
WHAT = "reader, 14,000 answers with 30,000 tokens of reasoning each"
BESIDE = "the same numbers without texts"
GOALS = (
    Goal("open", "ms", 1000),
    Goal("step", "ms", 100),
    Goal("filter", "ms", 1000),
    Goal("search", "ms", 10_000),
)
LIMIT_S = 3600
CHARACTERS = 120_000  # about 30,000 tokens
STEPS = 20
IS_SHOWN = "document.querySelector('[data-pane] [data-answer]')?.dataset.answer"
# One step with the key, from the press to the frame after the answer is in the page.
STEP = """async () => {
  const shown = () => document.querySelector("[data-pane] [data-answer]").dataset.answer;
  const before = shown(), began = performance.now();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
  while (shown() === before) await new Promise((done) => setTimeout(done, 1));
  await new Promise((done) => requestAnimationFrame(done));
  return performance.now() - began;
}"""


def measure(bench: Bench) -> Readings:
    """Medians of the two results in turns."""
    answers, rounds = bench.size(14_000, 300), bench.size(5, 2)
    with dashboard(bench.folder) as stack, chromium() as browser:
        made = inside(stack.data_dir, "reader", answers=answers, characters=CHARACTERS)
        timings: dict[str, dict[str, list[float]]] = {goal.name: {} for goal in GOALS}
        with window(browser, stack) as context:
            page = context.new_page()
            for _ in range(rounds):
                for name, result in made.items():
                    place = f"/results/res-{result}/answers/"
                    found = {
                        "open": _open(page, place),
                        "step": _step(page),
                        "filter": _open(page, f"{place}?show=cut&order=-tokens"),
                        "search": _open(page, f"{place}?q=seen+{answers - 1}"),
                    }
                    for figure, ms in found.items():
                        timings[figure].setdefault(name, []).append(ms)
    return {
        figure: (statistics.median(by["many"]), statistics.median(by["few"]))
        for figure, by in timings.items()
    }


def _open(page: Page, address: str) -> float:
    """Milliseconds from the click to a drawn page."""
    began = time.perf_counter()
    page.goto(address, wait_until="domcontentloaded")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    return 1000 * (time.perf_counter() - began)


def _step(page: Page) -> float:
    """Median of several steps, half a second apart, as somebody reads."""
    wait_for(page, IS_SHOWN)
    steps = []
    for _ in range(STEPS):
        page.wait_for_timeout(500)
        steps.append(page.evaluate(STEP))
    return statistics.median(steps)
