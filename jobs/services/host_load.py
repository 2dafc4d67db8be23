"""Load of a host while a job runs: a summary that each heartbeat updates, of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.base.messages import Message
from jobs.models import Host, Job

# Readings of a heartbeat, with the unit in the name.
_READINGS = ("load_1m", "memory_free_bytes", "disk_free_bytes", "power_w", "temp_c")
# A run may use all cores: an engine on the CPU has a thread per core, plus client and system. Load
# above 1.5 times the cores comes from other programs. On a host with dies the cores run only client
# and scheduler, and such a load slows both as well.
LOADED = 1.5
_MOST = 1e18  # above any real reading; sums of smaller values stay finite


def note(host: Host) -> None:
    """Add the last report of ``host`` to the summaries of its running jobs."""
    readings = _readings(host.load)
    if not readings:
        return
    running = Job.objects.filter(host=host, state=Job.State.RUNNING)
    for pk, known in running.values_list("pk", "host_load"):
        Job.objects.filter(pk=pk).update(host_load=_added(known, readings))


def summary(kept: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return ``{reading: {"samples", "mean", "min", "max"}}``; empty without a heartbeat."""
    return {
        name: {
            "samples": one["n"],
            "mean": round(one["sum"] / one["n"], 3),
            "min": one["min"],
            "max": one["max"],
        }
        for name, one in kept.items()
    }


def remarks(load: Mapping[str, Mapping[str, float]], facts: Mapping[str, Any]) -> list[Message]:
    """Return a remark on a loaded host: mean load average of :func:`summary` above cores ×
    ``LOADED``. Nothing when either is unknown.
    """
    stats, cpu = load.get("load_1m"), facts.get("cpu")
    cores = cpu.get("cores") if isinstance(cpu, dict) else None
    if stats is None or cores is None or not _is_number(cores) or stats["mean"] <= LOADED * cores:
        return []
    return [Message("result:host_loaded", {"load": stats["mean"], "cores": cores})]


def _readings(load: Mapping[str, Any]) -> dict[str, float]:
    """Return one number per reading: total power of the dies, temperature of the hottest die."""
    readings = {name: load[name] for name in _READINGS if _is_number(load.get(name))}
    dies = load.get("dies")
    rows = [row for row in dies.values() if isinstance(row, dict)] if isinstance(dies, dict) else []
    power = [row["power_w"] for row in rows if _is_number(row.get("power_w"))]
    heat = [row["temp_c"] for row in rows if _is_number(row.get("temp_c"))]
    if power:
        readings["power_w"] = sum(power)
    if heat:
        readings["temp_c"] = max(heat)
    return {name: float(value) for name, value in readings.items()}


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
