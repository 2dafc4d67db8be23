"""The public API: jobs, deployments, results, hosts. By token or by session.

Lists are newest first; ``next`` is the address of what is older, null at the end. Errors are
``{"error": code, "message": words}``; a launch that is refused adds ``"fields"``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import audit
from dashboard.api import shapes
from dashboard.api.auth import api, error, may
from dashboard.line_view import priority_for
from dashboard.rights import allowed
from jobs import dispatch, launch
from jobs.errors import LaunchError
from jobs.models import Deployment, Host, Job, Result
from jobs.queries.jobs import Cursor, Filters, cursor
from jobs.queries.jobs import page as job_page
from jobs.services import deployments
from jobs.services.storable import storable

LIMIT, LIMIT_MAX = 50, 200
_Row = TypeVar("_Row", bound=Model)


class BadRequest(ValueError):
    """What the caller sent cannot be read; the message says why."""


@require_http_methods(["GET", "POST"])
@api("job.view")
def jobs(request: HttpRequest) -> HttpResponseBase:
    """List jobs (``state``, ``kind``, ``host``, ``person``, ``text``, ``pinned``), or launch one.

    A launch is ``{"kind": …, "host": name, "params": {…}}``, and may name a ``"priority"``;
    ``"confirm": ["shm"]`` has it start although a check of this name, or "all", holds not quite.
    """
    if request.method == "POST":
        return _launch(request)
    names = ("state", "kind", "host", "person", "text", "pinned")
    filters = Filters(**{name: request.GET.get(name, "") for name in names})
    try:
        page = job_page(filters, before=_before(request), limit=_limit(request))
    except BadRequest as refused:
        return error(400, "invalid", str(refused))
    return _page(request, "jobs", [shapes.job(row) for row in page.jobs], page.older)


@require_GET
@api("job.view")
def job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """One job, whole."""
    rows = Job.objects.select_related("host", "created_by").prefetch_related("steps", "outputs")
    row = rows.filter(pk=job_id).first()
    return JsonResponse(shapes.whole_job(row)) if row else _missing()


@require_POST
@api("job.cancel")
def cancel_job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Cancel a job."""
    row = Job.objects.filter(pk=job_id).first()
    if row is None:
        return _missing()
    if refusal := may(request.user, "job.cancel", row):
        return refusal
    if not launch.cancel(job_id, _user(request)):
        return error(409, "finished", _("This job had finished already."))
    audit.record(request.user, "job.cancel", f"job {job_id}")
    return job_answer(job_id)


@require_POST
@api("job.confirm")
def confirm_job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Start a job in spite of what it asks: of all, or of the ``{"checks": […]}`` of its "asks"."""
    row = Job.objects.filter(pk=job_id).first()
    if row is None:
        return _missing()
    if refusal := may(request.user, "job.confirm", row):
        return refusal
    try:
        names = _names(json.loads(request.body or "{}").get("checks"), "checks")
    except (ValueError, AttributeError) as refused:
        words = refused if isinstance(refused, BadRequest) else _("Send JSON: {“checks”: […]}.")
        return error(400, "invalid", str(words))
    found = [item for item in row.asks if names is None or item["check"] in names]
    if not found or not launch.confirm(job_id, found, _user(request)):
        return error(409, "nothing_asked", _("This job asks nothing of the kind now."))
    checks = [item["check"] for item in found]
    audit.record(request.user, "job.confirm", f"job {job_id}", checks=checks)
    return job_answer(job_id)


@require_POST
@api("job.repeat")
def run_job_again(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """A new job with the same plan."""
    if not Job.objects.filter(pk=job_id).exists():
        return _missing()
    try:
        row = launch.run_again(job_id, _user(request), may_raise=allowed(request.user, "job.raise"))
    except LaunchError as refused:
        return _refused(refused)
    audit.record(request.user, "job.repeat", f"job {row.pk}", repeats=job_id)
    return job_answer(row.pk, status=201)


@require_POST
@api("job.launch")
def preview(request: HttpRequest) -> HttpResponseBase:
    """The plan that a launch would run: ``{"plan", "script", "values", "open_slots", …}``."""
    try:
        kind, host, params = _asked(request)
        seen = launch.preview(kind, params, host)
    except BadRequest as refused:
        return error(400, "invalid", str(refused))
    except LaunchError as refused:
        return _refused(refused)
    if seen.plan is None:
        return _refused(launch.InvalidParams(seen.errors))
    return JsonResponse(
        {
            "plan": seen.plan.to_json(),
            "plan_sha256": seen.plan.sha256(),
            "script": seen.script,
            "values": seen.values,
            "open_slots": seen.open_slots,
            "will_add": seen.will_add,
        }
    )


@require_GET
@api("deployment.view")
def deployment_list(request: HttpRequest) -> HttpResponseBase:
    """List deployments (``state``, ``host``, ``model``)."""
    fields = {"state": "state", "host": "host__name", "model": "model_id"}
    rows = Deployment.objects.select_related("host", "artifact", "created_by")
    return _list(request, "deployments", _filtered(request, rows, fields), shapes.deployment)


@require_GET
@api("deployment.view")
def deployment(request: HttpRequest, deployment_id: int) -> HttpResponseBase:
    """One deployment."""
    return _deployment_answer(deployment_id)


@require_POST
@api("deployment.stop")
def stop_deployment(request: HttpRequest, deployment_id: int) -> HttpResponseBase:
    """Stop its server."""
    row = Deployment.objects.filter(pk=deployment_id).first()
    if row is None:
        return _missing()
    if refusal := may(request.user, "deployment.stop", row):
        return refusal
    if not deployments.stop_deployment(deployment_id, _user(request)):
        return error(409, "stopped", _("This deployment is not running."))
    audit.record(request.user, "deployment.stop", f"deployment {deployment_id}")
    dispatch.look()
    return _deployment_answer(deployment_id)


@require_POST
@api("deployment.restart")
def restart_deployment(request: HttpRequest, deployment_id: int) -> HttpResponseBase:
    """Start its server anew."""
    row = Deployment.objects.filter(pk=deployment_id).first()
    if row is None:
        return _missing()
    if refusal := may(request.user, "deployment.restart", row):
        return refusal
    try:
        run = deployments.restart_deployment(deployment_id, _user(request))
    except deployments.NotRestartable:
        words = _("This deployment never ran, so there is nothing to restart.")
        return error(409, "not_restartable", words)
    except LaunchError as refused:
        return _refused(refused)
    audit.record(request.user, "deployment.restart", f"deployment {deployment_id}", run=run)
    return _deployment_answer(deployment_id)


@require_GET
@api("result.view")
def results(request: HttpRequest) -> HttpResponseBase:
    """List results (``sort``, ``model``, ``host``, ``deployment``, ``job``; ``pinned=1``)."""
    fields = {
        "sort": "sort",
        "model": "model_id",
        "host": "host__name",
        "deployment": "deployment_id",
        "job": "job_id",
    }
    rows = Result.objects.select_related("host", "created_by")
    if request.GET.get("pinned"):
        rows = rows.filter(job__pinned_at__isnull=False)
    return _list(request, "results", _filtered(request, rows, fields), shapes.result)


@require_GET
@api("result.view")
def result(request: HttpRequest, result_id: int) -> HttpResponseBase:
    """One result with its points and answers."""
    row = Result.objects.select_related("host", "created_by").filter(pk=result_id).first()
    return JsonResponse(shapes.whole_result(row)) if row else _missing()


@require_GET
@api("host.view")
def hosts(request: HttpRequest) -> HttpResponseBase:
    """All hosts, by name."""
    return JsonResponse({"hosts": [shapes.host(row) for row in Host.objects.all()], "next": None})


@require_GET
@api("host.view")
def host(request: HttpRequest, name: str) -> HttpResponseBase:
    """One host."""
    row = Host.objects.filter(name=name).first()
    return JsonResponse(shapes.host(row)) if row else _missing()


@api("overview.view")
def unknown(request: HttpRequest) -> HttpResponseBase:
    """Any address below the API that it does not have."""
    words = _("The API has no address %(path)s.") % {"path": request.path[:200]}
    return error(404, "path", words)


def job_answer(job_id: int, *, status: int = 200) -> JsonResponse:
    """The job as it is now."""
    row = Job.objects.select_related("host", "created_by").get(pk=job_id)
    return JsonResponse(shapes.job(row), status=status)


def _deployment_answer(deployment_id: int) -> JsonResponse:
    rows = Deployment.objects.select_related("host", "artifact", "created_by")
    row = rows.filter(pk=deployment_id).first()
    return JsonResponse(shapes.deployment(row)) if row else _missing()


def _launch(request: HttpRequest) -> JsonResponse:
    if refusal := may(request.user, "job.launch", None):
        return refusal
    try:
        kind, host, params = _asked(request)
        asked = json.loads(request.body)
        priority = priority_for(request.user, str(asked.get("priority", "")))
        names = _names(asked.get("confirm"), "confirm") or []
        user = _user(request)
        confirmed = launch.confirmed_by_name(kind, params, host, names, user)
        row = launch.launch(
            kind, params, host=host, user=user, priority=priority, confirmed=confirmed
        )
    except BadRequest as refused:
        return error(400, "invalid", str(refused))
    except LaunchError as refused:
        return _refused(refused)
    audit.record(request.user, "job.launch", f"job {row.pk}", kind=kind, confirmed=names)
    return job_answer(row.pk, status=201)


def _asked(request: HttpRequest) -> tuple[str, Host, Mapping[str, Any]]:
    """Kind, host and params of a launch's body."""
    try:
        body = json.loads(request.body)
        kind, name, params = body["kind"], body["host"], body.get("params", {})
    except KeyError as missing:
        words = _("“%(field)s” is missing. Send JSON: {“kind”: …, “host”: …, “params”: {…}}.")
        raise BadRequest(words % {"field": missing.args[0]}) from None
    except (ValueError, TypeError, AttributeError):
        words = _("Send JSON: {“kind”: …, “host”: …, “params”: {…}}.")
        raise BadRequest(words) from None
    if storable(body) != body:
        raise BadRequest(_("No text holds a zero byte or half a character, and NaN is no number."))
    found = Host.objects.filter(name=str(name)).first()
    if found is None:
        raise BadRequest(_("There is no host called “%(name)s”.") % {"name": name})
    if not isinstance(params, dict):
        raise BadRequest(_("“params” is an object."))
    return str(kind), found, params


def _names(value: Any, field: str) -> list[str] | None:
    """The names of checks that a body gives; None: it gives none."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRequest(_("“%(field)s” is a list of names of checks.") % {"field": field})
    return value


def _refused(refused: LaunchError) -> JsonResponse:
    fields = refused.fields if isinstance(refused, launch.InvalidParams) else {}
    return error(422, "launch", str(refused), fields=fields or {refused.field: str(refused)})


def _filtered(
    request: HttpRequest, rows: QuerySet[_Row], fields: Mapping[str, str]
) -> QuerySet[_Row]:
    asked = {fields[name]: request.GET[name] for name in fields if request.GET.get(name)}
    numbers = [name for name in asked if name.endswith("_id") and name != "model_id"]
    if not all(asked[name].isdecimal() and len(asked[name]) < 19 for name in numbers):
        return rows.none()
    return rows.filter(**asked)


def _list(
    request: HttpRequest,
    name: str,
    rows: QuerySet[_Row],
    shape: Callable[[_Row], dict[str, Any]],
) -> JsonResponse:
    """One page, by keyset: see docs/decisions.md for the form of the condition."""
    try:
        before, limit = _before(request), _limit(request)
    except BadRequest as refused:
        return error(400, "invalid", str(refused))
    if before is not None:
        rows = rows.filter(created_at__lte=before.created_at).exclude(
            created_at=before.created_at, pk__gte=before.id
        )
    found: list[Any] = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    older = None
    if len(found) > limit:
        older = Cursor(found[limit - 1].created_at, found[limit - 1].pk)
    return _page(request, name, [shape(row) for row in found[:limit]], older)


def _page(
    request: HttpRequest, name: str, rows: list[dict[str, Any]], older: Cursor | None
) -> JsonResponse:
    following = None
    if older is not None:
        query = request.GET.copy()
        query["before"] = str(older)
        following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    return JsonResponse({name: rows, "next": following})


def _before(request: HttpRequest) -> Cursor | None:
    text = request.GET.get("before", "")
    found = cursor(text)
    if text and found is None:
        raise BadRequest(_("“before” is not a cursor that this API gave."))
    return found


def _limit(request: HttpRequest) -> int:
    text = request.GET.get("limit", str(LIMIT))
    if not text.isdecimal() or not 1 <= int(text[:6]) <= LIMIT_MAX:
        raise BadRequest(_("“limit” is a number from 1 to %(most)s.") % {"most": LIMIT_MAX})
    return int(text)


def _missing() -> JsonResponse:
    return error(404, "missing", _("There is nothing of this name or number."))


def _user(request: HttpRequest) -> Any:
    return request.user


urlpatterns = [
    path("jobs", jobs, name="api-jobs"),
    path("jobs/preview", preview, name="api-preview"),
    path("jobs/<int:job_id>", job, name="api-job"),
    path("jobs/<int:job_id>/cancel", cancel_job, name="api-job-cancel"),
    path("jobs/<int:job_id>/confirm", confirm_job, name="api-job-confirm"),
    path("jobs/<int:job_id>/run-again", run_job_again, name="api-job-run-again"),
    path("deployments", deployment_list, name="api-deployments"),
    path("deployments/<int:deployment_id>", deployment, name="api-deployment"),
    path("deployments/<int:deployment_id>/stop", stop_deployment, name="api-deployment-stop"),
    path(
        "deployments/<int:deployment_id>/restart",
        restart_deployment,
        name="api-deployment-restart",
    ),
    path("results", results, name="api-results"),
    path("results/<int:result_id>", result, name="api-result"),
    path("hosts", hosts, name="api-hosts"),
    path("hosts/<slug:name>", host, name="api-host"),
]
