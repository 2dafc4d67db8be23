"""The report of one benchmark (schema 2) and the table of all."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.lib import world
from simulator.lib.client import Reply
from simulator.lib.evalscope.questions_of import KNOWN, Item
from simulator.lib.vllm.figures import deviation, mean, percentile

METRIC = "accuracy"
HEAD = ("Model", "Dataset", "Metric", "Subset", "Num", "Score")


@dataclass(frozen=True)
class Done:
    """One question after it was asked."""

    number: int
    subset: str
    item: Item
    reply: Reply
    answer: str
    right: bool

    @property
    def ok(self) -> bool:
        """True if there was an answer at all."""
        return self.reply.ok


def _by_subset(done: Sequence[Done]) -> dict[str, list[Done]]:
    groups: dict[str, list[Done]] = {}
    for one in done:
        groups.setdefault(one.subset, []).append(one)
    return groups


def _score(done: Sequence[Done]) -> float:
    good = [one for one in done if one.ok]
    return round(sum(one.right for one in good) / len(good), 4) if good else 0.0


def report(model: str, name: str, done: Sequence[Done]) -> dict[str, Any]:
    """The file ``reports/<model>/<name>.json``."""
    answered = [one for one in done if one.ok]
    return {
        "schema_version": 2,
        "name": f"{model}@{name}",
        "dataset_name": name,
        "dataset_pretty_name": KNOWN[name][0],
        "dataset_description": f"Made up ({world.MARK}).",
        "model_name": model,
        "metrics": [_metric(answered)],
        "analysis": "N/A",
        "perf_metrics": {"summary": _perf(answered)},
        "primary_metric_identity": _identity(),
        "primary_metric_unavailable_reason": None,
        "judge_summary": None,
        "execution_summary": {
            **_counts(done),
            "incomplete": len(answered) < len(done),
            "subsets": {key: _counts(answers) for key, answers in _by_subset(done).items()},
        },
        "num": len(answered),
    }


def _counts(done: Sequence[Done]) -> dict[str, Any]:
    answered = sum(one.ok for one in done)
    return {"requested": len(done), "succeeded": answered, "errored": len(done) - answered}


def _identity() -> dict[str, Any]:
    return {"name": METRIC, "aggregation": "mean", "dimensions": {}}


def _metric(answered: Sequence[Done]) -> dict[str, Any]:
    subsets = _by_subset(answered)
    scores = {
        "num": len(answered),
        "score": _score(answered),
        "macro_score": round(mean([_score(answers) for answers in subsets.values()]), 4),
    }
    each = [
        {
            "name": key,
            "score": _score(answers),
            "num": len(answers),
            "metadata": None,
            "is_aggregate": False,
        }
        for key, answers in subsets.items()
    ]
    return {
        "identity": _identity(),
        "legacy_name": None,
        **scores,
        "categories": [{"name": ["default"], **scores, "subsets": each}],
        "semantics": _semantics(),
    }


def _semantics() -> dict[str, Any]:
    return {
        "semantic_id": "quality.accuracy.ratio",
        "metric_name": "Accuracy",
        "display_name": None,
        "kind": "quality",
        "direction": "higher_is_better",
        "raw_unit": None,
        "value_range": {"min": 0.0, "max": 1.0},
        "display_kind": "percent",
        "display_multiplier": 100.0,
        "display_unit": "%",
        "display_precision": 1,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    figures = {"mean": mean(values), "std": deviation(values), "min": min(values, default=0.0)}
    figures |= {f"{share}%": percentile(values, share) for share in (25, 50, 75, 90, 99)}
    figures["max"] = max(values, default=0.0)
    return {key: round(value, 6) for key, value in figures.items()}


def _perf(done: Sequence[Done]) -> dict[str, Any]:
    latency = [one.reply.latency for one in done]
    tokens_in = [float(one.reply.prompt_tokens) for one in done]
    tokens_out = [float(one.reply.output_tokens) for one in done]
    total = sum(latency) or 1e-9
    return {
        "n_samples": len(done),
        "latency": _spread(latency),
        "throughput": {
            "avg_output_tps": round(sum(tokens_out) / total, 2),
            "avg_req_ps": round(len(done) / total, 4),
        },
        "usage": {
            "input_tokens": _spread(tokens_in),
            "output_tokens": _spread(tokens_out),
            "total_tokens": _spread([a + b for a, b in zip(tokens_in, tokens_out, strict=True)]),
            "total_input_tokens": int(sum(tokens_in)),
            "total_output_tokens": int(sum(tokens_out)),
            "total_tokens_count": int(sum(tokens_in) + sum(tokens_out)),
        },
    }


def table(model: str, done: Mapping[str, Sequence[Done]]) -> str:
    """The table in a box, a row a subset."""
    rows = [
        (
            model,
            KNOWN[name][0],
            "Accuracy ↑",
            subset,
            str(len(answers)),
            f"{100 * _score(answers):.4g}%",
        )
        for name, all_of in done.items()
        for subset, answers in _by_subset(all_of).items()
    ]
    return boxed(HEAD, rows)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def boxed(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table drawn with box characters; counts stand right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(_width, column)) + (2 if at == 4 else 0) for at, column in enumerate(columns)]

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    def line(cells: Sequence[str]) -> str:
        parts = []
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            room = " " * (width - _width(cell))
            parts.append(room + cell if at == 4 else cell + room)
        return "│ " + " │ ".join(parts) + " │"

    body = f"\n{rule('├', '┼', '┤')}\n".join(map(line, rows))
    return "\n".join(
        [rule("┌", "┬", "┐"), line(head), rule("├", "┼", "┤"), body, rule("└", "┴", "┘")]
    )
