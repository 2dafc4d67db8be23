"""What a result was measured with: the host and the tools, written down when it is kept.

A host is upgraded and its environments are made anew; a number keeps what it was measured with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.models import Environment, Job

HOST_FACTS = ("os", "kernel", "arch", "cpu", "memory_bytes")


def of_job(job: Job, others: Iterable[Job] = ()) -> dict[str, Any]:
    """``{"host": {fact: value}, "environments": [{"name", "fingerprint", "versions"}]}``.

    The environments are those whose folder the commands of ``job`` or of ``others`` (the job that
    started the server under test) name.
    """
    facts: Mapping[str, Any] = job.host.facts
    named = [arg for one in (job, *others) for arg in _arguments(one)]
    return {
        "host": {name: facts[name] for name in HOST_FACTS if name in facts},
        "environments": [
            {"name": made.name, "fingerprint": made.fingerprint, "versions": made.versions}
            for made in Environment.objects.filter(host=job.host).order_by("name", "pk")
            if any(arg.startswith(made.path.rstrip("/") + "/") for arg in named)
        ],
    }


def _arguments(job: Job) -> list[str]:
    return [arg for step in job.plan.get("steps", ()) for arg in step["argv"]]
