"""The public API: jobs, deployments, results, hosts. By token or by session.

Lists are newest first; ``next`` is the address of what is older, null at the end. Errors have one
shape: :mod:`dashboard.api.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from dashboard.api import serializers
from dashboard.api.answers import (
    DeploymentAnswer,
    Deployments,
    HostAnswer,
    Hosts,
    JobAnswer,
    Jobs,
    Preview,
    Results,
    WholeJob,
    WholeResult,
    answers,
)
from dashboard.api.auth import caller, must
from dashboard.api.errors import Refused, error, invalid, missing
from dashboard.api.requests import (
    ConfirmAsked,
    DeploymentsAsked,
    JobsAsked,
    LaunchAsked,
    Page,
    Planned,
    ResultsAsked,
)
from dashboard.presenters.queue import priority_for
from dashboard.security import audit_log
from dashboard.security.permissions import allowed
from jobs import dispatch, launch
from jobs.models import Deployment, Host, Job, Result
from jobs.numbers import number_from
from jobs.queries.jobs.jobs import Cursor, Filters, cursor
from jobs.queries.jobs.jobs import page as job_page
from jobs.services import deployments

_Row = TypeVar("_Row", bound=Model)
Answer = dict[str, Any]

router = Router()


@router.get(
    "jobs",
    auth=caller("job.view"),
    **answers(Jobs),
    url_name="api-jobs",
    tags=["Jobs"],
    summary="List jobs",
)
def list_jobs(request: HttpRequest, query: Query[JobsAsked]) -> Answer:
    """Newest first."""
    filters = Filters(**query.model_dump(exclude={"before", "limit"}))
    page = job_page(filters, before=_before(query), limit=query.limit)
    return _page(request, "jobs", [serializers.job(row) for row in page.jobs], page.older)


@router.post(
    "jobs",
    auth=caller("job.launch"),
    **answers(JobAnswer, 413, 422, status=201),
    url_name="api-jobs",
    tags=["Jobs"],
    summary="Launch a job",
)
def launch_job(request: HttpRequest, asked: LaunchAsked) -> Status[Answer]:
    """``"confirm": ["shm"]`` has it start although a check of this name, or "all", holds not
    quite.
    """
    user = _user(request)
    host, names = _host(asked.host), asked.confirm or []
    priority = priority_for(user, asked.priority)
    confirmed = launch.confirmed_by_name(asked.kind, asked.params, host, names, user)
    row = launch.launch(
        asked.kind, asked.params, host=host, user=user, priority=priority, confirmed=confirmed
    )
    audit_log.record(user, "job.launch", f"job {row.pk}", kind=asked.kind, confirmed=names)
    return Status(201, job_answer(row.pk))


@router.post(
    "jobs/preview",
    auth=caller("job.launch"),
    **answers(Preview, 413, 422),
    url_name="api-preview",
    tags=["Jobs"],
    summary="Preview a job",
)
def preview_job(request: HttpRequest, asked: Planned) -> Answer:
    """The plan and the script that a launch would run. It runs nothing."""
    result = launch.preview(asked.kind, asked.params, _host(asked.host))
    if result.plan is None:
        raise launch.InvalidParams(result.errors)
    return {
        "plan": result.plan.to_json(),
        "plan_sha256": result.plan.sha256(),
        "script": result.script,
        "values": result.values,
        "open_slots": result.open_slots,
        "will_add": result.will_add,
    }


@router.get(
    "jobs/{int:job_id}",
    auth=caller("job.view"),
    **answers(WholeJob),
    url_name="api-job",
    tags=["Jobs"],
    summary="Read a job",
)
def read_job(request: HttpRequest, job_id: int) -> Answer:
    """Its state, params, plan, steps, outputs, and what it made."""
    return whole_job_answer(job_id)


@router.post(
    "jobs/{int:job_id}/cancel",
    auth=caller("job.cancel"),
    **answers(JobAnswer, 409),
    url_name="api-job-cancel",
    tags=["Jobs"],
    summary="Cancel a job",
)
def cancel_job(request: HttpRequest, job_id: int) -> Answer:
    """One's own; an administrator any."""
    must(request.user, "job.cancel", find_job(job_id))
    if not launch.cancel(job_id, _user(request)):
        raise Refused(error(409, "finished", _("This job has already ended.")))
    audit_log.record(request.user, "job.cancel", f"job {job_id}")
    return job_answer(job_id)


@router.post(
    "jobs/{int:job_id}/confirm",
    auth=caller("job.confirm"),
    **answers(JobAnswer, 409, 413),
    url_name="api-job-confirm",
    tags=["Jobs"],
    summary="Confirm the warnings of a job",
)
def confirm_job(request: HttpRequest, job_id: int, asked: ConfirmAsked | None = None) -> Answer:
    """Start a job in spite of what it asks: of all, or of the ``checks`` of its "asks"."""
    row = find_job(job_id)
    must(request.user, "job.confirm", row)
    names = asked.checks if asked else None
    warnings = [item for item in row.needs_confirmation if names is None or item["check"] in names]
    if not warnings or not launch.confirm(job_id, warnings, _user(request)):
        raise Refused(error(409, "nothing_asked", _("This job needs no such confirmation now.")))
    checks = [item["check"] for item in warnings]
    audit_log.record(request.user, "job.confirm", f"job {job_id}", checks=checks)
    return job_answer(job_id)


@router.post(
    "jobs/{int:job_id}/retry",
    auth=caller("job.repeat"),
    **answers(JobAnswer, 422, status=201),
    url_name="api-job-retry",
    tags=["Jobs"],
    summary="Retry a job",
)
def retry_job(request: HttpRequest, job_id: int) -> Status[Answer]:
    """A new job with the same plan."""
    find_job(job_id)
    row = launch.retry_job(
        job_id, _user(request), can_prioritize=allowed(request.user, "job.raise")
    )
    audit_log.record(request.user, "job.repeat", f"job {row.pk}", repeats=job_id)
    return Status(201, job_answer(row.pk))


@router.get(
    "deployments",
    auth=caller("deployment.view"),
    **answers(Deployments),
    url_name="api-deployments",
    tags=["Deployments"],
    summary="List deployments",
)
def list_deployments(request: HttpRequest, query: Query[DeploymentsAsked]) -> Answer:
    """Newest first."""
    fields = {"state": "state", "host": "host__name", "model": "model_id"}
    rows = Deployment.objects.select_related("host", "artifact", "created_by")
    matches = _filtered(query, rows, fields)
    return _list(request, query, "deployments", matches, serializers.deployment)


@router.get(
    "deployments/{int:deployment_id}",
    auth=caller("deployment.view"),
    **answers(DeploymentAnswer),
    url_name="api-deployment",
    tags=["Deployments"],
    summary="Read a deployment",
)
def read_deployment(request: HttpRequest, deployment_id: int) -> Answer:
    """A model that is served, or was."""
    return _deployment_answer(deployment_id)


@router.post(
    "deployments/{int:deployment_id}/stop",
    auth=caller("deployment.stop"),
    **answers(DeploymentAnswer, 409),
    url_name="api-deployment-stop",
    tags=["Deployments"],
    summary="Stop a deployment",
)
def stop_deployment(request: HttpRequest, deployment_id: int) -> Answer:
    """One's own; an administrator any."""
    must(request.user, "deployment.stop", _find_deployment(deployment_id))
    if not deployments.stop_deployment(deployment_id, _user(request)):
        raise Refused(error(409, "stopped", _("This deployment is not running.")))
    audit_log.record(request.user, "deployment.stop", f"deployment {deployment_id}")
    dispatch.run()
    return _deployment_answer(deployment_id)


@router.post(
    "deployments/{int:deployment_id}/restart",
    auth=caller("deployment.restart"),
    **answers(DeploymentAnswer, 409, 422),
    url_name="api-deployment-restart",
    tags=["Deployments"],
    summary="Restart a deployment",
)
def restart_deployment(request: HttpRequest, deployment_id: int) -> Answer:
    """Start its server anew: one's own; an administrator any."""
    must(request.user, "deployment.restart", _find_deployment(deployment_id))
    try:
        run = deployments.restart_deployment(deployment_id, _user(request))
    except deployments.NotRestartable:
        text = _("Not restarted: this deployment never ran.")
        raise Refused(error(409, "not_restartable", text)) from None
    audit_log.record(request.user, "deployment.restart", f"deployment {deployment_id}", run=run)
    return _deployment_answer(deployment_id)


@router.get(
    "results",
    auth=caller("result.view"),
    **answers(Results),
    url_name="api-results",
    tags=["Results"],
    summary="List results",
)
def list_results(request: HttpRequest, query: Query[ResultsAsked]) -> Answer:
    """Newest first."""
    fields = {
        "type": "type",
        "model": "model_id",
        "host": "host__name",
        "deployment": "deployment_id",
        "job": "job_id",
    }
    rows = Result.objects.select_related("host", "created_by")
    if query.pinned:
        rows = rows.filter(job__pinned_at__isnull=False)
    return _list(request, query, "results", _filtered(query, rows, fields), serializers.result)


@router.get(
    "results/{int:result_id}",
    auth=caller("result.view"),
    **answers(WholeResult),
    url_name="api-result",
    tags=["Results"],
    summary="Read a result",
)
def read_result(request: HttpRequest, result_id: int) -> Answer:
    """With its points and answers, its identity, repeats and provenance."""
    row = Result.objects.select_related("host", "created_by").filter(pk=result_id).first()
    if row is None:
        raise missing()
    return serializers.whole_result(row)


@router.get(
    "hosts",
    auth=caller("host.view"),
    **answers(Hosts),
    url_name="api-hosts",
    tags=["Hosts"],
    summary="List hosts",
)
def list_hosts(request: HttpRequest) -> Answer:
    """All, by name."""
    return {"hosts": [serializers.host(row) for row in Host.objects.all()], "next": None}


@router.get(
    "hosts/{slug:name}",
    auth=caller("host.view"),
    **answers(HostAnswer),
    url_name="api-host",
    tags=["Hosts"],
    summary="Read a host",
)
def read_host(request: HttpRequest, name: str) -> Answer:
    """As it reports itself."""
    row = Host.objects.filter(name=name).first()
    if row is None:
        raise missing()
    return serializers.host(row)


def find_job(job_id: int) -> Job:
    """The job.

    Raises:
        Refused: there is none.
    """
    row = Job.objects.filter(pk=job_id).first()
    if row is None:
        raise missing()
    return row


def job_answer(job_id: int) -> Answer:
    """The job as it is now."""
    return serializers.job(Job.objects.select_related("host", "created_by").get(pk=job_id))


def whole_job_answer(job_id: int) -> Answer:
    """Return a result in full.

    Raises:
        Refused: there is none.
    """
    rows = Job.objects.select_related("host", "created_by").prefetch_related("steps", "outputs")
    row = rows.filter(pk=job_id).first()
    if row is None:
        raise missing()
    return serializers.whole_job(row)


def _find_deployment(deployment_id: int) -> Deployment:
    rows = Deployment.objects.select_related("host", "artifact", "created_by")
    row = rows.filter(pk=deployment_id).first()
    if row is None:
        raise missing()
    return row


def _deployment_answer(deployment_id: int) -> Answer:
    return serializers.deployment(_find_deployment(deployment_id))


def _host(name: str) -> Host:
    """The host of a launch's body."""
    host = Host.objects.filter(name=name).first()
    if host is None:
        raise invalid("host", _("No host is named “%(name)s”.") % {"name": name})
    return host


def _filtered(query: Page, rows: QuerySet[_Row], fields: Mapping[str, str]) -> QuerySet[_Row]:
    given = query.model_dump()
    asked = {fields[name]: given[name] for name in fields if given[name]}
    numbers = [name for name in asked if name.endswith("_id") and name != "model_id"]
    if any(number_from(asked[name]) is None for name in numbers):
        return rows.none()
    return rows.filter(**asked)


def _list(
    request: HttpRequest,
    query: Page,
    name: str,
    rows: QuerySet[_Row],
    shape: Callable[[_Row], Answer],
) -> Answer:
    """One page, by keyset: see docs/decisions for the form of the condition."""
    before, limit = _before(query), query.limit
    if before is not None:
        rows = rows.filter(created_at__lte=before.created_at).exclude(
            created_at=before.created_at, pk__gte=before.id
        )
    page: list[Any] = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    older = None
    if len(page) > limit:
        older = Cursor(page[limit - 1].created_at, page[limit - 1].pk)
    return _page(request, name, [shape(row) for row in page[:limit]], older)


def _page(request: HttpRequest, name: str, rows: list[Answer], older: Cursor | None) -> Answer:
    following = None
    if older is not None:
        asked = request.GET.copy()
        asked["before"] = str(older)
        path = f"{request.path}?{asked.urlencode()}"
        origin = settings.PUBLIC_ORIGIN
        following = f"{origin}{path}" if origin else request.build_absolute_uri(path)
    return {name: rows, "next": following}


def _before(query: Page) -> Cursor | None:
    older = cursor(query.before)
    if query.before and older is None:
        raise invalid("before", _("“before” is not a cursor of this API."))
    return older


def _user(request: HttpRequest) -> Any:
    return request.user
