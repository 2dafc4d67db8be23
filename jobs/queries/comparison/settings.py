"""Settings of compared results; those of engines are read from the plan of the server.

The command of a server may be docker's. Container options, names, addresses and values from job
slots do not affect metrics and are left out.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jobs.base.errors import PlanError
from jobs.kinds import KINDS
from jobs.kinds.lib import evaluations, load
from jobs.kinds.lib.base import asset_fields as assets_of
from jobs.models import Result
from jobs.plans import Plan, fill_text, from_json

YES, NO = "yes", "no"
# Docker options with a separate value; all other docker options have no separate value.
_DOCKER_TAKES = frozenset(
    ("-e", "-p", "-v", "-w", "--env", "--label", "--name", "--network", "--publish", "--volume")
)
_VARIABLES = ("-e", "--env")
_NAMES = frozenset(("--host", "--port", "--served-model-name", "--alias"))
_OPTION = re.compile(r"--?[A-Za-z]")
_IF_KNOWN = frozenset(("device", "endpoint_url", "engine_name", "engine_version"))


def engine_settings(plan: Plan) -> dict[str, str]:
    """Return options (``--NAME``) and container variables (``NAME``) of the serving commands. An
    option without a value is ``YES``. A variable without one is passed from outside, and may be
    secret: it is left out."""
    settings: dict[str, str] = {}
    for step in plan.steps:
        if not step.serves:
            continue
        variables, arguments = _taken_apart(step.argv)
        found = [variable.partition("=")[::2] for variable in variables if "=" in variable]
        if step.argv[:1] == ("docker",):
            arguments = arguments[1:]  # after the image or the container's name
        for word, after in zip(arguments, [*arguments[1:], "--end"], strict=False):
            if word.startswith("--"):
                name, equals, value = word.partition("=")
                found.append((name, value if equals else YES if _OPTION.match(after) else after))
        for name, value in found:
            plain = _plain(value)
            if plain is not None and name not in _NAMES:
                settings[name] = plain
    return settings


def images(plan: Plan) -> list[str]:
    """Return the names of the images that the plan's steps start."""
    names = [
        _plain(arguments[0])
        for step in plan.steps
        if step.argv[:2] == ("docker", "run") and (arguments := _taken_apart(step.argv)[1])
    ]
    return list(dict.fromkeys(name for name in names if name is not None))


def without_folder(text: str) -> str:
    """Return the last part of an absolute path: the folder does not affect metrics."""
    return text.rstrip("/").rpartition("/")[2] if text.startswith("/") else text


def _taken_apart(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return (variables set by docker, image or container with its command)."""
    if argv[:2] not in (("docker", "run"), ("docker", "exec")):
        return (), argv
    variables: list[str] = []
    place = 2
    while place < len(argv) and argv[place].startswith("-"):
        if argv[place] in _VARIABLES:
            variables += argv[place + 1 : place + 2]
        place += 2 if argv[place] in _DOCKER_TAKES else 1
    return variables, argv[place:]


def _plain(text: str) -> str | None:
    """Return the value without doubled braces, a file by its name; None for values of job slots."""
    for piece in (text, text.rpartition("/")[2]):
        try:
            return fill_text(piece, {})
        except PlanError:
            continue
    return None


class Setting(NamedTuple):
    """Setting with its value for each result."""

    name: str
    values: Sequence[str]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def settings(results: Sequence[Result]) -> list[Setting]:
    """Return the settings of each result: host, model, tool, form fields, arguments of the plan."""
    columns = [_settings_of(result) for result in results]
    names = dict.fromkeys(name for column in columns for name in column)
    return [Setting(name, [column.get(name, "") for column in columns]) for name in names]


def _settings_of(result: Result) -> dict[str, str]:
    known = result.run_context.get("endpoint")
    endpoint = known if result.endpoint_id and isinstance(known, dict) else {}
    about = {
        "host": result.host.name if result.host else "",
        "device": result.device,
        "model": result.model_id,
        "precision": result.label,
        "deployment": result.deployment.name if result.deployment else "",
        "endpoint_url": endpoint.get("url"),
        "engine_name": endpoint.get("engine"),
        "engine_version": endpoint.get("version"),
        "tool": result.tool,
        "what": result.what,
    }
    job, host = result.job, result.host
    if job is None or host is None:
        return {name: str(text) for name, text in about.items() if text}
    settings = {
        name: str(text or "") for name, text in about.items() if text or name not in _IF_KNOWN
    }
    assets = asset_fields(job.kind)
    settings |= {name: text_of(value) for name, value in job.params.items() if name not in assets}
    if result.deployment is not None:
        with contextlib.suppress(PlanError):
            settings |= engine_settings(from_json(result.deployment.job.plan))
    facts = host.facts
    cpu = facts.get("cpu")
    if isinstance(cpu, dict):
        facts = {**facts, "cpu": cpu.get("model"), "cores": cpu.get("cores")}
    names = [name for name in ("os", "cpu", "cores") if facts.get(name)]
    return settings | {f"host {name}": text_of(facts[name]) for name in names}


def asset_fields(kind: str) -> set[str]:
    """Return fields that name assets of a host: covered by model, precision and deployment."""
    return {*(assets_of(KINDS[kind].Params) if kind in KINDS else ()), "deployment"}


def text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {text_of(v)}" for k, v in value.items())
    return str(value)


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


class SettingDifference(NamedTuple):
    """Difference of a setting, or with ``is_metric`` of a metric, with a value per result; None:
    unknown."""

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
) -> list[SettingDifference]:
    """Return differing or unknown parts of the workload of ``results``; empty: comparable.
    ``metrics`` are those of each result at the compared concurrency."""
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
            entries.append(SettingDifference(name, values))
    if any(one.name == _REQUESTS for one in entries) and all(map(_is_sample, results)):
        entries = [one for one in entries if one.name != _REQUESTS]
    if any(one.name == evaluations.STOP_FIELDS[0] for one in entries):  # one side has no such rule
        entries = [one for one in entries if one.name not in evaluations.STOP_FIELDS[1:]]
    for name in _LENGTHS if results[0].type != Result.Type.EVALUATION else ():
        values = [row.get(name) for row in metrics]
        known = [value for value in values if value]
        if known and max(known) > (1 + load.APART) * min(known):
            entries.append(SettingDifference(name, values, is_metric=True))
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
    """Return what speed depends on: the device in words with the number of devices, else what equal
    hosts share. Accuracy does not depend on it; a host with an unknown processor equals only
    itself."""
    if device := result.run_context.get("device"):
        is_known = isinstance(device, dict)
        return [device.get("text"), device.get("count")] if is_known else str(device)
    if result.type == Result.Type.EVALUATION:
        return None
    host = result.parts.get("host") or {}
    known = {name: host.get(name) for name in _HARDWARE}
    return known if known["cpu"] else {**known, "host": host.get("host")}
