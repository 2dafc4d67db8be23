"""The summary: OpenCompass's four forms of one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.lib.opencompass import data

HEAD = ("dataset", "version", "metric", "mode")
_CARET, _DOLLAR, _DASH = "^" * 128, "$" * 128, "-" * 128
_DIVIDER = f"{_DASH} THIS IS A DIVIDER {_DASH}"

Scores = Mapping[tuple[str, str], float]  # (model, data set) -> accuracy in per cent


def rows(
    datasets: Sequence[Mapping[str, Any]], models: Sequence[str], scores: Scores
) -> list[list[str]]:
    """The table's rows; "-" throughout where no model has a score."""
    lines = []
    for dataset in datasets:
        abbr = str(dataset["abbr"])
        values = [scores.get((model, abbr)) for model in models]
        head = list(data.metric(dataset)) if any(v is not None for v in values) else ["-"] * 3
        lines.append([abbr, *head, *("-" if v is None else f"{v:.2f}" for v in values)])
    return lines


def simple(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """tabulate's form ``simple``: columns of numbers stand right."""
    widths, right = [], []
    for at, title in enumerate(head):
        cells = [line[at] for line in body]
        numeric = any(_is_number(cell) for cell in cells)
        widths.append(max([len(title) + 2, *map(len, cells)]))
        right.append(numeric and at >= len(HEAD))
    lines = []
    for line in (head, ["-" * width for width in widths], *body):
        cells = [
            cell.rjust(width) if stands else cell.ljust(width)
            for cell, width, stands in zip(line, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The form that people copy."""
    lines = ["| " + " | ".join(head) + " |", "|" + " | ".join(["-----"] * len(head)) + "|"]
    lines += ["| " + " | ".join(line) + " |" for line in body]
    return "\n".join(lines) + "\n"


def as_csv(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Rows with commas."""
    return "\n".join(",".join(line) for line in (head, *body))


def write(
    folder: Path,
    stamp: str,
    datasets: Sequence[Mapping[str, Any]],
    models: Sequence[str],
    scores: Scores,
) -> dict[str, Path]:
    """Write the three files; the path of each."""
    head, body = [*HEAD, *models], rows(datasets, models, scores)
    folder.mkdir(parents=True, exist_ok=True)
    # 0.4.1 sets its three tables apart in three ways.
    text = (
        f"{stamp}\ntabulate format\n{_CARET}\n{simple(head, body)}\n{_DOLLAR}\n\n{_DIVIDER}\n\n"
        f"csv format\n{_CARET}\n{as_csv(head, body)}\n{_DOLLAR}\n\n"
        f"markdown format\n{_CARET}\n{markdown(head, body)}\n{_DOLLAR}\n{_DIVIDER}\n\n"
    )
    text += f"raw format\n{_CARET}\n"
    for model in models:
        text += f"-------------------------------\nModel: {model}\n"
        for dataset in datasets:
            score = scores.get((model, str(dataset["abbr"])))
            shown = {} if score is None else {"accuracy": score}
            text += f"{dataset['abbr']}: {shown}\n"
    text += f"{_DOLLAR}\n"
    paths = {suffix: folder / f"summary_{stamp}.{suffix}" for suffix in ("txt", "csv", "md")}
    paths["txt"].write_text(text, encoding="utf-8")
    paths["csv"].write_text(as_csv(head, body) + "\n", encoding="utf-8")
    paths["md"].write_text(markdown(head, body), encoding="utf-8")
    return paths
