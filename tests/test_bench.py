"""The harness of ``make bench`` without running it: its rows, their figures, and their record."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from jobs.logstore import store
from tests.bench import __main__ as command
from tests.bench.harness import Bench, Figure, Goal, interleaved, percentile, row
from tests.bench.inside import log_reads
from tests.bench.rows import ROWS
from tests.bench.rows.logs import write_log
from tests.factories import make_job
from tests.stack import pids_with

RECORD = Path(__file__).parent.parent / "docs" / "performance.md"
KEYS = ["name", "measured", "limit", "ratio", "goal", "met", "unit"]
# The goals that the project has set itself, a row each.
GOALS = {
    "live-log": {"rate": "ratio ≥ 0.9", "cpu": "ratio ≤ 1.3", "lost": "≤ 0 sockets"},
    "live-log-paced": {"p50": "≤ 10 ms", "p99": "≤ 30 ms", "lost": "≤ 0 sockets"},
    "launcher": {"wall": "ratio ≤ 1.02"},
    "intake": {"rate": "ratio ≥ 0.5"},
    "log-reads": {"tail": "≤ 2 ms", "line": "≤ 2 ms", "search": "ratio ≤ 1.5"},
    "lists": {
        "sqlite.jobs.all-deep": "ratio ≤ 1.3",
        "postgresql.results.model-deep": "ratio ≤ 1.3",
    },
    "organised": {
        "list": "≤ 300 ms of its processor",
        "compare-groups": "≤ 300 ms of its processor",
        "history": "≤ 300 ms of its processor",
        "draw.compare": "≤ 1000 ms",
    },
    "start": {"command-p95": "≤ 150 ms", "line-p95": "≤ 300 ms"},
    "queue": {"drain": "ratio ≥ 0.9"},
    "relay": {
        "ttft-1": "added ≤ 2 ms",
        "ttft-100": "added ≤ 20 ms",
        "rate-1": "ratio ≥ 0.97",
        "rate-100": "ratio ≥ 0.97",
        "cpu": "≤ 4 µs a token",
    },
    "viewer": {"memory": "≤ 400 MB", "frame-p99": "≤ 50 ms"},
    "chart": {"update": "≤ 50 ms"},
    "playground": {"frame-max": "≤ 100 ms"},
    "reader": {"open": "≤ 1000 ms", "step": "≤ 100 ms"},
}


@row(
    "fixed",
    "a row that has been measured already",
    Goal("rate", "MB/s", 0.5, of="ratio", at_least=True),
    Goal("p99", "ms", 30),
    limit_s=1,
)
def fixed(_bench):
    return {"p99": 31.25, "rate": (60.0, 100.0)}


def test_every_goal_of_the_project_has_a_row_that_sets_it():
    assert list(ROWS) == list(GOALS)
    for name, goals in GOALS.items():
        goals_of_row = {goal.name: goal.text for goal in ROWS[name].goals}
        assert goals.items() <= goals_of_row.items()


def test_a_figure_has_what_the_table_and_json_show(tmp_path):
    rows = [figure.to_json() for figure in fixed.figures(Bench(tmp_path, quick=True))]

    assert [list(figure) for figure in rows] == [KEYS, KEYS]
    assert rows == [
        {
            "name": "fixed.rate",
            "measured": 60.0,
            "limit": 100.0,
            "ratio": 0.6,
            "goal": "ratio ≥ 0.5",
            "met": True,
            "unit": "MB/s",
        },
        {
            "name": "fixed.p99",
            "measured": 31.25,
            "limit": None,
            "ratio": None,
            "goal": "≤ 30 ms",
            "met": False,
            "unit": "ms",
        },
    ]


@pytest.mark.parametrize(
    ("goal", "measured", "limit", "met"),
    [
        (Goal("x", "s", 1.02, of="ratio"), 3.06, 3.0, True),
        (Goal("x", "s", 1.02, of="ratio"), 3.07, 3.0, False),
        (Goal("x", "ms", 2, of="added"), 5.5, 4.0, True),
        (Goal("x", "ms", 2, of="added"), 6.5, 4.0, False),
        (Goal("x", "MB/s", 0.5, of="ratio", at_least=True), 49.0, 100.0, False),
    ],
)
def test_a_goal_is_met_or_missed_by_what_it_is_about(goal, measured, limit, met):
    assert goal.figure("row", measured, limit).met is met


def test_sides_are_run_in_turns_and_none_is_always_second():
    order = []

    def way(name, values):
        return lambda: order.append(name) or {"s": next(values)}

    medians = interleaved(3, ours=way("ours", iter([3, 1, 2])), bare=way("bare", iter([9, 9, 1])))

    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]
    assert medians == {"ours": {"s": 2}, "bare": {"s": 9}}


def test_a_percentile_is_a_value_that_was_seen():
    assert percentile([5.0, 1.0, 4.0, 2.0], 0.5) == 4.0
    assert percentile([1.0, 2.0], 1.0) == 2.0


def test_json_is_of_the_rows_that_are_named(monkeypatch, capsys):
    figure = Figure("chart.update", 12.0, None, None, "≤ 50 ms", True, "ms").to_json()
    ran = []
    monkeypatch.setattr(
        command, "_run", lambda name, folder, quick: ran.append((name, quick)) or [figure]
    )

    assert command.main(["chart", "--json", "--quick"]) == 0

    assert ran == [("chart", True)]
    assert json.loads(capsys.readouterr().out) == [figure]


def test_the_record_has_a_line_for_every_figure():
    kept = RECORD.read_text()
    names = [f"{row.name}.{goal.name}" for row in ROWS.values() for goal in row.goals]

    assert [name for name in names if f"`{name}`" not in kept] == []


def test_what_a_row_has_left_behind_is_found(tmp_path):
    marked = {**os.environ, command.FOLDER: str(tmp_path)}
    with subprocess.Popen(["sleep", "60"], env=marked) as left:
        left_behind = pids_with(f"{command.FOLDER}={tmp_path}")
        left.kill()

    assert left_behind == [left.pid]
    assert pids_with(f"{command.FOLDER}={tmp_path}") == []


@pytest.mark.django_db
def test_a_long_log_is_read_as_its_views_read_it():
    jobs = {name: make_job().pk for name in ("job", "packed")}
    for pk in jobs.values():
        path = store().path(f"job/{pk}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_log(path, 3000)

    read = log_reads.measure(**jobs, lines=3000, line=1500, rounds=1)

    assert read.pop("is_right")
    assert all(seconds > 0 for seconds in read.values())
