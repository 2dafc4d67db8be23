"""Pages in a real browser without a GPU, logged in to a stack."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from tests.bench.harness import Bench, Goal, Readings, medians, percentile, row
from tests.bench.programs import dashboard, environment, program
from tests.bench.rows.logs import LINE_BYTES, append, write_lines
from tests.browser.lib.visits import ARGUMENTS
from tests.conftest import find_chromium
from tests.stack import Stack
from tests.waiting import until

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
def browsing(folder: Path, script: str = "", **environ: str) -> Iterator[tuple[Stack, Page]]:
    """A stack, and a page in which its administrator is logged in.

    ``script`` runs first in each document.

    Raises:
        RuntimeError: there is no Chromium on the PATH.
    """
    chromium = find_chromium()
    if chromium is None:
        raise RuntimeError("no Chromium on the PATH: apt install chromium")
    with dashboard(folder, **environ) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        name, _, value = stack.cookie.partition("=")
        with browser.new_context(base_url=stack.url, viewport=WIDE) as context:
            context.add_cookies([{"name": name, "value": value, "url": stack.url}])
            context.set_default_timeout(60_000)
            if script:
                context.add_init_script(script)
            yield stack, context.new_page()
        browser.close()


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
FIRST = ("result", "compare-groups", "fleet", "matrix")  # what people open most
# Pages that are drawn in the browser, without and with charts.
PLAIN = ("list", "identities", "fleet", "matrix")
CHARTED = ("result", "history", "compare", "compare-groups")
# The time of the latest chart in view so far; of the first one where none is.
CHARTS = """document.addEventListener("chart:drawn", ({ target }) => {
  const isInView = target.getBoundingClientRect().top < innerHeight;
  if (isInView || !window.charts_drawn) window.charts_ms = performance.now();
  window.charts_drawn = (window.charts_drawn ?? 0) + 1;
});"""
SHOWN_CHARTS = """[...document.querySelectorAll("[data-chart]")].filter(
  (one) => one.checkVisibility()).length"""
LAST_CHART = "window.charts_ms ?? 0"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


@row(
    "organised",
    "pages of 500 results of 200 identities, with tags and baselines",
    *(Goal(name, "ms of its processor", 60 if name in FIRST else 300) for name in PAGES),
    *(Goal(f"draw.{name}", "ms", 200 if name in FIRST else 1000) for name in (*PLAIN, *CHARTED)),
    *(Goal(f"charts.{name}", "ms", 1000) for name in CHARTED),
    limit_s=900,
    grows="results",
)
def organised(bench: Bench) -> Readings:
    """Every page in turn, on SQLite; one round before is not counted.

    The processor time of all that Django does for a page, in a process of its own. Draw: from the
    request to the first content in Chromium. Charts: from the request to the last chart in view.
    """
    rounds = bench.size(7, 2) + 1
    order = {
        "identities": bench.amount(200, 60),
        "questions": bench.size(400, 20),
        "large": bench.size(14_000, 50),
        "requests": bench.size(200, 20),
    }
    env = environment(bench.folder / "data")
    (bench.folder / "data").mkdir()
    timings: dict[str, list[float]] = {}
    with program("inside.organised", order, env=env) as server:
        known = server.answer()
        for _ in range(rounds):
            for name, address in PAGES.items():
                server.say(address.format(**known))
                answer = server.answer()
                if answer["status"] != 200:
                    raise RuntimeError(f"{address}: {answer}")
                timings.setdefault(name, []).append(answer["cpu_ms"])
    with browsing(bench.folder, CHARTS) as (_stack, page):
        for _ in range(rounds):
            for name in (*PLAIN, *CHARTED):
                page.goto(PAGES[name].format(**known))
                wanted = page.evaluate(SHOWN_CHARTS)
                if name in CHARTED and not wanted:
                    raise RuntimeError(f"{name} has no charts")
                wait_for(page, "window.charts_drawn ?? 0", lambda n, most=wanted: n >= most)
                timings.setdefault(f"draw.{name}", []).append(wait_for(page, PAINT))
                timings.setdefault(f"charts.{name}", []).append(page.evaluate(LAST_CHART))
    return {name: statistics.median(samples[1:]) for name, samples in timings.items()}


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


@row(
    "start",
    "click on launch → command started on the host; → first log line drawn",
    Goal("command-p95", "ms", 150),
    Goal("line-p95", "ms", 300),
    limit_s=240,
)
def start(bench: Bench) -> Readings:
    """A person's launches, one after the other, each when the one before has ended."""
    empty = bench.folder / "wheels"
    empty.mkdir()
    with browsing(bench.folder, NOTE, WHEELS_DIR=str(empty)) as (stack, page):
        launches = [_launch(page, stack) for _ in range(bench.size(31, 6))]
    # The first start of all loads what the others find loaded.
    commands, lines = zip(*launches[1:], strict=True)
    return {"command-p95": percentile(commands, 0.95), "line-p95": percentile(lines, 0.95)}


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


LINES_PER_S = 2000
LAST = """() =>
  Number([...document.querySelectorAll(".logrows [data-line]")].at(-1)?.dataset.line ?? 0)"""
SCROLL = """(share) => {
  const bar = document.querySelector("[data-log=scroller]");
  bar.scrollTop = share * bar.scrollHeight;
}"""


@row(
    "viewer",
    "viewer, 1,000,000 lines",
    Goal("memory", "MB", 400),
    Goal("frame-p99", "ms", 50),
    limit_s=180,
    grows="lines",
)
def viewer(bench: Bench) -> Readings:
    """Open it at its end, go to its begin, its middle and back, then follow 2,000 lines/s."""
    lines, seconds = bench.amount(1_000_000, 200_000), bench.size(20, 6)
    log, more = bench.folder / "log", bench.folder / "more"
    write_lines(log, lines)
    write_lines(more, lines + seconds * LINES_PER_S)
    with browsing(bench.folder) as (stack, page):
        job = stack.call("orders.open_job")
        append(stack, job, log)
        page.goto(f"/jobs/{job}/")
        wait_for(page, LAST, lambda number: number == lines)
        for share in (0.0, 0.5, 1.0):
            page.evaluate(SCROLL, share)
            wanted = max(1.0, share * lines)
            wait_for(page, LAST, lambda number, wanted=wanted: abs(number - wanted) < lines / 20)
        order = {"job": job, "path": str(more), "offset": lines * LINE_BYTES}
        order["lines_per_s"] = LINES_PER_S
        with program("inside.append", order, env=environment(stack.data_dir)) as writer:
            writer.hear()
            page.evaluate(FRAMES)
            writer.say()
            page.wait_for_timeout(seconds * 1000)
            frames = page.evaluate("window.frames_ms")
            writer.answer()
        wait_for(page, LAST, lambda number: number == lines + seconds * LINES_PER_S)
        memory = renderer_bytes(page)
    return {"memory": memory / 1e6, "frame-p99": percentile(frames, 0.99)}


def renderer_bytes(page: Page) -> int:
    """Memory of the renderers: their private pages and their share of the shared ones."""
    session = page.context.browser.new_browser_cdp_session()
    size = 0
    for each in session.send("SystemInfo.getProcessInfo")["processInfo"]:
        if each["type"] == "renderer":
            rollup = Path(f"/proc/{each['id']}/smaps_rollup").read_text().splitlines()
            size += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024
    return size


CHART_HZ = 2
POINTS = "Number(document.querySelector('[data-live-chart]')?.dataset.points ?? 0)"


@row(
    "chart",
    "live chart at 2 Hz, 100,000 raw points",
    Goal("update", "ms", 25),
    limit_s=120,
    grows="points",
)
def chart(bench: Bench) -> Readings:
    """The time of the page's main thread, all that it does, for each update."""
    seconds = bench.size(30, 8)
    with browsing(bench.folder) as (stack, page):
        job = stack.call("orders.open_job", watched=True)
        order = {"job": job, "points": bench.amount(100_000, 20_000), "hz": CHART_HZ}
        with program("inside.points", order, env=environment(stack.data_dir)) as scraper:
            scraper.hear()
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
    return {"update": used / updates * 1000}


def _busy_s(session: CDPSession) -> float:
    """Seconds that the main thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "TaskDuration")


TOKENS_PER_S = 200
CODE = """{number}. **Step {number}** adds to what `total_{number}` holds so far:

```python
def step_{number}(values: list[float], scale: float = 0.{number}) -> float:
    total = 0.0
    for index, value in enumerate(values):
        total += value * scale if index % 2 else -value  # every other one
    return total
```

"""
CODES = "document.querySelectorAll('[data-part=answer] pre').length"
IS_DONE = "document.querySelector('[data-turn]')?.dataset.state === 'done'"
AFTER_MS = 500  # the end is drawn once more


@row(
    "playground",
    "an answer of 120 code blocks at 200 tok/s",
    Goal("frame-max", "ms", 100),
    Goal("frame-p99", "ms", 50),
    Goal("task", "ms of its processor", 50),
    limit_s=180,
    grows="blocks",
)
def playground(bench: Bench) -> Readings:
    """From the first block to half a second after the end."""
    blocks = bench.amount(120, 20)
    text = "".join(CODE.format(number=number) for number in range(1, blocks + 1))
    with browsing(bench.folder) as (stack, page), program("engine") as engine:
        order = {"engine": f"http://127.0.0.1:{engine.hear()}"}
        order["requests"] = [{"text": text, "rate": TOKENS_PER_S}]
        page.goto(f"/playground/{stack.call('orders.turns', **order)['chat']}/")
        wait_for(page, CODES)
        browser = page.context.browser
        browser.start_tracing(page=page, categories=["toplevel"])
        page.evaluate(FRAMES)
        wait_for(page, IS_DONE, within_s=180)
        page.wait_for_timeout(AFTER_MS)
        frames, drawn = page.evaluate("window.frames_ms"), page.evaluate(CODES)
        trace = browser.stop_tracing()
    if drawn != blocks:
        raise RuntimeError(f"{drawn} of {blocks} code blocks are drawn")
    task = _longest_task_ms(trace)
    return {"frame-max": max(frames), "frame-p99": percentile(frames, 0.99), "task": task}


def _longest_task_ms(trace: bytes) -> float:
    """The most of a processor that one task of the page's main thread took: what others do on the
    machine does not count."""
    events = json.loads(trace)["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [e["tdur"] for e in events if "tdur" in e and (e["pid"], e["tid"]) in threads]
    return float(max(tasks)) / 1000


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


@row(
    "reader",
    "reader, 14,000 answers with 30,000 tokens of reasoning each",
    Goal("open", "ms", 1000),
    Goal("step", "ms", 100),
    Goal("filter", "ms", 1000),
    Goal("search", "ms", 700),
    limit_s=3600,
    grows="answers",
)
def reader(bench: Bench) -> Readings:
    """Medians of a result and of one with the same numbers and no texts, in turns."""
    answers, rounds = bench.amount(14_000, 300), bench.size(3, 2)
    samples: dict[str, list[dict[str, float]]] = {"many": [], "few": []}
    with browsing(bench.folder) as (stack, page):
        order = {"answers": answers, "characters": CHARACTERS}
        made = stack.call("orders.evaluations", **order)
        for _ in range(rounds):
            for name, result in made.items():
                place = f"/results/res-{result}/answers/"
                sample = {"open": _open(page, place), "step": _step(page)}
                sample["filter"] = _open(page, f"{place}?show=cut&order=-tokens")
                sample["search"] = _open(page, f"{place}?q=seen+{answers - 1}")
                samples[name].append(sample)
    many, few = medians(samples["many"]), medians(samples["few"])
    return {name: (many[name], few[name]) for name in many}


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
