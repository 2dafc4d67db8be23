"""Pages of 500 results of 200 identities with tags and baselines: server time, and first draw.

Server time: the processor time of all that Django does for a page, in a process of its own. First
draw: from the request to the first content in Chromium. Charts: from the request to the last chart
in view.
"""

from collections.abc import Mapping

from playwright.sync_api import BrowserContext

from tests.bench.chromium import chromium, wait_for, window
from tests.bench.harness import Bench, Goal, Readings, medians
from tests.bench.programs import Program, program
from tests.bench.stacks import dashboard, environment

NAME = "organised"
WHAT = "pages of 500 results of 200 identities, with tags and baselines"
BESIDE = "–"
PAGES = {
    "list": "/results/",
    "evaluations": "/results/?type=evaluation",
    "model": "/results/?model=distill-3",
    "stack": "/results/?stack=stack-1",
    "tag": "/results/?tag=week-3",
    "mark": "/results/?mark=baseline",
    "days": "/results/?days=30",
    "identities": "/results/?group=identity",
    "fleet": "/results/fleet/",
    "result": "/results/res-{result}/",
    "evaluation": "/results/res-{evaluation}/",
    "history": "/results/res-{result}/history/",
    "point": "/results/res-{result}/points/8/",
    "matrix": "/matrices/{matrix}/",
    "compare": "/results/compare/?{runs}",
    "compare-groups": "/results/compare/?{groups}",
    "compare-evaluations": "/results/compare/?{evaluations}",
    "compare-large": "/results/compare/?{large}",
}
# Charts of each page in the browser: whether there are some.
DRAWN = {
    "list": False,
    "identities": False,
    "fleet": False,
    "result": True,
    "history": True,
    "matrix": True,
    "compare": True,
    "compare-groups": True,
}
GOALS = (
    *(Goal(name, "ms of its processor", 300) for name in PAGES),
    *(Goal(f"draw.{name}", "ms", 1000) for name in DRAWN),
    *(Goal(f"charts.{name}", "ms", 1000) for name, has_charts in DRAWN.items() if has_charts),
)
LIMIT_S = 900
# The time of the latest chart in view so far; of the first one where none is.
CHARTS = """document.addEventListener("chart:drawn", ({ target }) => {
  const isInView = target.getBoundingClientRect().top < innerHeight;
  if (isInView || !window.charts_drawn) window.charts_ms = performance.now();
  window.charts_drawn = (window.charts_drawn ?? 0) + 1;
});"""
LAST_CHART = "window.charts_ms ?? 0"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def measure(bench: Bench) -> Readings:
    """Every page in turn, on SQLite; one round before is not counted."""
    rounds = bench.size(7, 2)
    order = {
        "identities": bench.size(200, 60),
        "questions": bench.size(400, 20),
        "large": bench.size(14_000, 50),
        "requests": bench.size(200, 20),
    }
    env = environment(bench.folder / "data")
    (bench.folder / "data").mkdir()
    with program("inside.organised", order, env=env) as server:
        known = server.answer()
        readings = _server_time(server, known, rounds)
    with (
        dashboard(bench.folder) as stack,
        chromium() as browser,
        window(browser, stack, CHARTS) as context,
    ):
        return readings | _first_draw(context, known, rounds)


def _server_time(
    server: Program, known: Mapping[str, str], rounds: int
) -> dict[str, tuple[float, None]]:
    timings: dict[str, list[dict[str, float]]] = {name: [] for name in PAGES}
    for _ in range(rounds + 1):
        for name, address in PAGES.items():
            server.say(address.format(**known))
            answer = server.answer()
            if answer["status"] != 200:
                raise RuntimeError(f"{address}: {answer}")
            timings[name].append({"ms": answer["cpu_ms"]})
    return {name: (medians(samples[1:])["ms"], None) for name, samples in timings.items()}


def _first_draw(
    context: BrowserContext, known: Mapping[str, str], rounds: int
) -> dict[str, tuple[float, None]]:
    timings: dict[str, list[dict[str, float]]] = {name: [] for name in DRAWN}
    page = context.new_page()
    for _ in range(rounds + 1):
        for name, has_charts in DRAWN.items():
            page.goto(PAGES[name].format(**known))
            wanted = page.locator("[data-chart]").count()
            if has_charts and not wanted:
                raise RuntimeError(f"{name} has no charts")
            wait_for(page, "window.charts_drawn ?? 0", lambda n, most=wanted: n >= most)
            paint = wait_for(page, PAINT)
            timings[name].append({"draw": paint, "charts": page.evaluate(LAST_CHART)})
    return {
        f"{figure}.{name}": (ms, None)
        for name, samples in timings.items()
        for figure, ms in medians(samples[1:]).items()
    }
