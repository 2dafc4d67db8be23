"""Next steps of a conclusion, each with the form that does it, filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.shared.remedies import form_address
from dashboard.security.permissions import allowed
from jobs.kinds import KINDS
from jobs.models import Job, Result
from jobs.queries.results.benchmark_curve import LIMIT_FIELDS
from jobs.queries.results.conclusion import Conclusion, Step

_MEASURES = ("measure_higher", "measure_lower", "measure_between", "measure_more")


@dataclass(frozen=True, slots=True)
class StepLine:
    """Next step with the address that does it, "" for none."""

    text: str
    address: str = ""
    label: str = ""


def step_lines(
    found: Conclusion, result: Result, user: AbstractBaseUser | AnonymousUser
) -> list[StepLine]:
    """Return the next steps; forms only for people who may launch."""
    may_launch = allowed(user, "job.launch")
    lines = []
    for step in found.steps:
        address, label = _form(step, found, result) if may_launch else ("", "")
        if step.id == "failures" and result.job_id:
            address, label = reverse("job-detail", args=[result.job_id]), _("Open the log")
        text = _text(step, found)
        if text:
            lines.append(StepLine(text, address, label))
    return lines


def _text(step: Step, found: Conclusion) -> str:
    args: dict[str, Any] = {"n": step.n, "values": _(", ").join(map(str, step.concurrency))}
    if step.id == "repeat":
        text = ngettext(
            "Run it %(n)s more time: an interval needs three runs.",
            "Run it %(n)s more times: an interval needs three runs.",
            step.n,
        )
        return text % args
    if step.id == "raise_limit":
        return _("Raise the deployment's max concurrency, then measure again.")
    texts = {
        "measure_higher": _("Measure a higher concurrency: %(values)s."),
        "measure_lower": _("Measure a lower concurrency: %(values)s."),
        "measure_between": _("Measure in between for a closer value: %(values)s."),
        "measure_more": _("Measure more concurrencies: %(values)s."),
        "stack_limit": _("Use another stack for more: this one supports %(n)s."),
        "use": _("Limit clients to concurrency %(n)s."),
        "failures": _("Read the log for the cause of the failures, then measure again."),
        "requests": _("Send %(n)s requests per concurrency: percentiles need them."),
        "kv_cache": _("The KV cache is full. Use shorter lengths, or more devices."),
        "queue": _("Requests mostly wait in the engine's queue. Check its limits."),
        "level": _("Concurrency 1 misses the level. Use more or faster devices."),
    }
    return texts[step.id] % args


def _form(step: Step, found: Conclusion, result: Result) -> tuple[str, str]:
    """Return the address of a filled form and its label; "" without one."""
    if step.id == "raise_limit" and result.deployment is not None:
        return _raised(result.deployment.job, step.n)
    job = result.job
    if job is None or job.kind not in KINDS:
        return "", ""
    if step.id in _MEASURES:
        values = _possible(job, step.concurrency)
        if not values:
            return "", ""
        # A conclusion is of the points of one run: the new one measures these once more.
        values = sorted({*values, *(point.concurrency for point in found.points)})
        return form_address(job, concurrency=", ".join(map(str, values))), _("Open the form")
    if step.id == "requests" and "requests" in KINDS[job.kind].Params.model_fields:
        return form_address(job, requests=str(step.n)), _("Open the form")
    if step.id == "repeat":
        return form_address(job), _("Open the form")
    return "", ""


def _raised(job: Job, most: int) -> tuple[str, str]:
    """Return the form of the deployment with a higher limit, as far as its kind permits."""
    kind = KINDS.get(job.kind)
    if kind is None:
        return "", ""
    fields = kind.Params.model_json_schema()["properties"]
    for name in LIMIT_FIELDS:
        if name in fields and name in job.params:
            value = min(most, int(fields[name].get("maximum", most)))
            if value <= int(job.params[name]):
                return "", ""
            return form_address(job, **{name: str(value)}), _("Open the form")
    return "", ""


def _possible(job: Job, values: tuple[int, ...]) -> list[int]:
    """Return the values that the kind's field takes; none for a kind without it."""
    field = KINDS[job.kind].Params.model_json_schema()["properties"].get("concurrency", {})
    most = field.get("items", {}).get("maximum")
    if field.get("type") != "array" or most is None:
        return []
    return [value for value in values if value <= most]
