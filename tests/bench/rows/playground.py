"""A long answer of many code blocks in the playground: its frames while it comes."""

import json

from tests.bench.chromium import FRAMES, chromium, wait_for, window
from tests.bench.harness import Bench, Goal, Readings, percentile
from tests.bench.programs import program
from tests.bench.stacks import dashboard, inside

NAME = "playground"
WHAT = "an answer of 120 code blocks at 200 tok/s"
BESIDE = "–"
GOALS = (
    Goal("frame-max", "ms", 100),
    Goal("frame-p99", "ms", 50),
    Goal("task", "ms of its processor", 50),
)
LIMIT_S = 180
RATE = 200
BLOCK = """{number}. **Step {number}** adds to what `total_{number}` holds so far:

```python
def step_{number}(values: list[float], scale: float = 0.{number}) -> float:
    total = 0.0
    for index, value in enumerate(values):
        total += value * scale if index % 2 else -value  # every other one
    return total
```

"""
BLOCKS = "document.querySelectorAll('[data-part=answer] pre').length"
IS_DONE = "document.querySelector('[data-turn]')?.dataset.state === 'done'"
AFTER_MS = 500  # the end is drawn once more


def measure(bench: Bench) -> Readings:
    """From the first block to half a second after the end."""
    blocks = bench.size(120, 20)
    text = "".join(BLOCK.format(number=number) for number in range(1, blocks + 1))
    with (
        dashboard(bench.folder) as stack,
        program("engine") as engine,
        chromium() as browser,
        window(browser, stack) as context,
    ):
        request = {"text": text, "rate": RATE}
        address = f"http://127.0.0.1:{engine.hear()}"
        chat = inside(stack.data_dir, "turns", engine=address, requests=[request])["chat"]
        page = context.new_page()
        page.goto(f"/playground/{chat}/")
        wait_for(page, BLOCKS)
        browser.start_tracing(page=page, categories=["toplevel"])
        page.evaluate(FRAMES)
        wait_for(page, IS_DONE, within_s=LIMIT_S)
        page.wait_for_timeout(AFTER_MS)
        frames = page.evaluate("window.frames_ms")
        drawn = page.evaluate(BLOCKS)
        trace = browser.stop_tracing()
    if drawn != blocks:
        raise RuntimeError(f"{drawn} of {blocks} code blocks are drawn")
    return {
        "frame-max": (max(frames), None),
        "frame-p99": (percentile(frames, 0.99), None),
        "task": (_longest_task_ms(trace), None),
    }


def _longest_task_ms(trace: bytes) -> float:
    """The most of a processor that one task of the page's main thread took: what others do on the
    machine does not count.
    """
    events = json.loads(trace)["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [e["tdur"] for e in events if "tdur" in e and (e["pid"], e["tid"]) in threads]
    return float(max(tasks)) / 1000
