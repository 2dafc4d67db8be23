"""The harness of ``make bench`` without running it: its rows, their figures, and their record."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.logstore import store
from tests.bench import __main__ as command
from tests.bench import peers
from tests.bench.harness import Bench, Figure, Goal, exponent, interleaved, percentile, row
from tests.bench.inside import log_reads
from tests.bench.rows import PEERS, ROWS
from tests.bench.rows.logs import write_log
from tests.factories import make_job
from tests.stack import pids_with

RECORD = Path(__file__).parent.parent / "docs" / "performance.md"
KEYS = ["name", "measured", "limit", "ratio", "goal", "met", "unit"]


@row(
    "fixed",
    "a row that has been measured already",
    Goal("rate", "MB/s", 0.5, of="ratio", at_least=True),
    Goal("p99", "ms", 30),
    limit_s=1,
)
def fixed(_bench):
    return {"p99": 31.25, "rate": (60.0, 100.0)}


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


@pytest.mark.parametrize(("names", "rows"), [([], ROWS), (["peers"], PEERS)])
def test_programs_of_others_are_measured_by_name_only(monkeypatch, names, rows):
    ran = []
    monkeypatch.setattr(command, "_run", lambda name, folder, quick: ran.append(name) or [])

    command.main([*names, "--json"])

    assert ran == list(rows)


def test_growth_measures_a_tenth_of_each_row_that_grows(monkeypatch, capsys):
    def ran(name, folder, quick, share=1.0):
        measured = {1.0: 300.0, 0.1: 30.0}[share]
        return [Figure(f"{name}.x", measured, None, None, "≤ 1 ms", False, "ms").to_json()]

    monkeypatch.setattr(command, "_run", ran)

    command.main(["growth", "--json"])
    command.main(["growth", "lists", "--markdown"])

    out, _, table = capsys.readouterr().out.rpartition("]")
    grown = json.loads(out + "]")
    assert [each["name"] for each in grown] == [f"{n}.x" for n, row in ROWS.items() if row.grows]
    assert {(each["tenth"], each["measured"], each["exponent"]) for each in grown} == {(30, 300, 1)}
    assert table.strip() == "| `lists.x` | jobs | 30 ms | 300 ms | +1.00 |"


def test_a_figure_of_zero_has_no_growth():
    assert exponent(0.0, 5.0) is None
    assert exponent(20.0, 20.0) == 0


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """Stands in for the pip of each environment that is made: a program that is given."""
    made = []

    def use(program):
        def create(folder, with_pip):
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "pip").symlink_to(shutil.which(program))
            made.append(folder.name)

        monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path)
        monkeypatch.setattr(peers.venv, "create", create)
        return made

    return use


def test_a_peer_is_installed_once(pip, tmp_path):
    made = pip("true")

    assert peers.installed("litellm[proxy]") == tmp_path / "litellm" / "bin"
    assert peers.installed("litellm[proxy]") == tmp_path / "litellm" / "bin"
    assert made == ["litellm"]


def test_a_peer_that_cannot_be_installed_is_tried_again(pip):
    made = pip("false")

    for _ in range(2):
        with pytest.raises(SystemExit, match="litellm is not measured: pip cannot install it"):
            peers.installed("litellm[proxy]")
    assert made == ["litellm", "litellm"]


def test_the_record_has_the_goal_of_every_figure():
    rows = [row.split(" | ") for row in RECORD.read_text().splitlines() if row.count(" | ") == 5]
    kept = {cells[0].strip("| `"): cells[4] for cells in rows if "`" in cells[0]}

    assert kept == {
        f"{row.name}.{goal.name}": goal.text
        for row in (ROWS | PEERS).values()
        for goal in row.goals
    }


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
