"""Environment of a result: devices, rates per die, card, server, watt and user, provenance."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobs.base.numbers import MS_PER_S, whole
from jobs.metrics import Unit, rate_in
from jobs.models import Result

MOST = 100_000  # devices: larger counts are mistakes
DIES_A_CARD = 4  # the vendor's tools number dies card by card


def counts(result: Result) -> dict[Unit, int]:
    """Return how many of each unit the engine used, those that are known: of ours the leased dies,
    the cards that they are on, and one server. What people enter counts cards
    (``run_context["device"]``)."""
    device = result.run_context.get("device")
    if result.is_external or device:
        count = whole(device.get("count"), MOST) if isinstance(device, Mapping) else None
        return {"card": count} if count else {}
    leased = result.run_context.get("dies")
    dies = {str(die) for die in leased} if isinstance(leased, list) else set()
    if not dies:
        return {"server": 1}
    if not all(map(str.isdecimal, dies)):  # their cards are unknown
        return {"die": len(dies), "server": 1}
    return {"die": len(dies), "card": len({int(die) // DIES_A_CARD for die in dies}), "server": 1}


def device_count(result: Result) -> int | None:
    """Return the number of dies of ours, or of cards as entered; None: unknown, or no device."""
    known = counts(result)
    return known.get("die", known.get("card"))


def with_rates(metrics: Mapping[str, Any], known: Mapping[Unit, int]) -> Mapping[str, Any]:
    """Return metrics with the output rate in each known unit. ``known``: :func:`counts`. Power is
    that of all dies at the same point."""
    rate, watts = metrics.get(rate_in("total")), metrics.get("power_mean_w")
    if not rate:
        return metrics
    rates = {rate_in(unit): rate / count for unit, count in known.items()}
    return {**metrics, **rates, **({rate_in("watt"): rate / watts} if watts else {})}


def per_user(metrics: Mapping[str, Any]) -> float | None:
    """Return output tokens/s of one user: the inverse of TPOT p50; None: not measured."""
    tpot = metrics.get("tpot_p50_ms")
    return MS_PER_S / tpot if tpot else None


# Parts in display order. The first ones do not apply to hosts without dies.
_OF_DIES = ("driver", "firmware", "dies")
PARTS = (
    *_OF_DIES,
    *("image", "image_id", "weights_sha256", "dataset_sha256", "engine", "tool"),
    *("measured_in", "host_load", "concurrent_load"),
)
_PROGRAM = "program "


class Provenance(NamedTuple):
    """``parts`` by name of :data:`PARTS`; ``missing``: unknown parts, with the engine's programs by
    name ("program llmdeploy"). A part that does not apply is in neither."""

    parts: Mapping[str, Any]
    missing: tuple[str, ...]


def provenance(result: Result) -> Provenance:
    kept, identity = result.run_context, result.parts
    host = kept.get("host") or {}
    images = kept.get("images") or {}
    workload = identity.get("workload") or {}
    has_dies = bool((identity.get("host") or {}).get("dies"))
    engine = identity.get("engine") or {}
    versions, measured_in = _versions(result, engine)
    values: dict[str, Any] = {
        "driver": host.get("driver"),
        "firmware": host.get("firmware"),
        "dies": kept.get("dies"),
        "weights_sha256": (identity.get("model") or {}).get("sha256"),
        "engine": versions,
        "tool": result.tool,
        "measured_in": measured_in,
        "host_load": kept.get("load"),
        "concurrent_load": kept.get("concurrent_load"),
    }
    wanted = [name for name in PARTS if has_dies or name not in _OF_DIES]
    if "image" in engine:
        values |= {"image": ", ".join(images), "image_id": engine["image"]}
    else:
        wanted = [name for name in wanted if not name.startswith("image")]
    known = ("questions_sha256", "prompts_sha256", "dataset_sha256", "files_sha256")
    checksums = [name for name in known if name in workload]
    if checksums:
        values["dataset_sha256"] = workload[checksums[0]]
    else:
        wanted.remove("dataset_sha256")
    if result.type == Result.Type.EVALUATION and values["concurrent_load"] is None:
        wanted.remove("concurrent_load")  # irrelevant for accuracy; missing in older results
    if result.endpoint_id:
        wanted.remove("weights_sha256")  # nobody here loaded them
    if not measured_in:
        wanted.remove("measured_in")  # many tools need no environment
    # An empty list of other work is a known value.
    unknown = [name for name in wanted if not values.get(name)]
    missing = [name for name in unknown if name != "concurrent_load" or values[name] is None]
    parts = {name: values[name] for name in wanted if name not in missing}
    untold = [name for name, version in engine.items() if name.startswith(_PROGRAM) and not version]
    if untold:
        missing = [*(name for name in missing if name != "engine"), *untold]
    return Provenance(parts, tuple(missing))


def _versions(result: Result, engine: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return (serving, measuring) programs: name -> version, or fingerprint of an environment.
    Without a deployment both are the same, and the second is empty. An endpoint is served by what
    its engine told."""
    kept, is_external = result.run_context, bool(result.endpoint_id)
    served, tools = dict[str, str](), dict[str, str]()
    for one in kept.get("environments") or []:
        name = str(one["name"])
        if is_external or not name.startswith("image:"):
            into = served if not is_external and _runs_in(result, name) else tools
            into[f"environment {name}"] = str(one["fingerprint"])[:16]
    for name, version in (kept.get("programs") or {}).items():
        if version:
            is_engine = result.deployment is None or f"{_PROGRAM}{name}" in engine
            (served if is_engine and not is_external else tools)[name] = version
    known = kept.get("endpoint") or {}
    if is_external and known.get("engine") and known.get("version"):
        served[str(known["engine"])] = str(known["version"])
    elif not is_external and engine.get("image"):
        served["image"] = str(engine["image"])
    tools.pop("docker", None)  # it only carries the tool
    return served, tools


def _runs_in(result: Result, environment: str) -> bool:
    """Return True if the server runs in ``environment``, whose folder has a name and a version."""
    if result.deployment is None:
        return True
    folder = re.compile(rf"/{re.escape(environment)}(?:-\d[^/]*)?/")
    steps = result.deployment.job.plan.get("steps", ())
    return any(folder.search(word) for step in steps for word in step["argv"])
