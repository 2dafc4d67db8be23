"""Tasks of confined workers that take a moment: progress, an engine about itself, tables."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.base.errors import ParseError
from jobs.kinds import KINDS
from jobs.metrics.measured import EngineAbout, Glance, TableScore
from jobs.readings import function_of, progress_of
from jobs.tools.opencompass.tables_parser import HEAD, parse_csv, parse_markdown
from jobs.tools.outputs import engine_about
from jobs.tools.outputs.progress import draws_bar

# Now, in the process that workers are forked from: see jobs.confined.worker.load.
for _kind in KINDS.values():
    function_of(_kind.reads)

_TABLE = "table"
_LINE_ENDS = (b"\n", b"\r")


def glance(kind: str, tail: bytes, offset: int) -> Glance:
    """Return the progress of a job in the end of its log. Bytes from ``offset`` on are new."""
    begun = max(tail.rfind(end, 0, max(0, offset)) for end in _LINE_ENDS) + 1
    fresh = tail[begun:]
    figures = progress_of(kind, tail)
    has_drawn = figures is not None and (progress_of(kind, fresh) is not None or draws_bar(fresh))
    return Glance(figures, has_drawn)


def about(answers: Mapping[str, tuple[int, bytes]], model: str) -> EngineAbout:
    """Return what an engine tells about itself: see :func:`jobs.tools.outputs.engine_about.read`.

    Raises:
        ParseError: there is no list of models.
    """
    found = engine_about.read(answers, model)
    if found is None:
        raise ParseError("no list of models")
    return found


def tables(content: bytes) -> list[TableScore]:
    """Return the rows of pasted summaries.

    Raises:
        ParseError: no table, or a damaged one.
    """
    is_csv = content.lstrip().startswith(",".join(HEAD).encode())
    return list((parse_csv if is_csv else parse_markdown)(_TABLE, content.strip()))
