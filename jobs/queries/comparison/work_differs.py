"""Differences in workload that make two results not comparable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.kinds.lib import evaluations, load
from jobs.models import Result

_LENGTHS = ("input_tokens_mean", "output_tokens_mean")
_WORKLOAD = "workload"  # unknown as a whole
_REQUESTS = "requests"
QUESTIONS = "questions_sha256"  # identifies the question set
# The concurrency of questions affects speed, not accuracy.
_NOT_FOR_ACCURACY = frozenset(("batch",))
# Values of workloads without these parts, which evaluations got later.
_WITHOUT: Mapping[str, Any] = {"thinking": "", "stop_early": False}
_SAME_TOOL = {
    "vllm benchmark_serving.py": "vllm bench serve",
    "evalscope perf": "evalscope",
    "evalscope eval": "evalscope",
}
_HARDWARE = ("cpu", "cores", "dies")


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference: ``name`` is a setting, or with ``is_metric`` a metric; ``values`` has a value per
    result, None: unknown."""

    name: str
    values: Sequence[Any]
    is_metric: bool = False

    @property
    def is_unknown(self) -> bool:
        return all(value is None for value in self.values)

    @property
    def is_checksum(self) -> bool:
        """Return True when values are checksums, which only show equality."""
        return self.name.endswith("sha256")


def differences(
    results: Sequence[Result], metrics: Sequence[Mapping[str, Any]]
) -> list[Difference]:
    """Return differing or unknown parts of the workload of ``results``; empty: comparable.

    ``metrics`` are those of each result at the compared concurrency.
    """
    columns = [work(result) for result in results]
    entries = []
    names = dict.fromkeys(name for column in columns for name in column)
    if any(result.imported_id for result in results):
        # Files of others lack most of their workload: one line instead of one for each setting.
        columns = _as_declared(results, columns)
        names = {name: None for name in names if all(name in column for column in columns)}
        names |= {_WORKLOAD: None}
    for name in names:
        values = [column.get(name, _WITHOUT.get(name)) for column in columns]
        is_unknown = any(value is None for value in values)
        if is_unknown or any(value != values[0] for value in values):
            entries.append(Difference(name, values))
    if any(one.name == _REQUESTS for one in entries) and all(map(_is_sample, results)):
        entries = [one for one in entries if one.name != _REQUESTS]
    if any(one.name == evaluations.STOP_FIELDS[0] for one in entries):  # one side has no such rule
        entries = [one for one in entries if one.name not in evaluations.STOP_FIELDS[1:]]
    for name in _LENGTHS if results[0].type != Result.Type.EVALUATION else ():
        values = [row.get(name) for row in metrics]
        known = [value for value in values if value]
        if known and max(known) > (1 + load.APART) * min(known):
            entries.append(Difference(name, values, is_metric=True))
    return entries


def tool_family(tool: str) -> str:
    """Return a tool without its version; two names of one tool are one."""
    name = " ".join(word for word in tool.casefold().split() if not word[:1].isdigit())
    return _SAME_TOOL.get(name, name)


def declared_workload(text: str) -> str:
    """Return a workload in words for comparison: "random 1024 → 128 tok"."""
    return " ".join(text.casefold().replace("->", "→").replace("→", " → ").split())


def _as_declared(
    results: Sequence[Result], columns: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the parts of workloads beside an import. The name of an own result's workload stands
    for all its settings: an import may be declared equal. Unknown of one is unknown of all."""
    named = [
        column.get(_WORKLOAD) if result.imported_id else declared_workload(result.what)
        for result, column in zip(results, columns, strict=True)
    ]
    known = named if all(named) else [None] * len(named)
    return [
        {**column, "tool": tool_family(result.tool), _WORKLOAD: name}
        for result, column, name in zip(results, columns, known, strict=True)
    ]


def work(result: Result) -> dict[str, Any]:
    """Return the parts of the identity that bar a comparison when they differ."""
    asked = {**result.parts.get("measurement", {}), **result.parts.get("workload", {})}
    left_out = _NOT_FOR_ACCURACY if result.type == Result.Type.EVALUATION else frozenset()
    return {name: value for name, value in asked.items() if name not in left_out}


def _is_sample(result: Result) -> bool:
    """Return True where the number of requests is a sample size: enough to reach each concurrency.
    Without a concurrency all are sent at once, and their number is the load."""
    params = result.job.params if result.job else {}
    requests, levels = params.get(_REQUESTS), params.get("concurrency")
    if not isinstance(requests, int) or not isinstance(levels, list | tuple) or not levels:
        return False
    return all(isinstance(level, int) and level <= requests for level in levels)


def hardware(result: Result) -> Any:
    """Return what speed depends on: the device in words with the number of devices, else equal
    hosts share their hardware.

    Accuracy does not depend on it; a host with an unknown processor equals only itself.
    """
    if device := result.run_context.get("device"):
        is_known = isinstance(device, dict)
        return [device.get("text"), device.get("count")] if is_known else str(device)
    if result.type == Result.Type.EVALUATION:
        return None
    host = result.parts.get("host") or {}
    known = {name: host.get(name) for name in _HARDWARE}
    return known if known["cpu"] else {**known, "host": host.get("host")}
