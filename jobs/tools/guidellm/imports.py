"""JSON report of GuideLLM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.tools.guidellm import parser
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, Refused, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.over_http import Run, reading
from jobs.tools.importing.values import inside, text, whole
from jobs.tools.outputs.files import json_object


class Guidellm(Reader):
    """``--output-path out.json``."""

    tool = "guidellm"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a report with its version, or with its schedulers."""
        keys = ("guidellm_version", "scheduler_metrics", "scheduler_state")
        return bundle.has_keys(path, ("benchmarks",)) and bundle.has_keys(path, keys)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per file."""
        for path in own:
            yield attempt([path], _reading, bundle, path)


def _reading(bundle: Bundle, path: str) -> Reading:
    data = json_object(path, bundle.files[path])
    benchmarks = data.get("benchmarks")
    if not isinstance(benchmarks, list) or not benchmarks:
        raise ParseError(f"{path}: 'benchmarks' has no run")
    runs, left_out = [], []
    for one in benchmarks:
        strategy = inside(one, "config", "strategy")
        if not isinstance(strategy.get("streams"), int):
            left_out.append(text(strategy, "type_") or "?")
            continue
        point = parser.point(path, one)
        runs.append(
            Run(
                point.concurrency,
                point.completed,
                point.failed,
                point.metrics,
                point.left_out,
                point.requests,
            )
        )
    if not runs:
        names = ", ".join(dict.fromkeys(left_out))
        raise Refused(Message("import:no_concurrency", {"file": path, "runs": names}))
    if len({run.concurrency for run in runs}) < len(runs):
        raise Refused(Message("import:same_concurrency", {"file": path}))
    spec = inside(data, "config", "spec") or inside(data, "args")
    asked = _asked(spec)
    return reading(
        Guidellm.tool,
        text(inside(data, "metadata"), "guidellm_version"),
        runs,
        what=_what(asked),
        model=text(inside(benchmarks[0], "config", "backend"), "model"),
        sources=(path,),
        remarks=[Message("import:left_out", {"runs": ", ".join(left_out)})] if left_out else [],
        asked=asked,
        at=imports_dates.first(imports_dates.of_epoch(one.get("start_time")) for one in benchmarks),
    )


def _asked(spec: dict[str, Any]) -> dict[str, int]:
    sets = spec.get("data")
    first = sets[0] if isinstance(sets, list) and sets and isinstance(sets[0], dict) else {}
    asked = {
        "input_tokens": whole(first, "prompt_tokens"),
        "output_tokens": whole(first, "output_tokens"),
    }
    return {name: value for name, value in asked.items() if value}


def _what(asked: dict[str, int]) -> str:
    if len(asked) < 2:
        return ""
    return f"synthetic {asked['input_tokens']} → {asked['output_tokens']} tok"
