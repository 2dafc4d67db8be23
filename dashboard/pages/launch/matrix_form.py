"""Launch form of a matrix: workload, lengths, concurrency, and the other fields of its jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import ValidationError

from dashboard.pages.launch.launch_form import (
    Group,
    LaunchForm,
    left_empty,
    make_form,
    offers,
    raw_values,
    typed_values,
)
from jobs.base.numbers import number_from
from jobs.base.validation_errors import messages
from jobs.catalog.presets import WORKLOADS, Workload
from jobs.kinds.lib.base import AssetRef, Kind, Target
from jobs.launch.matrix_spec import AXES, MatrixSpec, has_input, kinds

# Fields of a kind that the matrix sets, or that make no sense in one.
_NOT_SHOWN = frozenset((*AXES, "as_in_guide", "overlap"))
_LISTS = AXES[:3]
_NUMBERS = ("requests", "repeats", "order_seed")
_SWITCHES = ("requests_each", "shuffled", "stops_early", "warm_up")


@dataclass(frozen=True, slots=True)
class MatrixForm:
    """Filled form. ``texts``: entered or default values of the matrix's own fields.

    ``spec`` None: see ``errors``, field → message. ``jobs``: fields that all jobs share.
    """

    workload: Workload
    kind: Kind
    jobs: LaunchForm
    texts: dict[str, str]
    has_input: bool
    spec: MatrixSpec | None = None
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """Return the form's state as a query."""
        own = {"workload": self.workload.id, "of": self.workload.id, "kind": self.kind.name}
        state = [("host", self.jobs.host), *own.items(), *self.texts.items()]
        state += [(each.name, each.value) for each in self.jobs.fields]
        return urlencode([(name, value) for name, value in state if value])


def workload_of(data: QueryDict) -> Workload:
    """Return the workload named by ``data``, or the first."""
    return WORKLOADS.get(str(data.get("workload", "")), next(iter(WORKLOADS.values())))


def kinds_on(target: Target) -> list[Kind]:
    """Return kinds with a matrix on ``target``: those with something to measure first, an endpoint
    that does not answer last; of these those whose prompts have chosen lengths."""
    there = [kind for kind in kinds() if kind.is_available(target)]
    return sorted(there, key=lambda kind: (_reach(kind, target), not has_input(kind, {})))


def _reach(kind: Kind, target: Target) -> int:
    """Return 0 if ``kind`` can measure a deployment or an answering endpoint, 1 if only silent
    endpoints, 2 if nothing."""
    measured = [ref for ref in _offered(kind, target) if kind.can_measure(ref, target)]
    if not measured:
        return 2
    return 0 if any(ref.data.get("is_answering", True) for ref in measured) else 1


def _offered(kind: Kind, target: Target) -> list[AssetRef]:
    keys = [choice.value for choice in offers(kind, target, "deployment") or ()]
    return [ref for ref in target.deployments if ref.key in keys]


def kind_of(data: QueryDict, target: Target) -> Kind | None:
    """Return the kind named by ``data``, or the first on ``target`` that can measure the deployment
    named there, else the first that offers it; None: the host has none."""
    offered = kinds_on(target)
    named = [kind for kind in offered if kind.name == data.get("kind")]
    wanted = str(data.get("deployment", ""))
    fitting = [
        (kind, ref) for kind in offered for ref in _offered(kind, target) if ref.key == wanted
    ]
    fitting.sort(key=lambda pair: not pair[0].can_measure(pair[1], target))
    return next(iter([*named, *(kind for kind, _ref in fitting), *offered]), None)


def matrix_form(data: QueryDict, kind: Kind, target: Target) -> MatrixForm:
    """Return the form of ``kind`` on ``target``, filled from ``data``.

    Lengths of another workload than the chosen one (``of``) are replaced by the chosen one's.
    """
    workload = workload_of(data).on_host(has_dies=target.has_dies)
    keeps = data.get("of", workload.id) == workload.id
    texts = _texts(workload, data if keeps else QueryDict())
    typed = {**_params(workload, kind), **typed_values(kind, data)}
    jobs = _shared(make_form(kind, target, typed, {}))
    raw = {name: value for name, value in raw_values(jobs, kind).items() if name not in _NOT_SHOWN}
    prompts = has_input(kind, raw)
    problems = dict(left_empty(jobs))
    spec, errors = None, dict[str, str]()
    if not workload.commands:
        spec, errors = _spec(workload, kind, raw, texts, has_input=prompts)
    form = MatrixForm(workload, kind, jobs, texts, prompts, spec, {**problems, **errors})
    return form if not form.errors else _without_spec(form)


def with_errors(form: MatrixForm, target: Target, errors: Mapping[str, str]) -> MatrixForm:
    """Return the form with more errors, also at the fields that its jobs share."""
    typed = {each.name: each.value for each in form.jobs.fields}
    jobs = _shared(make_form(form.kind, target, typed, errors))
    return MatrixForm(
        form.workload,
        form.kind,
        jobs,
        form.texts,
        form.has_input,
        form.spec,
        {**form.errors, **errors},
    )


def _without_spec(form: MatrixForm) -> MatrixForm:
    return MatrixForm(
        form.workload, form.kind, form.jobs, form.texts, form.has_input, None, form.errors
    )


def _params(workload: Workload, kind: Kind) -> dict[str, str]:
    """Return the workload's values of fields that ``kind`` has; a matrix is exclusive."""
    given = {"exclusive": "1", **workload.params}
    return {name: value for name, value in given.items() if name in kind.Params.model_fields}


def _shared(form: LaunchForm) -> LaunchForm:
    groups = (
        Group(group.title, tuple(one for one in group.fields if one.name not in _NOT_SHOWN))
        for group in form.groups
    )
    return LaunchForm(form.kind, form.host, tuple(group for group in groups if group.fields))


def _texts(workload: Workload, data: QueryDict) -> dict[str, str]:
    texts = {name: _listed(getattr(workload, name)) for name in _LISTS}
    texts |= {
        "requests": str(workload.requests or workload.requests_each or ""),
        "repeats": str(workload.repeats),
        "order_seed": "1",
        "requests_each": _flag(workload.requests is None),
        "shuffled": _flag(workload.shuffled),
        "stops_early": _flag(workload.stops_early),
        "warm_up": _flag(workload.warm_up),
    }
    for name in texts:
        if name in data:
            texts[name] = str(data[name])[:400]
    return texts


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _spec(
    workload: Workload,
    kind: Kind,
    raw: Mapping[str, Any],
    texts: Mapping[str, str],
    *,
    has_input: bool,
) -> tuple[MatrixSpec | None, dict[str, str]]:
    values: dict[str, Any] = {name: texts[name] == "1" for name in _SWITCHES}
    errors: dict[str, str] = {}
    for name in _LISTS:
        numbers = [number_from(part) for part in re.split(r"[,，、\s]+", texts[name]) if part]
        if name == "input_tokens" and not has_input:
            numbers = []
        elif not numbers or None in numbers:
            errors[name] = _("Enter whole numbers, separated by commas.")
        values[name] = [number for number in numbers if number is not None]
    for name in _NUMBERS:
        number = number_from(texts[name].strip())
        if number is None:
            errors[name] = _("Enter a whole number.")
        values[name] = number
    if errors:
        return None, errors
    try:
        return MatrixSpec(kind=kind.name, workload=workload.id, params=dict(raw), **values), {}
    except ValidationError as error:
        return None, messages(error)
