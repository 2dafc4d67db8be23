"""Identity of a measurement: the parts that define repeats; stack, parallelism and subject.

Two results are repeats when all parts are equal: kind and tool, workload, deployment, model,
engine, host. Left out are names, ids, folders and ports, the list of concurrencies (each point has
its own) and unfixed seeds. A required but missing part is unknown; a result with an unknown part
has no fingerprint and no repeats.

Of an external result, which was measured on an engine that this dashboard did not start, the parts
are its address, model, engine with version and device instead of arguments and weights, and the
host that sent the requests. Engine, version and device must be known.

Of an imported result they are the tool, what the files have, and what people declared of it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import yaml
from django.db import transaction
from django.db.models import Q

from jobs.base.errors import PlanError
from jobs.base.files import text_sha256
from jobs.base.numbers import whole
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.load import has_chosen_length
from jobs.models import Answer, Baseline, Import, Job, Result, Weights
from jobs.plans import Plan, from_json
from jobs.queries.comparison.accuracy import verdicts_text
from jobs.queries.comparison.settings import (
    asset_fields,
    declared_workload,
    engine_settings,
    hardware,
    images,
    tool_family,
    without_folder,
    work,
)
from jobs.tools.lib.load import TEAM_FILE
from jobs.tools.vllm.bench import CUSTOM as CUSTOM

# Stored in each identity. Raise it when parts, or what derives from them, change: results with an
# older schema get a new identity at the next start.
SCHEMA = 7
# Keys of a generated server file (llmdeploy's YAML) for places and names.
_PLACES = {
    *("model_name", "model_deploy_config", "tp_device_ids_list", "publish_port"),
    *("subscribe_port", "server_host", "server_port"),
}
# Parameters of the job's execution, or covered elsewhere in the identity.
_NOT_WORK = {
    *("concurrency", "seed", "exclusive", "overlap", "stack", "model", "weights", "artifact"),
    *("endpoint", "source", "folder", "dataset_source", "token", "retries"),
    # Of a search: which loads it measured, and how often.
    *("tool", "level", "lowest", "highest", "resolution", "most_points", "half_width"),
    "most_runs",
}
# Checksum of a team's prompts in the workload.
PROMPTS = "prompts_sha256"
# Parameters of kinds that load the model themselves: engine settings.
_ENGINE_PARAMS = {"tp", "pp", "max_length", "kv_cache_gib"}
# Parameters that evaluations got later, with the value that older ones had: left out then, so that
# both are repeats.
_ADDED: Mapping[str, Any] = {"language": "all", "samples": 1}
# Our scripts that score answers. Each change of these files, even of a comment, is a new scorer:
# older evaluations are not comparable with newer ones.
_SCORERS = ("ask_and_score", "scoring", "reasoning.py")
_KEPT = ("identity", "fingerprint", "stack", "parallelism", "subject", "verdicts")
_HASHED_AT_ONCE = 2000
_KEPT_AT_ONCE = 200


def keep(result: Result) -> None:
    """Store the identity of ``result`` and what derives from it, after points and answer rows."""
    result.identity = identity_of(result)
    result.fingerprint = fingerprint(result.identity)
    result.stack, result.parallelism = stack_of(result), parallelism_of(result)
    result.subject = subject_of(result, result.parallelism)
    if result.type == Result.Type.EVALUATION:
        result.verdicts = verdicts_text(result)
    result.save(update_fields=_KEPT)


def keep_missing() -> int:
    """Store identities for results without one or with an older schema; return their number."""
    old = Q(identity__schema__isnull=True) | Q(identity__schema__lt=SCHEMA)
    numbers = list(Result.objects.filter(old).order_by("pk").values_list("pk", flat=True))
    rows = Result.objects.select_related("job__host", "deployment__job", "deployment__artifact")
    for start in range(0, len(numbers), _KEPT_AT_ONCE):
        with transaction.atomic():  # one disk sync for many rows
            for result in rows.filter(pk__in=numbers[start : start + _KEPT_AT_ONCE]):
                earlier = result.subject
                keep(result)
                if not result.subject or result.subject == earlier:
                    continue
                moved = Baseline.objects.filter(result=result, subject=earlier)
                # A subject has one that has not ended.
                if Baseline.objects.filter(subject=result.subject, ended_at=None).exists():
                    moved = moved.exclude(ended_at=None)
                moved.update(subject=result.subject)
    return len(numbers)


def fingerprint(identity: Mapping[str, Any]) -> str:
    """SHA-256 of the parts in hex; "" with an unknown part."""
    return "" if identity["unknown"] else _json_sha256(identity["parts"])


def _json_sha256(value: Any) -> str:
    return text_sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def identity_of(result: Result) -> dict[str, Any]:
    """Return ``{"schema", "parts": {group: {name: value}}, "unknown": ["group.name"]}``. Values are
    text, numbers or None; an unknown part is None. Groups are "measurement", "workload",
    "deployment", "model", "engine" and "host"."""
    parts = _of_job(result, result.job) if result.job else _of_import(result)
    unknown = [
        f"{group}.{name}"
        for group, values in parts.items()
        for name, value in values.items()
        if value is None
    ]
    return {"schema": SCHEMA, "parts": parts, "unknown": unknown}


def _of_import(result: Result) -> dict[str, dict[str, Any]]:
    """What the files have and people declared. Without a declared workload, engine, precision,
    parallelism or device an imported result has no repeats."""
    entered = result.imported or Import()
    device = result.run_context.get("device") or {}
    workload = {"workload": declared_workload(entered.workload) or None, **result.asked}
    if result.type == Result.Type.EVALUATION:
        workload["questions_sha256"] = questions_sha256(result)
    return {
        "measurement": {"tool": tool_family(result.tool) or None},
        "workload": workload,
        "deployment": {"parallelism": parallelism_of(result) or None},
        "model": {"model": result.model_id or None, "precision": entered.precision or None},
        "engine": {"engine": entered.engine or None},
        "host": {"device": device.get("text") or None, "devices": device.get("count")},
    }


def _of_job(result: Result, job: Job) -> dict[str, dict[str, Any]]:
    own, served = _plan(job), _plan(result.deployment.job) if result.deployment else None
    measurement: dict[str, Any] = {"kind": job.kind, "tool": result.tool or None}
    if own is not None and result.type == Result.Type.EVALUATION:
        scripts = [item.text for item in own.files if item.name.startswith(_SCORERS)]
        if scripts:
            measurement["scorer_sha256"] = text_sha256("".join(scripts))
    parts = {"measurement": measurement, "workload": _workload(result, job, own)}
    facts = result.run_context.get("host") or {}
    cpu = facts.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    # The host that sent the requests.
    client = {"host": job.host.name, "cpu": cpu.get("model"), "cores": cpu.get("cores")}
    if result.endpoint_id is not None:
        known, device = (result.run_context.get(name) or {} for name in ("endpoint", "device"))
        named = {"device": device.get("text") or None, "devices": device.get("count") or ""}
        return {
            **parts,
            "deployment": {
                "endpoint_url": known.get("url") or None,
                "served": known.get("model") or None,
            },
            "model": {"model": result.model_id or None},
            "engine": {
                "engine_name": known.get("engine") or None,
                "engine_version": known.get("version") or None,
            },
            "host": {**named, **client},
        }
    plan = served or own
    client["dies"] = plan.dies if plan else None
    if plan and plan.dies:
        client["driver"] = facts.get("driver")  # "": not reported by the host
    return {
        **parts,
        "deployment": _deployment(result, job, served),
        "model": _model(result, job),
        "engine": _engine(result, plan),
        "host": client,
    }


def _workload(result: Result, job: Job, own: Plan | None) -> dict[str, Any]:
    """Parameters of the job and checksums of the sent data."""
    params = job.params
    left_out = {*_NOT_WORK, *_ENGINE_PARAMS, *asset_fields(job.kind)}
    if params.get("dataset", CUSTOM) != CUSTOM:  # the team's prompts were not sent
        left_out |= {"prompts"}
    if not params.get("stop_early"):  # its rule does not count
        left_out.update(evaluations.STOP_FIELDS)
    if not params.get("limit") or params.get("question_seed") is None:  # it drew nothing
        left_out |= {"question_seed"}
    if "dataset" not in params and not has_chosen_length(params):
        left_out |= {"input_tokens"}
    values = {
        name: _value(value)
        for name, value in params.items()
        if name not in left_out and not (name in _ADDED and value == _ADDED[name])
    }
    values["seed"] = "none"  # only a fixed seed counts
    if "seed" in params:
        values["seed"] = "fresh" if params["seed"] is None else f"fixed: {params['seed']}"
    if result.type == Result.Type.EVALUATION:
        values["questions_sha256"] = questions_sha256(result)
    elif own is not None:
        # Line order is ignored because a seed changes it. Scripts are not part of the workload.
        data = _data_files(own)
        if data:
            lines = sorted({line for text in data.values() for line in text.splitlines()})
            values["files_sha256"] = text_sha256("\n".join(lines))
        if TEAM_FILE in data:  # as the page of the set shows it
            values[PROMPTS] = text_sha256(data[TEAM_FILE])
        if params.get("dataset") == "sharegpt" or params.get("path"):
            # A file on the host: the checksum comes from the job that prepared the file.
            prepared = result.run_context.get("dataset") or {}
            values["dataset_sha256"] = prepared.get("sha256") or None
    else:
        values["plan"] = None
    return values


def _data_files(plan: Plan) -> dict[str, str]:
    return {item.name: item.text for item in plan.files if not item.name.endswith(".py")}


def _without_places(text: str) -> Any:
    """The sections of a YAML file with settings only; other text unchanged."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if not isinstance(data, dict):
        return text
    return {
        str(section): {str(name): value for name, value in content.items() if name not in _PLACES}
        if isinstance(content, dict)
        else content
        for section, content in data.items()
    }


def questions_sha256(result: Result) -> str | None:
    """Checksum of the questions with expected answers; None without questions."""
    digest, known = hashlib.sha256(), False
    rows = Answer.objects.filter(result=result).order_by("subset", "question", "expected")
    for row in rows.values_list("subset", "question", "expected").iterator(_HASHED_AT_ONCE):
        digest.update(json.dumps(row, ensure_ascii=False).encode())
        known = True
    return digest.hexdigest() if known else None


def _deployment(result: Result, job: Job, served: Plan | None) -> dict[str, Any]:
    """Arguments and environment of the engine, and declared limits of the deployment."""
    if result.deployment is None:
        params = job.params
        return {name: _value(params[name]) for name in sorted(_ENGINE_PARAMS & params.keys())}
    if served is None:
        return {"arguments": None}
    details = result.deployment.details
    declared = ("stack", "tp", "pp", "mtp", "reasoning", "max_input", "max_total", "batch_size")
    values = {name: _value(details[name]) for name in declared if name in details}
    values |= {name: without_folder(text) for name, text in engine_settings(served).items()}
    configs = [json.dumps(_without_places(t), sort_keys=True) for t in _data_files(served).values()]
    return values | ({"config_sha256": text_sha256("\n".join(sorted(configs)))} if configs else {})


def _model(result: Result, job: Job) -> dict[str, Any]:
    served = result.deployment
    if served is not None and served.artifact:
        sha256 = served.artifact.sha256
    else:
        loaded = ((served.job if served else job).inputs.get("weights") or {}).get("id") or 0
        sha256 = Weights.objects.filter(pk=loaded).values_list("sha256", flat=True).first() or ""
    return {"model": result.model_id or None, "precision": result.label, "sha256": sha256 or None}


def _engine(result: Result, plan: Plan | None) -> dict[str, Any]:
    """Image ids, fingerprints of environments and versions of programs."""
    if plan is None:
        return {"image": None}
    made = result.run_context.get("environments") or []
    values: dict[str, Any] = {
        f"environment {one['name']}": one["fingerprint"]
        for one in made
        if not str(one["name"]).startswith("image:")
    }
    ids, versions = (result.run_context.get(name) or {} for name in ("images", "programs"))
    for number, name in enumerate(images(plan), start=1):
        values["image" if number == 1 else f"image {number}"] = ids.get(name) or None
    for step in plan.steps:
        program = step.argv[0]
        if step.serves and program != "docker" and "/" not in program:
            values[f"program {program}"] = versions.get(program) or None
    # Neither a container nor an environment: the serving program was not recorded.
    return values or {"environment": None}


def _plan(job: Job) -> Plan | None:
    try:
        return from_json(job.plan)
    except PlanError:
        return None


def _value(value: Any) -> Any:
    """A parameter as text or number: the last part of a folder, a list as one text."""
    if isinstance(value, str):
        return without_folder(value)
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return ""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


LONGEST_STACK = 64
_MOST_DIES = 9999


def stack_of(result: Result) -> str:
    """Id of the stack that served or loaded the model, or toolchain of the artifact; "" for a
    device of others, and when unknown."""
    if result.imported_id or result.run_context.get("device"):
        return ""
    served = result.deployment
    if served is None:
        named = _params(result).get("stack")
    else:
        named = served.details.get("stack") or (served.artifact and served.artifact.toolchain)
    return named[:LONGEST_STACK] if isinstance(named, str) else ""


def parallelism_of(result: Result) -> str:
    """ "tp8", or "tp8 × pp4" with more than one pipeline stage; "" when not recorded. An import may
    have an expert parallel size too, or lack the first: "pp4 × ep16"."""
    served, parts = result.deployment, _params(result)
    if result.imported is not None:
        parts = {name: getattr(result.imported, name) for name in ("tp", "pp", "ep")}
    elif served is not None:
        parts = served.details
    tp, pp, ep = (whole(parts.get(name), _MOST_DIES) or 0 for name in ("tp", "pp", "ep"))
    ep = ep if result.imported_id else 0
    sizes = [f"{name}{size}" for name, size in (("pp", pp), ("ep", ep)) if size > 1]
    return " × ".join([f"tp{tp}", *sizes] if tp else sizes)


def subject_of(result: Result, parallelism: str) -> str:
    """SHA-256 of the subject's parts; "" when the workload is not fully known. A subject is what a
    regression is asked of: one model, precision and parallelism under one workload of one tool, on
    equal hardware. Stack, driver, image, arguments and weights may differ: these are the causes
    that a regression is searched for. The fingerprint has all of them."""
    asked = work(result)
    if not asked or not result.model_id or any(value is None for value in asked.values()):
        return ""
    named = {
        "type": result.type,
        "work": asked,
        "model": result.model_id,
        "precision": result.label,
        "parallelism": parallelism,
        "simulated": result.simulated,
        "hardware": hardware(result),
    }
    return _json_sha256(named)


def _params(result: Result) -> Mapping[str, Any]:
    params = result.job.params if result.job else None
    return params if isinstance(params, dict) else {}
