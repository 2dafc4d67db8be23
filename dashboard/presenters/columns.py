"""Columns of the big tables: which are shown, what their heads say, what sorts by them.

Which columns a person wants is kept in a cookie of their browser, one for each table; what a list
is sorted by stands in its address, ``?order=-output_tokens_per_s``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dashboard.text.labels import metric_label
from jobs.metrics import METRICS
from jobs.queries.sorting import Order

KEPT_S = 365 * 86400
_NONE = "-"  # the cookie of somebody who wants none of the columns that can be hidden


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``orders``: names in the address and the words of what it can be sorted by.

    ``is_fixed``: cannot be hidden; ``is_usual``: shown until somebody chooses otherwise;
    ``metric``: it shows this metric. ``falls``: the first click sorts from high to low.
    """

    name: str
    title: str | Promise
    hint: str | Promise = ""
    orders: Sequence[tuple[str, str | Promise]] = ()
    is_fixed: bool = False
    is_usual: bool = True
    metric: str = ""
    css: str = ""
    falls: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A word of a head that sorts. ``sorted``: "ascending", "descending" or ""."""

    word: str
    query: str
    sorted: str


@dataclass(frozen=True, slots=True)
class Head:
    """A head as the page shows it. ``sorted`` is for ``aria-sort``."""

    title: str
    hint: str
    css: str
    links: Sequence[Link]

    @property
    def sorted(self) -> str:
        """How the table is sorted by this column, "" where it is not."""
        return next((link.sorted for link in self.links if link.sorted), "")


def _with_unit(name: str) -> str:
    """A metric's name, and its unit where the name does not tell it."""
    unit, label = METRICS[name].unit, metric_label(name)
    return f"{label}, {unit}" if unit in ("ms", "s") else label


_with_unit_lazy = lazy(_with_unit, str)


def _metric(
    name: str, title: str | Promise = "", hint: str | Promise = "", *, usual: bool = False
) -> Column:
    word = title or _with_unit_lazy(name)
    falls = METRICS[name].better != "lower"
    orders = [(name, word)]
    return Column(name, word, hint, orders, is_usual=usual, metric=name, css="r", falls=falls)


RESULTS: Sequence[Column] = (
    Column("job", _("Result"), orders=[("job", _("Result"))], is_fixed=True, falls=True),
    Column(
        "model",
        _("Model"),
        orders=[("model", _("Model")), ("precision", _("Precision"))],
        is_fixed=True,
        css="hide-s",
    ),
    Column(
        "workload",
        _("Workload"),
        orders=[("workload", _("Workload")), ("host", _("Host"))],
        css="hide-s",
    ),
    _metric(
        "concurrency", pgettext_lazy("head of a column", "Conc."), _("Concurrency"), usual=True
    ),
    _metric("output_tokens_per_s", _("Output, tok/s"), usual=True),
    _metric("ttft_p50_ms", "TTFT, ms", "TTFT p50, ms", usual=True),
    _metric("ttft_p99_ms", "p99, ms", "TTFT p99, ms", usual=True),
    _metric("tpot_p50_ms", "TPOT, ms", "TPOT p50, ms", usual=True),
    _metric("accuracy", _("Accuracy, %"), usual=True),
    Column(
        "done",
        _("Samples"),
        _("Requests, questions or iterations that were completed"),
        [("done", _("Samples"))],
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
    Column("tool", _("Tool"), is_usual=False, css="hide-s"),
    Column("person", _("By"), orders=[("person", _("By"))], css="hide-s"),
    Column("made", _("Created"), orders=[("made", _("Created"))], css="r", falls=True),
)
JOBS: Sequence[Column] = (
    Column(
        "job",
        _("Job"),
        orders=[("job", _("Job")), ("kind", _("Kind")), ("state", _("State"))],
        is_fixed=True,
        falls=True,
    ),
    Column("host", _("Host"), orders=[("host", _("Host"))], css="hide-s"),
    Column("outcome", _("Outcome")),
    Column("person", _("By"), orders=[("person", _("By"))], css="hide-s"),
    Column(
        "started",
        _("Started"),
        orders=[("started", _("Started"))],
        is_usual=False,
        css="r hide-s",
        falls=True,
    ),
    Column(
        "ended",
        _("Ended"),
        orders=[("ended", _("Ended"))],
        is_usual=False,
        css="r hide-s",
        falls=True,
    ),
    Column("duration", _("Duration"), orders=[("duration", _("Duration"))], css="r", falls=True),
    Column("made", _("Created"), orders=[("made", _("Created"))], css="r", falls=True),
)
TABLES: Mapping[str, Sequence[Column]] = {"results": RESULTS, "jobs": JOBS}


def cookie_name(table: str) -> str:
    """The cookie that keeps a person's columns of ``table``."""
    return f"columns-{table}"


def written(names: Sequence[str], table: str) -> str:
    """The cookie's value for these columns; what is no column of ``table`` is left out."""
    known = [
        column.name for column in TABLES[table] if column.name in names and not column.is_fixed
    ]
    return ".".join(known) or _NONE


def chosen(request: HttpRequest, table: str) -> list[Column]:
    """The columns that this person wants to see, in the table's order."""
    kept = request.COOKIES.get(cookie_name(table))
    columns = TABLES[table]
    if not kept:
        return [column for column in columns if column.is_fixed or column.is_usual]
    names = kept.split(".")
    return [column for column in columns if column.is_fixed or column.name in names]


def heads(columns: Sequence[Column], order: Order, query: QueryDict) -> list[Head]:
    """The heads of these columns; ``query`` is the address without the place in the list."""
    return [
        Head(
            str(column.title),
            str(column.hint),
            column.css,
            [_link(name, str(word), column, order, query) for name, word in column.orders],
        )
        for column in columns
    ]


def _link(name: str, word: str, column: Column, order: Order, query: QueryDict) -> Link:
    is_now = order.name == name
    # A second click turns it round.
    falls = not order.descending if is_now else column.falls
    address = query.copy()
    address["order"] = str(Order(name, falls))
    sorted_ = ("descending" if order.descending else "ascending") if is_now else ""
    return Link(word, address.urlencode(), sorted_)
