"""OpenCompass's summary of a run as CSV, Markdown or text: a row per set, a column per model.

Columns ``dataset,version,metric,mode,<model>…``; a failed set has ``-`` in all columns, and the
tool still exits with 0. Scores are in per cent. Documents contain the same Markdown with a manually
added mean below, "avg" without a version: it is no set, and is left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.base.errors import ParseError
from jobs.base.patterns import pattern
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.metrics.measured import NO_SCORE, TableScore
from jobs.tools.outputs.lines import lines_of

HEAD = ("dataset", "version", "metric", "mode")
_BODY = pattern(r"\^+\n(?P<rows>.*?)\n\$+\n", dot_all=True)
_SECTION = pattern(r"[-–—]{3,}")  # a summarizer's heading between rows
# A mean below the sets: "avg", "avg cluewsc", "mmlu, avg of 57".
_MEAN = pattern(r"avg(?: .*)?|.*, avg of \d+")


@dataclass(frozen=True, slots=True)
class Means:
    """Two means over the sets of one model, from 0 to 1; rankings by the two may differ.

    ``macro`` is the mean of sets, ``weighted`` the mean of questions (None when the questions of a
    set are unknown). ``sets`` and ``questions`` are the counts.
    """

    macro: float
    weighted: float | None
    sets: int
    questions: int | None

    @property
    def metrics(self) -> dict[str, float]:
        """Return both means under their names in ``jobs.metrics.METRICS``."""
        values = {"accuracy_macro": self.macro}
        if self.weighted is not None and self.questions:
            values |= {
                "accuracy_weighted": self.weighted,
                "accuracy": self.weighted,
                "questions": float(self.questions),
            }
        return values


def means(scores: Iterable[TableScore], counts: Mapping[str, int] | None = None) -> Means | None:
    """Return the means over one model's ``scores``; None when no score is a share.

    ``counts`` has the questions per set; missing sets use the known counts.
    """
    rows = [(score, score.share) for score in scores]
    shares = [(score, share) for score, share in rows if share is not None]
    if not shares:
        return None
    known = {name: each.questions for name, each in EVALUATION_SETS.items()} | dict(counts or {})
    sizes = [known.get(score.dataset, 0) for score, _ in shares]
    total = sum(sizes) if all(sizes) else None
    weighted = (
        sum(size * share for size, (_, share) in zip(sizes, shares, strict=True)) / total
        if total
        else None
    )
    return Means(sum(share for _, share in shares) / len(shares), weighted, len(shares), total)


def parse_csv(path: str, content: bytes) -> tuple[TableScore, ...]:
    """Return the scores of ``summary_*.csv``.

    Raises:
        ParseError: empty, truncated, or another table.
    """
    text = _text(path, content)
    return _scores(path, list(csv.reader(io.StringIO(text))))


def parse_markdown(path: str, content: bytes) -> tuple[TableScore, ...]:
    """Return the scores of all such tables in a text, in order; other text is ignored.

    Raises:
        ParseError: no such table, or a truncated table.
    """
    tables = list(_markdown_tables(content))
    if not tables:
        raise ParseError(f"{path} has no table '| {' | '.join(HEAD)} | …'")
    return tuple(score for table in tables for score in _scores(path, table))


def parse_text(path: str, content: bytes) -> tuple[TableScore, ...]:
    """Return the scores in the part "csv format" of ``summary_*.txt``.

    Raises:
        ParseError: empty, cut off, or another file.
    """
    text = _text(path, content)
    _, mark, rest = text.partition("csv format\n")
    body = _BODY.match(rest) if mark else None
    if body is None:
        raise ParseError(f"{path} is no summary of OpenCompass, or is cut off: no whole csv format")
    return _scores(path, list(csv.reader(io.StringIO(body["rows"]))))


def _text(path: str, content: bytes) -> str:
    if not content.strip():
        raise ParseError(f"{path} is empty; a summary of OpenCompass was expected")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"{path} is no text: {error}") from error


def _markdown_tables(content: bytes) -> Iterator[list[list[str]]]:
    rows: list[list[str]] = []
    for line in [*(line.text.strip() for line in lines_of(content)), ""]:
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if tuple(cells[: len(HEAD)]) == HEAD:
            if rows:
                yield rows
            rows = [cells]
        elif rows and cells and set("".join(cells)) <= set("-: ") and len("".join(cells)) > 9:
            continue  # the line between head and rows
        elif rows and cells:
            rows.append(cells)
        elif rows:
            yield rows
            rows = []


def _scores(path: str, rows: Sequence[Sequence[str]]) -> tuple[TableScore, ...]:
    """Return a score per row and model: all rows of the first model, then of the next."""
    head, *body = [row for row in rows if any(cell.strip() for cell in row)] or [[]]
    if tuple(head[: len(HEAD)]) != HEAD or len(head) == len(HEAD):
        raise ParseError(f"{path} begins with {head!r}, not with {', '.join(HEAD)} and a model")
    if not body:
        raise ParseError(f"{path} has a header but no rows")
    scores = []
    for place, model in enumerate(head[len(HEAD) :], len(HEAD)):
        for row in body:
            if len(row) != len(head):
                raise ParseError(
                    f"{path}: row {row!r} does not have the {len(head)} cells of the header"
                )
            if not _SECTION.match(row[0]) and not _is_mean(row):
                scores.append(_score(path, model, row, row[place]))
    if not scores:
        raise ParseError(f"{path} has means only, no data sets")
    return tuple(scores)


def _is_mean(row: Sequence[str]) -> bool:
    return row[1].strip() in NO_SCORE and _MEAN.fullmatch(row[0].strip()) is not None


def _score(path: str, model: str, row: Sequence[str], text: str) -> TableScore:
    dataset, version, metric, mode = ("" if cell == "-" else cell for cell in row[: len(HEAD)])
    try:
        value = None if text in NO_SCORE else float(text)
    except ValueError as error:
        raise ParseError(f"{path}: {text!r} of {dataset} is no score") from error
    if not dataset:
        raise ParseError(f"{path}: row {list(row)!r} has no set name")
    return TableScore(model, dataset, version, metric, mode, value, text)
