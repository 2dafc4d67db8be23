"""The whole way of a model as one chain: what it will do on a host, and its launch."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from dashboard import audit
from dashboard.requests import person
from dashboard.rights import requires
from jobs.catalog import MODELS, STACKS, ZooModel
from jobs.errors import LaunchError
from jobs.kinds.vacc import stack_choices
from jobs.models import Host
from jobs.queries.hosts import dies
from jobs.queries.targets import target_of
from jobs.ways import Way, launch_way, stages, ways_of


@require_http_methods(["GET", "HEAD", "POST"])
@requires("job.launch")
def model_way(request: HttpRequest, model_id: str, way_id: str) -> HttpResponse:
    """What the way would do on the host of the URL; POST launches it and shows its jobs."""
    model, way = _found(model_id, way_id)
    if request.method != "POST":
        return render(request, "models/way.html", _context(model, way, request.GET))
    context = _context(model, way, request.POST)
    host, stack = context["host"], context["stack"]
    if host is None:
        return redirect("model-way", model_id, way_id)
    try:
        jobs = launch_way(way.id, model.id, host=host, stack=stack, user=person(request))
    except LaunchError as error:
        return render(request, "models/way.html", context | {"error": str(error)}, status=422)
    for job in jobs:
        audit.record(request.user, "job.launch", f"job {job.pk}", kind=job.kind, host=host.name)
    if not jobs:
        return redirect("model-detail", model.id)
    return redirect(f"{reverse('job-detail', args=[jobs[0].pk])}")


def _found(model_id: str, way_id: str) -> tuple[ZooModel, Way]:
    model = MODELS.get(model_id)
    way = next((item for item in ways_of(model) if item.id == way_id), None) if model else None
    if model is None or way is None:
        raise Http404(f"{model_id} has no way {way_id}")
    return model, way


def _context(model: ZooModel, way: Way, data: QueryDict) -> dict[str, Any]:
    """``hosts``: those that suit. The first one, and its first stack, unless others are named."""
    hosts = [host for host in Host.objects.all() if bool(dies(host)) == way.needs_dies]
    named = [host for host in hosts if host.name == data.get("host")]
    host = next(iter([*named, *hosts]), None)
    offered = [choice.value for choice in stack_choices(target_of(host))] if host else []
    stack = str(data.get("stack", ""))
    if stack not in offered:
        stack = next(iter(offered), "")
    return {
        "model": model,
        "way": way,
        "hosts": hosts,
        "host": host,
        "stacks": [STACKS[name] for name in offered],
        "stack": stack,
        "stages": stages(way, model, host, stack) if host and stack else [],
    }


urlpatterns: list[URLPattern] = [
    path("<str:model_id>/ways/<slug:way_id>/", model_way, name="model-way"),
]
