"""Slots of a plan before it runs: known values and proposals."""

from __future__ import annotations

from collections.abc import Mapping

from jobs import plans
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef, Target, asset_values
from jobs.models import Deployment, Host, Job
from jobs.plans import Plan
from jobs.queries.hosts.hosts import proposed_dies

_PORT_BY_HAND = 8080


def slots_of(
    plan: Plan, refs: Mapping[str, AssetRef], host: Host, target: Target
) -> tuple[dict[str, str], dict[str, str]]:
    """Return (known, set at launch) slots of the plan."""
    there = {key: ref for key, ref in refs.items() if not ref.is_promised}
    promised = {key: ref for key, ref in refs.items() if ref.is_promised}
    known = asset_values(there)
    number, roots = _next_number(Job), target.facts.get("roots", {})
    asked = [str(ref.data["asked_port"]) for ref in promised.values() if ref.data.get("asked_port")]
    port = asked[0] if asked else ""
    address = next(
        (ref.data["asked_address"] for ref in promised.values() if "asked_address" in ref.data),
        "127.0.0.1",
    )
    proposed = {
        "job": number,
        "port": str(plan.port) if plan.port and not _is_promised(plan.port, host, target) else "",
        "dies": ",".join(proposed_dies(host, plan.dies)),
        "job_dir": f"{roots['spool']}/{number}" if "spool" in roots else "",
        "deployment.id": _next_number(Deployment),
        "deployment.url": f"http://{address}:{port}" if port else "",
        "deployment.host": address,
        "deployment.port": port,
        **asset_values(promised),
    }
    names = plans.slots(plan)
    return (
        {name: known[name] for name in names if name in known},
        {name: proposed.get(name, "") for name in names if name not in known},
    )


def _is_promised(port: int, host: Host, target: Target) -> bool:
    """Return True if a current or launched server of the host has ``port``."""
    if port in ports.held(target.servers):
        return True
    waiting = Job.objects.filter(host=host, state__in=Job.OPEN_STATES, plan__port=port)
    return waiting.filter(product__type="deployment").exists()


def by_hand(target: Target) -> dict[str, str]:
    """Return defaults of unknown slots for a script run by hand."""
    port = ports.next_free(_PORT_BY_HAND, ports.held(target.servers))
    return {
        "port": str(port),
        "deployment.url": f"http://127.0.0.1:{port}",
        "deployment.port": str(port),
    }


def _next_number(model: type[Job | Deployment]) -> str:
    """Return the likely id of the next record."""
    last = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    return str((last or 0) + 1)
