"""Columns of the large tables: choice, headings and sort orders.

A cookie per table stores the shown columns. The URL stores the sort order:
``?order=-output_tokens_per_s``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dashboard.text.labels import metric_label
from jobs.metrics import METRICS
from jobs.queries.sorting import Order

_NONE = "-"  # cookie value without any optional column
_PARAMETER = "columns"


class Column(NamedTuple):
    """Column of a table. ``is_sorted``: by its name; ``also``: further sort orders as (name in the
    URL, heading). ``is_fixed``: cannot be hidden. ``is_usual``: shown by default. ``metric``: shown
    metric. ``falls``: the first click sorts from high to low."""

    name: str
    title: str | Promise
    hint: str | Promise = ""
    also: Sequence[tuple[str, str | Promise]] = ()
    is_sorted: bool = True
    is_fixed: bool = False
    is_usual: bool = True
    metric: str = ""
    css: str = ""
    falls: bool = False

    @property
    def orders(self) -> list[tuple[str, str | Promise]]:
        return [(self.name, self.title), *self.also] if self.is_sorted else []


def _metric(name: str, title: str | Promise = "", hint: str | Promise = "") -> Column:
    """Return the column of a metric, which is shown by default if it has a title of its own."""

    def with_unit() -> str:
        unit, label = METRICS[name].unit, metric_label(name)
        return f"{label}, {unit}" if unit in ("ms", "s") else label

    word, falls = title or lazy(with_unit, str)(), METRICS[name].better != "lower"
    return Column(name, word, hint, is_usual=bool(title), metric=name, css="r", falls=falls)


RESULTS: Sequence[Column] = (
    Column("job", _("Result"), is_fixed=True, falls=True),
    Column("model", _("Model"), also=[("precision", _("Precision"))], is_fixed=True, css="hide-s"),
    Column("workload", _("Workload"), also=[("host", _("Host"))], css="hide-s"),
    _metric("concurrency", pgettext_lazy("head of a column", "Conc."), _("Concurrency")),
    _metric("output_tokens_per_s", _("Output, tok/s")),
    _metric("ttft_p50_ms", "TTFT p50, ms"),
    _metric("ttft_p99_ms", "TTFT p99, ms"),
    _metric("tpot_p50_ms", "TPOT p50, ms"),
    _metric("accuracy", _("Accuracy, %")),
    Column(
        *("done", _("Samples"), _("Completed requests, questions or iterations")),
        css="r",
        falls=True,
    ),
    *(
        _metric(name)
        for name in (
            *("total_tokens_per_s", "requests_per_s", "ttft_mean_ms", "tpot_p99_ms"),
            *("itl_p50_ms", "latency_p50_s", "latency_p99_s", "failed_requests"),
            *("input_tokens_mean", "output_tokens_mean", "duration_s"),
        )
    ),
    Column("stack", _("Stack"), is_usual=False, css="hide-s"),
    Column("tool", _("Tool"), is_sorted=False, is_usual=False, css="hide-s"),
    Column("person", _("Started by"), css="hide-s"),
    Column("made", _("Measured"), css="r", falls=True),
)
JOBS: Sequence[Column] = (
    Column(
        *("job", _("Job")),
        also=[("kind", _("Kind")), ("state", _("State"))],
        is_fixed=True,
        falls=True,
    ),
    Column("host", _("Host"), css="hide-s"),
    Column("outcome", _("Outcome"), is_sorted=False),
    Column("person", _("Started by"), css="hide-s"),
    Column("started", _("Started"), is_usual=False, css="r hide-s", falls=True),
    Column("ended", _("Ended"), is_usual=False, css="r hide-s", falls=True),
    Column("duration", _("Duration"), css="r", falls=True),
    Column("made", _("Created"), css="r", falls=True),
)
TABLES: Mapping[str, Sequence[Column]] = {"results": RESULTS, "jobs": JOBS}


def cookie_name(table: str) -> str:
    return f"columns-{table}"


def written(names: Sequence[str], table: str) -> str:
    """Return the cookie value for these columns, without unknown names."""
    columns = [column for column in TABLES[table] if not column.is_fixed]
    return ".".join(column.name for column in columns if column.name in names) or _NONE


def chosen(request: HttpRequest, table: str) -> list[Column]:
    """Return the shown columns in the table's order: those of a saved view, else the cookie's."""
    kept = request.GET.get(_PARAMETER) or request.COOKIES.get(cookie_name(table))
    columns = TABLES[table]
    if not kept:
        return [column for column in columns if column.is_fixed or column.is_usual]
    names = kept.split(".")
    return [column for column in columns if column.is_fixed or column.name in names]


def without_columns(address: str) -> str:
    """Return an address without the columns that a saved view names: a new choice replaces them."""
    path, mark, query = address.partition("?")
    left = [part for part in query.split("&") if part.partition("=")[0] != _PARAMETER]
    return path + mark + "&".join(left) if any(left) else path


def heads(columns: Sequence[Column], order: Order, query: QueryDict) -> list[dict[str, Any]]:
    """Return columns as headings with sort links. ``sorted``: "ascending", "descending" or "".
    ``query``: of the URL, without the page."""
    way = "descending" if order.descending else "ascending"

    def link(name: str, word: str | Promise, column: Column) -> dict[str, Any]:
        is_now, address = order.name == name, query.copy()
        # A second click reverses the order.
        falls = not order.descending if is_now else column.falls
        address["order"] = str(Order(name, falls))
        return {"word": word, "query": address.urlencode(), "sorted": way if is_now else ""}

    return [
        {
            "title": column.title,
            "hint": column.hint,
            "css": column.css,
            "sorted": way if order.name in dict(column.orders) else "",
            "links": [link(name, word, column) for name, word in column.orders],
        }
        for column in columns
    ]
