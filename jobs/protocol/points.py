"""Points: values that a job or a server was scraped for, one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from jobs.base.bounds import VALUES_MAX
from jobs.protocol.base import (
    BadMessage,
    HostModel,
    Moment,
    Number,
    Text64,
    check_lines,
    load,
    note_torn,
    read,
)

# watch -> [[seconds since the epoch by the host's clock, {metric: value}], …]
Rows: TypeAlias = list[list[Any]]


class Point(HostModel):
    """One scrape: watch, time, value of each metric."""

    w: Annotated[str, Field(min_length=1, max_length=64)]
    t: Moment
    v: Annotated[dict[Text64, Number], Field(max_length=VALUES_MAX)]


def parse_points(data: bytes) -> dict[str, Rows]:
    """Return the rows of whole lines by watch. Lines that are no JSON were torn: left out.

    Raises:
        BadMessage: a point breaks the protocol; ``field`` is like ``points[7].v.waiting``. Or there
            are more lines, or more torn ones, than :mod:`jobs.base.bounds` allows.
    """
    rows: dict[str, Rows] = {}
    lines = data.splitlines()
    check_lines(lines, "points")
    torn = []
    for index, line in enumerate(lines):
        where = f"points[{index}]"
        try:
            sent = load(line, where)
        except BadMessage:
            torn.append(line)
            continue
        point = read(Point, sent, where)
        rows.setdefault(point.w, []).append([point.t, point.v])
    note_torn(torn, "points")
    return rows
