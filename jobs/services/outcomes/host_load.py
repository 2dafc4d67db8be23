"""Load of a host while a job runs: a summary that each heartbeat updates, of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.kinds.lib.base import Remark
from jobs.models import Host, Job

# Reading of a heartbeat -> its unit stands in its name.
_READINGS = ("load_1m", "memory_free_bytes", "disk_free_bytes", "power_w", "temp_c")
# A run may fill the host's cores: an engine on the CPU has a thread on each, and its client and the
# system need a share. What is above half as much again, others made. On a host with dies the cores
# serve the client and the engine's scheduler alone, and a load above slows both likewise.
LOADED = 1.5
_MOST = 1e18  # no host has more of anything; sums of what is below stay numbers


def note(host: Host) -> None:
    """Add what ``host`` reported last to the summaries of the jobs that run there."""
    readings = _readings(host.load)
    if not readings:
        return
    running = Job.objects.filter(host=host, state=Job.State.RUNNING)
    for pk, known in running.values_list("pk", "host_load"):
        Job.objects.filter(pk=pk).update(host_load=_added(known, readings))


def summary(kept: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """``{reading: {"samples", "mean", "min", "max"}}``; empty where no heartbeat came meanwhile."""
    return {
        name: {
            "samples": one["n"],
            "mean": round(one["sum"] / one["n"], 3),
            "min": one["min"],
            "max": one["max"],
        }
        for name, one in kept.items()
    }


def remarks(load: Mapping[str, Mapping[str, float]], facts: Mapping[str, Any]) -> list[Remark]:
    """That the host was loaded: its mean load average, of :func:`summary`, was above its cores ×
    ``LOADED``. Nothing where it does not tell either.
    """
    told, cpu = load.get("load_1m"), facts.get("cpu")
    cores = cpu.get("cores") if isinstance(cpu, dict) else None
    if told is None or cores is None or not _is_number(cores) or told["mean"] <= LOADED * cores:
        return []
    return [Remark("result:host_loaded", {"load": told["mean"], "cores": cores})]


def _readings(load: Mapping[str, Any]) -> dict[str, float]:
    """One number a reading: the power of all dies together, the temperature of the hottest."""
    found = {name: load[name] for name in _READINGS if _is_number(load.get(name))}
    dies = load.get("dies")
    rows = [row for row in dies.values() if isinstance(row, dict)] if isinstance(dies, dict) else []
    power = [row["power_w"] for row in rows if _is_number(row.get("power_w"))]
    heat = [row["temp_c"] for row in rows if _is_number(row.get("temp_c"))]
    if power:
        found["power_w"] = sum(power)
    if heat:
        found["temp_c"] = max(heat)
    return {name: float(value) for name, value in found.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _added(known: Mapping[str, Any], readings: Mapping[str, float]) -> dict[str, Any]:
    merged = dict(known)
    for name, value in readings.items():
        old = merged.get(name) or {"n": 0, "sum": 0.0, "min": value, "max": value}
        merged[name] = {
            "n": old["n"] + 1,
            "sum": old["sum"] + value,
            "min": min(old["min"], value),
            "max": max(old["max"], value),
        }
    return merged
