"""Launch form of the pipeline of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch import front, parts
from dashboard.pages.launch.launch_form import Field
from dashboard.security import audit_log
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from dashboard.text.labels import kind_title
from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS, ZooModel
from jobs.catalog.presets import EVALUATION_PRESETS, WORKLOADS
from jobs.kinds.lib.base import Choice
from jobs.kinds.lib.vacc import stack_choices
from jobs.launch import pipelines as definitions
from jobs.launch.launch import InvalidParams
from jobs.launch.pipelines import Draft, checks_of, drafts, pipelines_of
from jobs.models import Host, Job
from jobs.queries.hosts import dies, is_away
from jobs.schedule import launch_rights, preflights
from jobs.schedule.forecast import Forecast, forecast_drafts
from jobs.schedule.targets import target_of
from jobs.tools.vacc.downloads import DATASETS

# Options with a field of their own: label and help.
_OPTIONS = {
    "precision": (gettext_lazy("Precision"), ""),
    "calibration": (gettext_lazy("Calibration data"), ""),
    "concurrency": (
        gettext_lazy("Concurrency"),
        gettext_lazy(
            "For benchmarks over HTTP, such as 1, 4, 16. Empty: the defaults of their forms."
        ),
    ),
    "workload": (
        gettext_lazy("Workload"),
        gettext_lazy(
            "A benchmark for each pair of lengths, once. Repeats and early ends need a matrix."
        ),
    ),
    "evaluation": (gettext_lazy("Evaluation"), ""),
    "port": (
        gettext_lazy("Port"),
        gettext_lazy("Server port. Empty: a free port at start; guide verbatim: 8000."),
    ),
    "bind": (
        gettext_lazy("Listen on"),
        gettext_lazy(
            "Your host's address. Empty: the guide's 10.24.73.25; on other machines the server "
            "then exits at once."
        ),
    ),
}


@requires("job.launch", "GET", "HEAD", "POST")
def model_pipeline(request: HttpRequest, model_id: str, pipeline_id: str) -> HttpResponse:
    """Preview the pipeline on the host of the URL; POST launches it and redirects to its jobs."""
    model, pipeline = _model_and_pipeline(model_id, pipeline_id)
    if request.method != "POST":
        return _page(request, _context(model, pipeline, request.GET, person(request)))
    context = _context(model, pipeline, request.POST, person(request))
    if context["host"] is None:
        return redirect("model-pipeline", model_id, pipeline_id)
    if "show" in request.POST:
        return _page(request, context, status=422 if context["errors"] else 200)
    try:
        return redirect(once(request, lambda: _launch(request, context)))
    except LaunchError as error:
        shown = {} if context["faults"] else {"refused": str(error)}  # those are at their fields
        return _page(request, context | shown, status=422)


def _launch(request: HttpRequest, context: Mapping[str, Any]) -> str:
    """Launch the posted form; return the address of its jobs. Raises ``LaunchError``."""
    host, pipeline, model = context["host"], context["pipeline"], context["model"]
    if context["errors"]:
        raise InvalidParams(context["errors"])
    checked = checks_of(pipeline, context["drafts"])
    jobs = job_actions.launch_pipeline(
        request.user,
        pipeline.id,
        model.id,
        host=host,
        stack=context["stack"],
        options=context["options"],
        confirmed=parts.confirmed_in(request, host, checked[0]) if checked else [],
    )
    if not jobs:
        return reverse("model-detail", args=[model.id])
    return reverse("pipeline", args=[jobs[0].chain])


@requires("job.launch", "POST")
def pipeline_check(request: HttpRequest, model_id: str, pipeline_id: str) -> HttpResponse:
    model, pipeline = _model_and_pipeline(model_id, pipeline_id)
    context = _context(model, pipeline, request.POST, person(request))
    host, checked = context["host"], checks_of(pipeline, context["drafts"])
    if host is None or checked is None or is_away(host):
        return HttpResponse()
    asked = preflights.ask(host, checked[0].to_json(), checked[1], user=person(request))
    audit_log.record_often(request.user, "host.check", f"host {host.name}", model=model.id)
    return parts.fragment(request, asked, form_id="pipeline-form")


def _model_and_pipeline(model_id: str, pipeline_id: str) -> tuple[ZooModel, definitions.Pipeline]:
    model = MODELS.get(model_id)
    offered = pipelines_of(model) if model else ()
    pipeline = next((item for item in offered if item.id == pipeline_id), None)
    if model is None or pipeline is None:
        raise Http404(f"{model_id} has no pipeline {pipeline_id}")
    return model, pipeline


def _context(
    model: ZooModel, pipeline: definitions.Pipeline, data: QueryDict, user: AbstractBaseUser | None
) -> dict[str, Any]:
    """``errors``: option → message."""
    subject = front.LaunchSubject(model.id)
    hosts = front.host_choices(pipeline.needs_dies, subject, user)
    fitting = [one for one in hosts if bool(dies(one.host)) == pipeline.needs_dies]
    host = front.chosen_host(fitting, str(data.get("host", "")))
    offered = [choice.value for choice in stack_choices(target_of(host))] if host else []
    stack = str(data.get("stack", ""))
    if stack not in offered:
        stack = next(iter(offered), "")
    options, errors = definitions.read_options(data, pipeline.options)
    try:
        if host:
            launch_rights.check(host, user)
    except LaunchError as error:
        errors |= error.fields
    planned: list[Draft] = []
    if host and stack and not errors:
        planned = drafts(pipeline, model, host, stack, options, user=user)
    fields = _fields(pipeline, options, data, errors)
    faults = parts.faults(errors, fields)
    causes = _causes(planned)
    for one in planned:
        title = kind_title(one.stage.job.kind)
        texts = causes[one.number]
        faults += [parts.FormFault(f"stage-{one.number}", title, text) for text in texts]
    kinds = [draft.stage.job.kind for draft in planned if draft.preview and not draft.is_in_guide]
    return {
        "model": model,
        "pipeline": pipeline,
        "front": front.questions(
            "pipeline",
            pipeline.id,
            subject,
            target_of(host) if host else None,
            hosts,
            front.kept_of(data, ("stack", *pipeline.options)),
        ),
        "host": host,
        "stacks": [STACKS[name] for name in offered],
        "stack": stack,
        "options": options,
        "fields": fields,
        "errors": errors,
        "faults": faults,
        "blocked": "errors" if faults else "",
        "drafts": planned,
        "shown": [
            (draft, parts.command_of(draft.preview), causes[draft.number]) for draft in planned
        ],
        # Kinds that the guide has no command for.
        "outside_guide": _(", ").join(kind_title(kind) for kind in dict.fromkeys(kinds)),
        "asks_host": host is not None and not is_away(host) and not errors,
    }


def _causes(planned: Sequence[Draft]) -> dict[int, list[str]]:
    """Return what keeps each job from being planned, each text once. One that follows such a job
    has none of its own: it lacks what that one would make."""
    found, said = dict[int, list[str]](), set[str]()
    broken = {one.number for one in planned if one.preview and one.preview.errors}
    for one in planned:
        errors = one.preview.errors.values() if one.preview else ()
        follows = broken.intersection(one.after)
        found[one.number] = [] if follows else [text for text in errors if text not in said]
        said.update(found[one.number])
    return found


def _fields(
    pipeline: definitions.Pipeline,
    options: definitions.Options,
    data: Mapping[str, Any],
    errors: Mapping[str, str],
) -> list[Field]:
    """Return the fields of a pipeline's options. *Listen on* is left out where it does not count:
    a value would count everywhere."""
    both = {definitions.BOTH: _("fp16 and int8")}
    workloads = [(name, _(WORKLOADS[name].name)) for name in definitions.WORKLOAD_IDS if name]
    sets = [(name, _(EVALUATION_PRESETS[name].name)) for name in definitions.EVALUATION_IDS if name]
    chosen = {
        "precision": [(one, both.get(one, one)) for one in definitions.PRECISIONS],
        "calibration": [(name, DATASETS[name].title) for name in definitions.CALIBRATIONS],
        "workload": [("", _("Short test: 12 requests of 64 tokens")), *workloads],
        "evaluation": [("", _("Basics: 142 included questions")), *sets],
    }
    preset = EVALUATION_PRESETS.get(options.evaluation)
    purpose = {"evaluation": f"{_(preset.purpose)} {_(preset.takes)}"} if preset else {}
    fields = []
    for name, (label, about) in _OPTIONS.items():
        error, choices = errors.get(name, ""), [Choice(*one) for one in chosen.get(name, ())]
        if name not in pipeline.options or (name == "bind" and not (options.as_in_guide or error)):
            continue
        fields.append(
            Field(
                *(name, str(label), purpose.get(name, str(about))),
                control="select" if choices else "number" if name == "port" else "text",
                value=str(getattr(options, name) if choices else data.get(name, "")),
                default=choices[0].value if choices else "",
                options=tuple(choices),
                error=error,
                is_hidden=name == "calibration" and options.precision == "fp16" and not error,
            )
        )
    return fields


def _page(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Show the form, with the queue reasons of a launch now and the kinds of each."""
    waits: dict[str, list[str]] = {}
    found = forecasts(context["drafts"], context["host"], person(request))
    for draft in context["drafts"]:
        starts, kind = found.get(draft.number), draft.stage.job.kind
        if starts is not None and not queue.is_next(starts):
            kinds = waits.setdefault(queue.starts(starts), [])
            kinds += [kind] if kind not in kinds else []
    shown = context | {"waits": [*waits.items()]}
    return render(request, "models/pipeline.html", shown, status=status)


def forecasts(
    planned: Iterable[Draft], host: Host | None, user: AbstractBaseUser | None
) -> dict[int, Forecast]:
    """Return the forecast of each draft with a job, by its number, if all were launched now."""
    jobs: dict[int, Job] = {}
    for draft in planned:
        if draft.job is not None and host is not None:
            # Waiting for earlier jobs of the chain is normal.
            draft.job.host, draft.job.inputs = host, {}
            draft.job.created_by_id = user.pk if user else None
            jobs[draft.number] = draft.job
    found = forecast_drafts(host, jobs.values()) if host else ()
    return dict(zip(jobs, found, strict=True))


urlpatterns: list[URLPattern] = [
    path("<str:model_id>/pipelines/<slug:pipeline_id>/", model_pipeline, name="model-pipeline"),
    path(
        "<str:model_id>/pipelines/<slug:pipeline_id>/check/",
        pipeline_check,
        name="model-pipeline-check",
    ),
]
