"""Figures of Python and the bundle in the browser use the same Plotly version."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest
from django.conf import settings
from django.utils import timezone
from plotly.offline import get_plotlyjs_version

from dashboard.charts import accuracy, curves, gateway, history, live, matrix_heat, systems
from dashboard.charts.curves import Series, throughput
from dashboard.charts.figure_parts import Figure
from dashboard.templatetags.ui import chart
from jobs.models import GatewayUse, Matrix, Result
from jobs.queries.comparison.history import History, PartChange, Period
from jobs.queries.matrices import MatrixPage
from jobs.queries.results.results import BudgetPoint, BudgetUse, Category
from jobs.queries.results.systems import System, SystemPoint
from jobs.queries.results.tradeoff import EvaluationPair, FastestPoint
from jobs.statistics import wilson

BASE = Path(settings.BASE_DIR)
BUNDLE = BASE / "static/vendor/plotly/plotly-cartesian.min.js"
TEMPLATE = json.loads((BASE / "static/plotly-template.json").read_text())
POINTS = [(n, {"output_tokens_per_s": 9.0, "tpot_p50_ms": 9.0, "ttft_p50_ms": 9.0}) for n in (1, 4)]
EIGHT = [Series(f"#{n}", POINTS) for n in range(8)]
SHARE = wilson(5, 10)
DIFFERENCES = [("sums", SHARE, False)]
TABLE = MatrixPage(Matrix(), "output_tokens_per_s", (), (1, 4), (), None, 0)
CHANGED = [PartChange("image", "a", "b")]
RUNS = [Result(pk=pk, job_id=pk, created_at=datetime(2026, 11, pk, tzinfo=UTC)) for pk in (1, 2, 3)]
PERIODS = [Period(1, RUNS[:2], [9.0, 9.1]), Period(2, RUNS[2:], [8.0], parts=CHANGED)]
VALUES = {1: 9.0, 2: 9.1, 3: 8.0}
HISTORY = History(*(RUNS[0], "output_tokens_per_s", 1, (), (), PERIODS, 0, VALUES))
TIMES = [curves.Times(n, [float(ms) for ms in range(1, 500)]) for n in range(8)]
CURVE = [BudgetPoint(4, wilson(1, 9)), BudgetPoint(8, wilson(3, 9))]
USE = BudgetUse(counted=9, longest=8, limit=16, cut=0, scored=9, questions=9, curve=CURVE)
SPEED = FastestPoint(RUNS[0], 4, {"output_tokens_per_s": 90.0}, "engine")
ORIGINS = ({}, {"endpoint_id": 1}, {"imported_id": 1})
RATES = [(SystemPoint(n, 50.0 / n, 9.0 * n) for n in (1, 4)) for _ in RUNS]
SYSTEMS = [
    (f"#{run.pk}", System("m", run, None, [*own]), "ab")
    for run, own in zip(RUNS, RATES, strict=True)
]
PAIRS = [EvaluationPair(Result(pk=1, job_id=1, **own), SHARE, SPEED) for own in ORIGINS]
LOADS = [(1, 9.0, SHARE), (2, None, None)]
HOUR = GatewayUse(model="m", hour=datetime(2026, 11, 1, tzinfo=UTC), prompt_tokens=9)
FIGURES = {
    "accuracy.tradeoff": lambda: accuracy.tradeoff(PAIRS, "output_tokens_per_s"),
    "systems.pareto": lambda: systems.pareto(SYSTEMS, "tok/s"),
    "accuracy.budgets": lambda: accuracy.budgets([("#1", USE), ("#2", USE)]),
    "curves.throughput": lambda: throughput(EIGHT),
    "curves.percentiles": lambda: curves.percentiles("ttft", EIGHT),
    "curves.over_loads": lambda: curves.over_loads("TTFT", "rate", LOADS, 5.0),
    "curves.distribution": lambda: curves.distribution("ttft", TIMES),
    "curves.interactivity": lambda: curves.interactivity(EIGHT, has_frontier=True),
    "accuracy.categories": lambda: accuracy.categories([Category("sums", 10, 5.0)], SHARE),
    "accuracy.differences": lambda: accuracy.differences(DIFFERENCES, 0.01),
    "accuracy.compared": lambda: accuracy.compared([(f"res-{n}", SHARE) for n in range(8)]),
    "gateway.tokens_by_hour": lambda: gateway.tokens_by_hour([HOUR], 1),
    "live.accuracy_figure": live.accuracy_figure,
    "live.figure": live.figure,
    "history.figure": lambda: history.figure(HISTORY),
    "matrix_heat.figure": lambda: matrix_heat.figure(TABLE),
}


def tokens_in(value):
    return set(re.findall(r"var\(--([\w-]+)\)", json.dumps(value)))


def test_package_and_bundle_have_one_plotly_version():
    packages = json.loads((BASE / "static/vendor/VENDORED.json").read_text())["packages"]
    (listed,) = (one["version"] for one in packages if one["package"].startswith("plotly.js"))
    (bundled,) = re.findall(r"plotly\.js \(cartesian - minified\) v(\S+)", BUNDLE.read_text())

    assert get_plotlyjs_version() == listed == bundled


def test_the_bundle_draws_all_used_trace_types():
    known = set(re.findall(r'moduleType:"trace",name:"(\w+)"', BUNDLE.read_text()))
    used = {trace.type for make in FIGURES.values() for trace in make().checked().data}

    assert "scatter" in used
    assert used | set(TEMPLATE["data"]) <= known


def test_each_chart_is_tried_here():
    folder = BASE / "dashboard/charts"
    makers = {
        f"{path.stem}.{name}"
        for path in folder.glob("*.py")
        for name in re.findall(
            r"^def ([a-z]\w*)\([^)]*\) -> Figure:", path.read_text(), re.MULTILINE
        )
    }

    assert makers == set(FIGURES)


def test_the_template_has_only_known_properties():
    checked = go.layout.Template(TEMPLATE)  # unknown properties raise ValueError

    assert checked.layout.to_plotly_json() == TEMPLATE["layout"]


@pytest.mark.parametrize("name", [*FIGURES, "template"])
def test_colours_are_tokens_of_the_style_sheet(name):
    known = set(re.findall(r"--([\w-]+):", (BASE / "static/css/tokens.css").read_text()))

    used = tokens_in(TEMPLATE if name == "template" else FIGURES[name]().to_plotly_json())

    assert used
    assert used <= known


@pytest.mark.parametrize("name", FIGURES)
def test_a_page_gets_plain_lists_and_no_template(name):
    sent = chart(FIGURES[name](), height=240, label="", id="x")["figure"]

    assert "template" not in sent["layout"]
    assert all(type(trace[axis]) is list for trace in sent["data"] for axis in "xy")


def test_a_property_that_plotly_does_not_know_is_refused():
    with pytest.raises(ValueError, match="colour"):
        Figure([{"type": "scatter", "line": {"colour": "red"}}], {})


@pytest.mark.parametrize("name", FIGURES)
def test_the_page_gets_what_plotly_reads(name):
    figure = FIGURES[name]()

    assert json.loads(json.dumps(figure.to_plotly_json())) == json.loads(figure.checked().to_json())


def test_a_heat_map_has_numbers_and_no_colour_bar():
    (trace,) = matrix_heat.figure(TABLE).checked().data

    assert (trace.showscale, trace.texttemplate) == (False, "%{text}")


def test_hours_of_the_gateway_are_those_of_the_viewer():
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        figure = gateway.tokens_by_hour([HOUR], days=7).checked()

    assert figure.data[0].x == ("2026-11-01 08:00:00",)
    begin, end = (datetime.fromisoformat(at) for at in figure.layout.xaxis.range)
    assert end - begin == timedelta(days=7)
