"""Search of a limit: the next load, the verdict on one, whole searches with a client of tests."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.queries.results.curve import CurvePoint
from jobs.queries.results.levels import METRICS
from jobs.statistics import mean_interval, repeats
from jobs.tools.evalscope import perf_reading
from jobs.tools.guidellm import reading as guidellm
from jobs.tools.guidellm.scripts import send_poisson
from jobs.tools.lib.site import script_path
from jobs.tools.limit.scripts import find_limit
from jobs.tools.vllm import reading as vllm

DATA = Path("tests/data")
RULES = {
    **{"tool": "vllm", "by": "rate", "lowest": 1.0, "highest": 8.0, "step": 0.5},
    **{"most_points": 10, "level": "chat", "limits": {"ttft_p99_ms": 450.0}, "goodput": None},
    **{"half_width": 0.0, "most_runs": 5, "requests": 4, "seed": 17000},
}
# A server whose first tokens take 100 ms for each request per second; a load's runs differ by 1 %.
CLIENT = """
import json, pathlib, sys
load, run, seed = sys.argv[1:]
rate = 10 * float(load) * (1 + int(run) % 3 / 100)
failed = 4 if float(load) > 7 else 0
data = {"num_prompts": 4, "completed": 4 - failed, "failed": failed, "output_throughput": rate}
if "quiet" not in sys.argv[0]:
    data["p99_ttft_ms"] = 100 * float(load)
pathlib.Path(f"result-{run}.json").write_text(json.dumps(data))
"""


@pytest.fixture
def search(tmp_path):
    """Run the script with rules in a folder; its lines of search.jsonl, and its log."""
    for path in (script_path("find_limit.py"), Path(repeats.__file__)):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")

    def run(client="client.py", **rules):
        (tmp_path / client).write_text(CLIENT)
        commands = ("--", "true", "--", sys.executable, client, "@load", "@run", "@seed")
        argv = (sys.executable, "find_limit.py", json.dumps({**RULES, **rules}), *commands)
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
        lines = (tmp_path / "search.jsonl").read_text().splitlines()
        (tmp_path / "search.jsonl").unlink()
        return [json.loads(line) for line in lines], done.stdout

    return run


def asked(lines):
    return [(line["load"], line["verdict"]) for line in lines if "run" in line]


def test_a_search_halves_what_is_left_down_to_its_resolution(search):
    lines, log = search()

    assert asked(lines) == [
        *((1, "met"), (8, "missed"), (4.5, "met"), (6, "missed"), (5, "missed")),
    ]
    assert lines[0] == {"rules": RULES}
    assert lines[-1] == {"stopped": "resolution"}
    assert [line["seed"] for line in lines if "run" in line] == [17001, 17002, 17003, 17004, 17005]
    assert "point 3/6: rate 6, between the highest that met and the lowest that missed" in log
    assert "ttft_p99_ms 600 (limit 450): missed" in log
    assert log.endswith("highest rate that met the level: 4.5\nlowest rate that missed it: 5\n")


@pytest.mark.parametrize(
    ("rules", "loads", "stopped"),
    [
        ({"highest": 4.0}, [1, 4], "highest"),
        ({"lowest": 5.0}, [5], "lowest"),
        ({"most_points": 3}, [1, 8, 4.5], "points"),
        ({"limits": {}, "lowest": 2.0, "step": 3.0}, [2, 5, 8], "swept"),
        ({"limits": {"tpot_p99_ms": 9.0}}, [1], "unknown"),
        ({"goodput": 0.9}, [1], "unknown"),
        ({"lowest": 2.0, "highest": 2.0}, [2], "highest"),
    ],
)
def test_a_search_stops_for_one_reason(search, rules, loads, stopped):
    lines, log = search(**rules)

    assert [load for load, _said in asked(lines)] == loads
    assert lines[-1] == {"stopped": stopped}
    assert find_limit.STOPS[stopped] in log


def test_a_load_is_repeated_until_its_mean_is_known(search):
    every = {"limits": {}, "lowest": 2.0, "highest": 2.0}
    narrow, _log = search(**every, half_width=0.05)
    wide, _log = search(**every, half_width=0.001)

    assert len(asked(narrow)) == 3  # fewer have no interval
    assert narrow[-2]["half_width"] == pytest.approx(0.0247, abs=1e-3)
    assert len(asked(wide)) == 5


def test_a_load_whose_requests_fail_is_missed(search):
    lines, _log = search(limits={"ttft_p99_ms": 10_000.0})

    assert asked(lines)[1] == (8, "missed")
    assert max(load for load, said in asked(lines) if said == "met") == 7


def test_a_client_that_fails_ends_the_search(search):
    with pytest.raises(subprocess.CalledProcessError) as error:
        search(tool="guidellm", client="client.py")  # its result is of another client

    assert error.value.returncode == 1


def test_half_of_the_interval_is_that_of_the_result_page():
    values = [9.0, 10.5, 11.0, 10.0]
    point = CurvePoint(1, [{"output_tokens_per_s": value} for value in values])
    interval = mean_interval(values)

    assert repeats.relative_half_width(values) == pytest.approx(point.noise)
    assert point.noise == pytest.approx((interval.high - interval.low) / 2 / 10.125)
    assert repeats.relative_half_width(values[:2]) is None
    assert repeats.relative_half_width([5.0] * 3) == 0


def agrees(found, point):
    """Whether what the search read is what the dashboard reads."""
    known = {name: point.metrics.get(name) for name in found["values"]}
    assert found["values"] == pytest.approx({n: v for n, v in known.items() if n in METRICS})
    assert (found["completed"], found["failed"]) == (point.completed, point.failed)
    assert found["rate"] == pytest.approx(point.metrics["output_tokens_per_s"])
    return found


def test_a_search_reads_each_client_as_the_dashboard_does(tmp_path, monkeypatch):
    folder = next((DATA / "evalscope-1.14-perf/levels").rglob("benchmark_summary.json")).parent
    files = {
        "result-1.json": DATA / "guidellm-0.8/out.json",
        "result-2.json": DATA / "vllm-0.32/bench/serve_random_chat.json",
        "perf/run-3/x/benchmark_summary.json": folder / "benchmark_summary.json",
        "perf/run-3/x/benchmark_percentile.json": folder / "benchmark_percentile.json",
    }
    for name, path in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    run = json.loads(files["result-1.json"].read_text())
    run["benchmarks"] = run["benchmarks"][:1]
    (tmp_path / "result-1.json").write_text(json.dumps(run))
    contents = {name: (tmp_path / name).read_bytes() for name in files}
    monkeypatch.chdir(tmp_path)
    limits = {"ttft_p50_ms": 1e6, "tpot_p50_ms": 1e6}

    own = agrees(find_limit.of_guidellm(1, limits), guidellm.parse("x", contents["result-1.json"]))
    agrees(find_limit.of_vllm(2, limits), vllm.parse_served("x", contents["result-2.json"]))
    summary, percentiles = list(contents)[2:]
    point = perf_reading.point(summary, contents[summary], (percentiles, contents[percentiles]))
    agrees(find_limit.of_evalscope(3, limits), point)
    # Of GuideLLM the requests are known: all are within such limits, none within others.
    assert own["within"] == own["completed"] > 0
    assert find_limit.of_guidellm(1, {"latency_p50_s": 0.0})["within"] == 0


def test_loads_are_the_steps_between_the_bounds():
    rules = {"lowest": 0.1, "highest": 0.5, "step": 0.1}

    assert find_limit.loads_of(rules) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert find_limit.loads_of({"lowest": 1, "highest": 8, "step": 3}) == [1, 4, 7]


def test_arrivals_begin_before_the_worker_does():
    seen = []

    class Offset:
        value = math.nan

        def get_lock(self):
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

    class Base:
        _offset = Offset()

        def init_processes_start(self, start_time):
            seen.append((start_time, self._offset.value))

    class Poisson(Base):
        pass

    send_poisson.set_start_first(Poisson, Base)
    Poisson().init_processes_start(17.0)

    assert seen == [(17.0, 17.0)]
