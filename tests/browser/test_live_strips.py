"""Live strips of a benchmark on one time axis, in a real browser."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import until

pytestmark = pytest.mark.browser

SEED = """
from datetime import UTC, datetime
from jobs.plans import Watch
from tests.factories import make_job, make_plan
begun = datetime(2026, 11, 27, 5, tzinfo=UTC)
for watches in (["client"], ["engine", "client", "dies"], ["client"]):
    plan = make_plan(watches=tuple(Watch(name) for name in watches))
    print(make_job(state="running", plan=plan, started_at=begun).pk)
"""
STEPS = """
from datetime import UTC, datetime, timedelta
from jobs.models import Job
begun = datetime(2026, 11, 27, 5, tzinfo=UTC)
for index in (0, 1):
    begins = begun + timedelta(seconds=10 * index)
    Job.objects.get(pk={job}).steps.update_or_create(
        index=index, defaults={{"name": f"measure-{{index + 1}}", "started_at": begins}}
    )
"""
POINTS = """
import json
from datetime import UTC, datetime
from jobs.models import PointBlock
begun = datetime(2026, 11, 27, 5, tzinfo=UTC).timestamp()
for watch, rows in json.loads({points!r}).items():
    PointBlock.objects.create(
        job_id={job}, offset=PointBlock.objects.count(), watch=watch,
        rows=[[begun + at, values] for at, values in rows],
    )
"""
ENGINE = [
    (
        at,
        {
            "vllm:generation_tokens_total": 50.0 * at,
            "vllm:prompt_tokens_total": 10.0 * at,
            "vllm:num_requests_running": 4.0,
            "vllm:num_requests_waiting": 0.0,
            "vllm:kv_cache_usage_perc": 0.25,
        },
    )
    for at in range(20)
]
CLIENT = [
    (at, {"sent": 4.0 + at, "done": float(at), "failed": 1.0, "tokens": 50.0 * at})
    for at in range(20)
]
DIES = [(at, {"power_w": 410.0, "temp_c": 71.0}) for at in range(0, 20, 5)]
TITLES = [
    *("Output, tok/s", "Prompt, tok/s", "Requests", "KV cache, %", "Client, requests"),
    *("Die power, W", "Hottest die, °C"),
]
DRAWN = """() => {
  const plot = document.querySelector("[data-live-chart] .plot");
  return Object.fromEntries((plot.data ?? []).map((trace) => [trace.meta, [...trace.y]]));
}"""
LAYOUT = """() => {
  const { data, layout } = document.querySelector("[data-live-chart] .plot");
  return {
    axes: Object.keys(layout).filter((key) => key.startsWith("xaxis")),
    of: [...new Set(data.map((trace) => trace.xaxis ?? "x"))],
    across: layout.shapes.map((shape) => [shape.x0 === shape.x1, shape.y0, shape.y1, shape.yref]),
  };
}"""

# The first two reads of points have more announced before they are answered.
BUSY = """() => {
  const real = window.fetch;
  window.reads = [];
  window.fetch = (address, ...more) => {
    const after = /points\\?after=(.+)/.exec(address)?.[1];
    if (after && window.reads.push(after) < 3) {
      const job = Number(/jobs.(\\d+)/.exec(address)[1]);
      const detail = { type: "points", job };
      document.dispatchEvent(new CustomEvent("live:notification", { detail }));
    }
    return real(address, ...more);
  };
}"""


@pytest.fixture(scope="module")
def made(server):
    return server.shell(SEED)


def tell(server, job, **points):
    server.shell(POINTS.format(job=job, points=json.dumps(points)))


def titles(page):
    texts = page.locator("[data-live-chart] .annotation-text").all_text_contents()
    return [text for text in texts if text in TITLES]


def test_the_chart_moves_before_the_first_answer(page, server, made):
    job = made[0]
    tell(server, job, client=[(0, {"sent": 0, "done": 0, "failed": 0, "level": 0})])
    page.goto(f"/jobs/{job}/")
    until(page, lambda: page.evaluate(DRAWN).get("in_flight") == [0])

    tell(server, job, client=[(1, {"sent": 4, "done": 0, "failed": 0, "level": 4})])

    until(page, lambda: page.evaluate(DRAWN).get("in_flight") == [0, 4])
    assert page.evaluate(DRAWN)["done"] == [0, 0]
    assert titles(page) == ["Client, requests"]
    expect(page.locator("[data-live-chart] .plot")).to_contain_text("concurrency 4")


def test_a_busy_run_is_read_whole_once(page, server, made):
    tell(server, made[2], client=[(1, {"sent": 4, "done": 0, "failed": 0, "level": 4})])
    page.add_init_script(f"({BUSY})()")
    page.goto(f"/jobs/{made[2]}/")
    until(page, lambda: len(page.evaluate("window.reads")) >= 3)

    first, *others = page.evaluate("window.reads")[:3]
    assert first == "-1" and "-1" not in others


def test_strips_share_a_time_axis_and_have_switches(page, server, made):
    job = made[1]
    server.shell(STEPS.format(job=job))
    tell(server, job, engine=ENGINE, client=CLIENT, dies=DIES)
    page.goto(f"/jobs/{job}/")
    until(page, lambda: titles(page) == TITLES)

    drawn, layout = page.evaluate(DRAWN), page.evaluate(LAYOUT)
    last = {name: values[-1] for name, values in drawn.items()}
    assert (last["output"], last["client_output"], last["kv"]) == (50, 50, 25)
    assert (last["done"], last["in_flight"], last["failed"]) == (19, 3, 1)
    assert (last["power"], last["temperature"]) == (410, 71)
    assert (layout["axes"], layout["of"]) == (["xaxis"], ["x"])
    assert layout["across"] == [[True, 0, 1, "paper"]] * 2  # a mark at each step
    expect(page.locator("[data-live-chart] .plot")).to_contain_text("measure 1")
    expect(page.locator("[data-live-chart] .plot")).to_contain_text("measure 2")

    switches = page.get_by_role("group", name="Charted metric").get_by_role("button")
    assert switches.all_inner_texts() == TITLES
    switches.filter(has_text="KV cache").click()
    until(page, lambda: "KV cache, %" not in titles(page))
    page.reload()
    until(page, lambda: len(titles(page)) == len(TITLES) - 1)
    assert "KV cache, %" not in titles(page)
    expect(switches.filter(has_text="KV cache")).to_have_attribute("aria-pressed", "false")

    tell(server, job, engine=[(20, ENGINE[-1][1])])
    until(page, lambda: len(page.evaluate(DRAWN)["running"]) == 21)
    assert "KV cache, %" not in titles(page)  # later points do not show the strip again
    switches.filter(has_text="KV cache").click()
    until(page, lambda: titles(page) == TITLES)
    assert len(page.evaluate(DRAWN)["kv"]) == 21
