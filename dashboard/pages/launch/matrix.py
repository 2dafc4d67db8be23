"""Launch form of a matrix, with its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch import front, launch_form, parts
from dashboard.pages.launch.launch_form import Field
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from jobs.base.errors import LaunchError
from jobs.base.validation_errors import messages
from jobs.catalog.presets import WORKLOADS, Workload
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Choice, Kind, Target
from jobs.launch.launch import InvalidParams
from jobs.launch.matrices import AXES, MatrixSpec, has_input, kinds, preview_matrix
from jobs.models import Host
from jobs.schedule.targets import target_of

# Fields of a kind that the matrix sets, or that make no sense in one.
_NOT_SHOWN = frozenset((*AXES, "as_in_guide", "overlap"))
_LABELS = {
    "kind": gettext_lazy("Client"),
    "title": gettext_lazy("Name"),
    "input_tokens": gettext_lazy("Prompt lengths"),
    "output_tokens": gettext_lazy("Output lengths"),
    "concurrency": gettext_lazy("Concurrency"),
    "requests": gettext_lazy("Requests"),
    "repeats": gettext_lazy("Repeats"),
    "order_seed": gettext_lazy("Order seed"),
    "requests_each": gettext_lazy("Multiply requests by the concurrency"),
    "shuffled": gettext_lazy("Shuffle the order of cells against drift"),
    "warm_up": gettext_lazy("Warm up: the first run is done twice, and counts once"),
    "stops_early": gettext_lazy("End a row when more load only queues"),
}


class MatrixForm(NamedTuple):
    """Filled form of a matrix. ``spec`` None: see ``errors``. ``own``: fields of the table;
    ``jobs``: fields of all jobs."""

    workload: Workload
    kind: Kind
    own: tuple[Field, ...]
    jobs: launch_form.LaunchForm
    has_input: bool
    spec: MatrixSpec | None
    errors: dict[str, str]
    model: str = ""  # that has no engine here

    @property
    def query(self) -> str:
        own = dict.fromkeys(("workload", "of"), self.workload.id)
        state = [("host", self.jobs.host), *own.items()]
        state += [(each.name, each.value) for each in (*self.own, *self.jobs.fields)]
        return urlencode([(name, value) for name, value in state if value])

    @property
    def missing(self) -> Field | None:
        return self.jobs.missing

    def with_errors(self, target: Target, errors: Mapping[str, str]) -> MatrixForm:
        """Return the form with more errors, also at its fields."""
        typed = {each.name: each.value for each in self.jobs.fields}
        jobs = _shared(launch_form.make_form(self.kind, target, typed, errors, self.model))
        errors = {**self.errors, **errors}
        own = tuple(each._replace(error=errors.get(each.name, "")) for each in self.own)
        return self._replace(own=own, jobs=jobs, errors=errors)


@requires("job.launch", "GET", "HEAD", "POST")
def launch_matrix(request: HttpRequest) -> HttpResponse:
    """Show the form with its cells, filled from the URL; POST launches the matrix."""
    if request.method != "POST":
        return render(request, "launch/matrix.html", _context(request, request.GET))
    context = _context(request, request.POST)
    form, host, planned = context["form"], context["host"], context["planned"]
    if form is None:
        return redirect("launch-matrix")
    if form.workload.commands:  # each in its own form
        return render(request, "launch/matrix.html", context, status=422)

    def launch() -> int:
        if planned is None or form.errors:
            raise InvalidParams(form.errors)
        matrix = job_actions.launch_matrix(
            request.user,
            form.spec,
            host,
            priority=queue.priority_for(request.user, request.POST.get("priority", "")),
            confirmed=parts.confirmed_in(request, host, planned.first.preview.plan),
        )
        return matrix.pk

    try:
        return redirect("matrix-detail", once(request, launch))
    except LaunchError as error:
        form = form.with_errors(context["target"], error.fields)
    return render(request, "launch/matrix.html", context | _faults(form), status=422)


def _faults(form: MatrixForm) -> dict[str, Any]:
    """Return the fields with their errors, and why the form cannot be sent."""
    return {
        "form": form,
        "errors": form.errors,
        "faults": parts.faults(form.errors, (*form.own, *form.jobs.fields)),
        "blocked": "missing" if form.missing else "errors" if form.errors else "",
    }


@requires("job.launch", "GET")
def launch_matrix_script(request: HttpRequest) -> HttpResponseBase:
    planned = _context(request, request.GET)["planned"]
    return parts.script_file(planned.script if planned else None, "matrix.sh")


def _context(request: HttpRequest, data: QueryDict) -> dict[str, Any]:
    user, named = person(request), front.named_subject(data)
    hosts = front.host_choices(None, named, user)
    # By default the first host that has a deployment to measure.
    served = {one.host for one in map(front.engine_subject, front.engine_rows())}
    usual = (one.host.name for one in hosts if one.host.name in served and not one.is_blocked)
    name = data.get("host") or named.host or next(usual, "")
    host = front.chosen_host(hosts, str(name))
    target = target_of(host) if host else None
    base: dict[str, Any] = {
        "workloads": _workload_links(data, host),
        "workload": _workload_of(data),
        "host": host,
        "target": target,
        "form": None,
        "planned": None,
    }
    kind = _kind_of(data, target) if target else None
    if host is None or target is None or kind is None:
        return base
    form = matrix_form(data, kind, target, "" if named.engine else named.model)
    planned = preview_matrix(form.spec, host, target, user=user) if form.spec else None
    if planned is not None and planned.errors:
        form = form.with_errors(target, planned.errors)
    launchable = planned is not None and not planned.errors
    first = planned.first if planned and launchable else None
    own = {*kind.Params.model_fields, *_LABELS}
    engine = form.jobs.field("deployment")
    return base | {
        **_faults(form),
        "front": front.questions(
            "speed",
            front.MATRIX,
            front.engine_on(target, engine.value if engine else "", named.model),
            target,
            hosts,
            front.kept_of(data, own),
            engine,
        ),
        "planned": planned if launchable else None,
        "subject_field": engine,
        "groups": form.jobs.without(engine).groups,
        "cells": planned.cells if planned else (),
        "columns": list(form.spec.concurrency) if form.spec else [],
        "view": parts.command_of(first.preview if first else None),
        "priorities": queue.priorities_for(request.user),
        "priority": str(data.get("priority", "normal")),
        "script_address": f"{reverse('launch-matrix-script')}?{form.query}",
        "commands": _commands(form.workload, host, data),
    }


def _commands(workload: Workload, host: Host, data: QueryDict) -> list[tuple[Kind, str, str]]:
    """Return the forms of a workload's separate jobs: kind, verbatim and corrected address."""
    found = []
    for name in workload.commands:
        kind = KINDS[name]
        query = {"host": host.name}
        if "deployment" in kind.Params.model_fields and data.get("deployment"):
            query["deployment"] = str(data["deployment"])
        address = reverse("launch-form", args=[name])
        exact = urlencode({**query, "as_in_guide": "1"})
        found.append((kind, f"{address}?{exact}", f"{address}?{urlencode(query)}"))
    return found


def _workload_links(data: QueryDict, host: Host | None) -> list[tuple[Workload, str]]:
    """Return the workloads, each with the query of its form, which keeps a typed name."""
    kept = {"host": host.name if host else ""}
    kept |= {name: str(data.get(name, "")) for name in ("deployment", "title")}
    query = {name: value for name, value in kept.items() if value}
    return [(one, urlencode({"workload": one.id, **query})) for one in WORKLOADS.values()]


def _workload_of(data: QueryDict) -> Workload:
    return WORKLOADS.get(str(data.get("workload", "")), next(iter(WORKLOADS.values())))


def _kinds_on(target: Target, wanted: str = "") -> list[Kind]:
    """Return kinds with a matrix on ``target``: those that can measure the ``wanted`` engine first,
    then those that offer it, those with something to measure, an endpoint that does not answer
    last; of these those whose prompts have chosen lengths."""

    def rank(kind: Kind) -> tuple[bool, ...]:
        keys = [choice.value for choice in launch_form.offers(kind, target, "deployment") or ()]
        refs = [ref for ref in target.deployments if ref.key in keys]
        measured = {ref.key: ref for ref in refs if kind.can_measure(ref, target)}
        answers = any(ref.data.get("is_answering", True) for ref in measured.values())
        takes = (wanted not in measured, wanted not in keys)
        return (*takes, not measured, not answers, not has_input(kind, {}))

    return sorted((kind for kind in kinds() if kind.is_available(target)), key=rank)


def _kind_of(data: QueryDict, target: Target) -> Kind | None:
    """Return the kind named by ``data``, or the best for its engine; None: the host has none."""
    offered = _kinds_on(target, str(data.get("deployment", "")))
    named = (kind for kind in offered if kind.name == data.get("kind"))
    return next(named, next(iter(offered), None))


def matrix_form(data: QueryDict, kind: Kind, target: Target, model: str = "") -> MatrixForm:
    """Return the form of ``kind``. A changed workload (``of`` is another) resets all but the name.
    ``model``: to measure, if no engine is named."""
    workload = _workload_of(data).on_host(has_dies=target.has_dies)
    is_same = data.get("of", workload.id) == workload.id
    kept = data if is_same else QueryDict(urlencode({"title": data.get("title", "")}))
    given = {"exclusive": "1", **workload.params}
    usual = {name: value for name, value in given.items() if name in kind.Params.model_fields}
    typed = {**usual, **launch_form.typed_values(kind, data)}
    if typed.get("deployment", "").startswith(front.MODEL):
        del typed["deployment"]
    jobs = _shared(launch_form.make_form(kind, target, typed, {}, model))
    raw = launch_form.raw_values(jobs.fields, kind.Params)
    prompts = has_input(kind, raw)
    own = tuple(
        field
        for field in _own(workload, kind, target, kept)
        if prompts or field.name != "input_tokens"
    )
    values = launch_form.raw_values(own, MatrixSpec)
    spec, errors = None, launch_form.left_empty(jobs)
    try:
        if not workload.commands:
            spec = MatrixSpec(workload=workload.id, params=raw, **values)
    except ValidationError as error:
        errors |= messages(error)
    form = MatrixForm(workload, kind, own, jobs, prompts, None if errors else spec, {}, model)
    return form.with_errors(target, errors) if errors else form


def _shared(form: launch_form.LaunchForm) -> launch_form.LaunchForm:
    return form.without(*(one for one in form.fields if one.name in _NOT_SHOWN))


def _own(workload: Workload, kind: Kind, target: Target, data: QueryDict) -> list[Field]:
    """Return the fields of the table, with values of ``data`` or of the workload."""
    usual: dict[str, Any] = {name: getattr(workload, name, "") for name in _LABELS}
    usual["requests"] = workload.requests or workload.requests_each or ""
    usual |= {"kind": kind.name, "order_seed": 1, "requests_each": workload.requests is None}
    helps = {"title": _("Empty: the name of the deployment.")}
    tokens = _("tokens")
    units = {"input_tokens": tokens, "output_tokens": tokens, "concurrency": _("requests")}
    kinds = tuple(Choice(one.name, _(one.title)) for one in _kinds_on(target))
    fields = []
    for name, label in _LABELS.items():
        default, control = launch_form.text_of(usual[name]), "text"
        if name == "kind":
            control = "select"
        elif isinstance(usual[name], int):
            control = "check" if isinstance(usual[name], bool) else "number"
        fields.append(
            Field(
                *(name, str(label), helps.get(name, ""), control),
                kind.name if name == "kind" else str(data.get(name, default))[:400],
                default,
                units.get(name, ""),
                options=kinds if name == "kind" else (),
                is_wide=control == "check" or name in units,
            )
        )
    return fields


urlpatterns: list[URLPattern] = [
    path("matrix/", launch_matrix, name="launch-matrix"),
    path("matrix/matrix.sh", launch_matrix_script, name="launch-matrix-script"),
]
