"""Pipeline of a model: preview on a host, and launch."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch import parts
from dashboard.security import audit_log
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from dashboard.text.labels import kind_title
from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS, ZooModel
from jobs.catalog.presets import EVALUATION_PRESETS, WORKLOADS
from jobs.kinds.lib.vacc import stack_choices
from jobs.launch import pipelines as definitions
from jobs.launch.launch import InvalidParams
from jobs.launch.pipelines import Draft, checks_of, drafts, pipelines_of
from jobs.models import Host
from jobs.queries.hosts import dies, is_away
from jobs.schedule import launch_rights, preflights
from jobs.schedule.forecast import forecast_drafts
from jobs.schedule.targets import target_of
from jobs.tools.vacc.downloads import DATASETS


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
        shown = {} if context["errors"] else {"error": str(error)}  # those are at their fields
        return _page(request, context | shown, status=422)


def _launch(request: HttpRequest, context: Mapping[str, Any]) -> str:
    """Launch the posted form; return the address of its jobs. Raises ``LaunchError``: an option is
    wrong, or a warning is not confirmed."""
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
    """Request the preflight of the whole chain now."""
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
    """``hosts``: suitable ones. Default: the first one and its first stack. ``errors``: option →
    message; ``typed``: entered values."""
    fitting = [host for host in Host.objects.all() if bool(dies(host)) == pipeline.needs_dies]
    host, hosts = parts.choose_host(data, user, fitting)
    offered = [choice.value for choice in stack_choices(target_of(host))] if host else []
    stack = str(data.get("stack", ""))
    if stack not in offered:
        stack = next(iter(offered), "")
    options, errors = _options(pipeline, data)
    errors |= launch_rights.errors(host, user) if host else {}
    planned: list[Draft] = []
    if host and stack and not errors:
        planned = drafts(pipeline, model, host, stack, options, user=user)
    kinds = [draft.stage.job.kind for draft in planned if draft.preview and not draft.is_in_guide]
    return {
        "model": model,
        "pipeline": pipeline,
        "hosts": hosts,
        "host": host,
        "stacks": [STACKS[name] for name in offered],
        "stack": stack,
        "options": options,
        "errors": errors,
        "typed": {name: data.get(name, "") for name in ("concurrency", "port", "bind")},
        "precisions": [
            (one, _("fp16 and int8") if one == definitions.BOTH else one)
            for one in definitions.PRECISIONS
        ],
        "calibrations": [(name, DATASETS[name].title) for name in definitions.CALIBRATIONS],
        "workloads": [WORKLOADS[name] for name in definitions.WORKLOAD_IDS if name],
        "evaluations": [EVALUATION_PRESETS[name] for name in definitions.EVALUATION_IDS if name],
        "is_blocked": bool(errors) or any(one.preview and one.preview.errors for one in planned),
        "drafts": planned,
        "shown": [(draft, parts.command_of(draft.preview)) for draft in planned],
        # Kinds that the guide has no command for.
        "outside_guide": _(", ").join(kind_title(kind) for kind in dict.fromkeys(kinds)),
        "asks_host": host is not None and not is_away(host) and not errors,
    }


def _options(
    pipeline: definitions.Pipeline, data: QueryDict
) -> tuple[definitions.Options, dict[str, str]]:
    """Return options, and option → message; invalid ones fall back to defaults."""
    given = {name: str(data.get(name, "")) for name in pipeline.options}
    errors: dict[str, str] = {}
    while True:
        try:
            return definitions.read_options(
                {**given, **dict.fromkeys(errors, "")}, pipeline.options
            ), errors
        except LaunchError as error:
            errors[error.field] = str(error)


def _page(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Show the form, with the queue reasons of a launch now and the kinds of each."""
    host, jobs = context["host"], []
    for draft in context["drafts"]:
        if draft.job is not None:
            # Waiting for earlier jobs of the chain is normal.
            draft.job.host, draft.job.inputs = host, {}
            jobs.append(draft.job)
    waits: dict[str, list[str]] = {}
    for job, starts in zip(jobs, forecast_drafts(host, jobs) if host else (), strict=True):
        if not queue.is_next(starts):
            kinds = waits.setdefault(queue.starts(starts), [])
            kinds += [job.kind] if job.kind not in kinds else []
    shown = context | {"waits": [*waits.items()]}
    return render(request, "models/pipeline.html", shown, status=status)


urlpatterns: list[URLPattern] = [
    path("<str:model_id>/pipelines/<slug:pipeline_id>/", model_pipeline, name="model-pipeline"),
    path(
        "<str:model_id>/pipelines/<slug:pipeline_id>/check/",
        pipeline_check,
        name="model-pipeline-check",
    ),
]
