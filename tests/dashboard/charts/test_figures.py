"""Figures of Python and the bundle in the browser use the same Plotly version."""

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest
from django.conf import settings
from plotly.offline import get_plotlyjs_version

from dashboard.charts import (
    accuracy,
    growing_accuracy,
    interactivity,
    live,
    matrix_heat,
    per_device,
    percentiles,
    throughput,
)
from dashboard.charts.series import Series
from dashboard.templatetags.ui import chart
from jobs.models import Matrix
from jobs.queries.matrices import MatrixPage
from jobs.queries.results.results import Category
from jobs.queries.statistics import wilson

BASE = Path(settings.BASE_DIR)
BUNDLE = BASE / "static/vendor/plotly/plotly-cartesian.min.js"
TEMPLATE = json.loads((BASE / "static/plotly-template.json").read_text())
POINTS = [(n, {"output_tokens_per_s": 9.0, "tpot_p50_ms": 9.0, "ttft_p50_ms": 9.0}) for n in (1, 4)]
EIGHT = [Series(f"#{n}", POINTS, devices=8) for n in range(8)]
SHARE = wilson(5, 10)
TABLE = MatrixPage(Matrix(), "output_tokens_per_s", (), (1, 4), (), None, 0)
FIGURES = {
    "throughput": lambda: throughput.figure(EIGHT),
    "percentiles": lambda: percentiles.figure("ttft", EIGHT),
    "per_device": lambda: per_device.figure(EIGHT),
    "interactivity": lambda: interactivity.figure(EIGHT),
    "accuracy": lambda: accuracy.figure([Category("sums", 10, 5.0, SHARE)], SHARE),
    "growing_accuracy": growing_accuracy.figure,
    "live": live.figure,
    "matrix_heat": lambda: matrix_heat.figure(TABLE),
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
    used = {trace.type for make in FIGURES.values() for trace in make().data}

    assert "scatter" in used
    assert used | set(TEMPLATE["data"]) <= known


def test_each_chart_is_tried_here():
    folder = BASE / "dashboard/charts"
    makers = {path.stem for path in folder.glob("*.py") if "\ndef figure(" in path.read_text()}

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
    figure = FIGURES["throughput"]()

    with pytest.raises(ValueError, match="rangemod"):
        figure.update_yaxes(rangemod="tozero")
