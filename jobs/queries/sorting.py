"""Sorted lists, paged by keyset. A list is sorted by one column and, where its values are equal, by
number, both in one direction: a total order, so that pages repeat and lose nothing. Rows without a
value come last. A cursor is ``<number>~<value>`` of a page's last row, ``<number>`` without a
value."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple, TypeVar

from django.db.models import F, FloatField, Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from jobs.base.numbers import number_from

Record = TypeVar("Record", bound=Model)

LONGEST = 300  # characters of a value in a cursor
_VALUE = "sorted_by"


class SortKey(NamedTuple):
    """Sort key of a list. ``read`` makes a value of a cursor's text, or raises ValueError."""

    value: Combinable
    read: Callable[[str], Any]
    always: bool = False  # every row has a value
    indexed: bool = False  # an index holds (value, number): asked in the form that uses it


class Order(NamedTuple):
    """A column by its name, and the direction. As text: ``-made`` is descending."""

    name: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.name}" if self.descending else self.name


class Cursor(NamedTuple):
    """The last row of a page: its value, None where it has none, and its number."""

    value: Any
    number: int


def read_order(text: str, columns: Mapping[str, SortKey], default: Order) -> Order:
    name = text.removeprefix("-")
    return Order(name, text.startswith("-")) if name in columns else default


def in_order(rows: QuerySet[Record], column: SortKey, order: Order) -> QuerySet[Record]:
    value, last = F(_VALUE), {} if column.always else {"nulls_last": True}
    by = value.desc(**last) if order.descending else value.asc(**last)
    ordered: QuerySet[Record] = rows.annotate(**{_VALUE: column.value})
    return ordered.order_by(by, "-pk" if order.descending else "pk")


def sorted_page(
    rows: QuerySet[Record], column: SortKey, order: Order, after: str, size: int
) -> tuple[list[Record], str]:
    """At most ``size`` rows behind the cursor ``after``, and the next cursor, "" at the end. A
    cursor that no page has given is taken for the begin of the list."""
    rows = in_order(rows, column, order)
    cursor = read_cursor(after, column)
    if cursor is not None:
        rows = _behind(rows, column, order, cursor)
    records = list(rows[: size + 1])
    if len(records) <= size:
        return records, ""
    value, number = getattr(records[size - 1], _VALUE), records[size - 1].pk
    if value is None:
        return records[:size], str(number)
    written = value.isoformat() if isinstance(value, datetime) else value
    return records[:size], f"{number}~{written}"


def read_cursor(text: str, column: SortKey) -> Cursor | None:
    """Return the cursor of an address; None for what no page has given."""
    first, has_value, value = text.partition("~")
    number = number_from(first)
    if number is None or len(value) > LONGEST:
        return None
    try:
        return Cursor(column.read(value) if has_value else None, number)
    except (ValueError, OverflowError):
        return None


def metric(*names: str) -> SortKey:
    """Return the column of the first of these metrics that a row has."""
    values = [Cast(KeyTextTransform(name, "metrics"), FloatField()) for name in names]
    return SortKey(Coalesce(*values) if len(values) > 1 else values[0], read_float)


def text(field: str, *, always: bool = False) -> SortKey:
    return SortKey(F(field), str, always=always)


def read_float(written: str) -> float:
    """Raises ValueError for what is no number, and for infinity."""
    value = float(written)
    if not isfinite(value):
        raise ValueError(written)
    return value


def read_whole(written: str) -> int:
    """Raises ValueError for what is no whole number that every database can hold."""
    number = number_from(written)
    if number is None:
        raise ValueError(written)
    return number


def read_moment(written: str) -> datetime:
    """Raises ValueError for what is no time with its zone."""
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError(written)
    try:
        return moment.astimezone(UTC)  # as a database is asked
    except OverflowError:  # before the year 1
        raise ValueError(written) from None


def _behind(
    rows: QuerySet[Record], column: SortKey, order: Order, cursor: Cursor
) -> QuerySet[Record]:
    further = "lt" if order.descending else "gt"
    if cursor.value is None:
        return rows.filter(**{f"{_VALUE}__isnull": True, f"pk__{further}": cursor.number})
    if column.indexed:
        # Not the usual OR: with it the database would leave the index (docs/decisions).
        up_to, pk_lookup = ("lte", "gte") if order.descending else ("gte", "lte")
        return rows.filter(**{f"{_VALUE}__{up_to}": cursor.value}).exclude(
            **{_VALUE: cursor.value, f"pk__{pk_lookup}": cursor.number}
        )
    behind = Q(**{f"{_VALUE}__{further}": cursor.value})
    behind |= Q(**{_VALUE: cursor.value, f"pk__{further}": cursor.number})
    return rows.filter(behind if column.always else behind | Q(**{f"{_VALUE}__isnull": True}))


# Order of lists that nobody sorts, and its column.
NEWEST = Order("made", descending=True)
MADE = SortKey(F("created_at"), read_moment, always=True, indexed=True)
