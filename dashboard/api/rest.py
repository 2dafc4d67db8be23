"""The public API: jobs, deployments, results, hosts. By token or by session.

Lists are newest first; ``next`` is the address of what is older, null at the end. Errors have one
shape: :mod:`dashboard.api.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from dashboard.actions import deployments as deployment_actions
from dashboard.actions import jobs as job_actions
from dashboard.actions.once import KeyHeader, once_by_header
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
from dashboard.api.errors import Refused, invalid
from dashboard.api.requests import (
    ConfirmAsked,
    DeploymentsAsked,
    JobsAsked,
    LaunchAsked,
    Page,
    Planned,
    ResultsAsked,
)
from dashboard.pages.shared.addresses import ResultId
from dashboard.security import audit_log
from dashboard.server.json_errors import error
from dashboard.text.queue_words import priority_for
from jobs.base.numbers import number_from
from jobs.launch import launch
from jobs.models import Deployment, Host, Job, Result
from jobs.queries.jobs.jobs import Cursor, Filters, cursor
from jobs.queries.jobs.jobs import page as job_page
from jobs.queries.results.filters import MARKS
from jobs.schedule.deployments import NotRestartable

_Row = TypeVar("_Row", bound=Model)
Answer = dict[str, Any]
_OF_RESULTS = ("host", "created_by", "imported__declared_by")

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
    **answers(JobAnswer, 409, 413, 422, status=201),
    url_name="api-jobs",
    tags=["Jobs"],
    summary="Launch a job",
)
def launch_job(request: HttpRequest, asked: LaunchAsked, key: KeyHeader = "") -> Status[Answer]:
    """``"confirm": ["shm"]`` confirms the warnings of the checks of these names; "all": of all."""
    job_id = once_by_header(request, key, lambda: _launch(_user(request), asked))
    return Status(201, job_answer(job_id))


def _launch(user: Any, asked: LaunchAsked) -> int:
    host, names = launch_host(asked.host), asked.confirm or []
    priority = priority_for(user, asked.priority)
    confirmed = launch.confirmed_by_name(asked.kind, asked.params, host, names, user)
    row = launch.launch(
        asked.kind, asked.params, host=host, user=user, priority=priority, confirmed=confirmed
    )
    audit_log.record(user, "job.launch", f"job {row.pk}", kind=asked.kind, confirmed=names)
    return row.pk


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
    result = launch.preview(asked.kind, asked.params, launch_host(asked.host), user=_user(request))
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
    """State, params, plan, steps, outputs, and the objects that the job created."""
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
    """Own jobs; administrators: any."""
    must(request.user, "job.cancel", get_object_or_404(Job, pk=job_id))
    if not job_actions.cancel(request.user, job_id):
        raise Refused(error(409, "finished", _("This job has already ended.")))
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
    """Start a job in spite of warnings: of all, or of those of the given ``checks``."""
    row = get_object_or_404(Job, pk=job_id)
    must(request.user, "job.confirm", row)
    if not job_actions.confirm(request.user, row, asked.checks if asked else None):
        raise Refused(error(409, "nothing_asked", _("This job needs no such confirmation now.")))
    return job_answer(job_id)


@router.post(
    "jobs/{int:job_id}/retry",
    auth=caller("job.repeat"),
    **answers(JobAnswer, 409, 422, status=201),
    url_name="api-job-retry",
    tags=["Jobs"],
    summary="Retry a job",
)
def retry_job(request: HttpRequest, job_id: int, key: KeyHeader = "") -> Status[Answer]:
    """A new job with the same plan."""
    return _launched(request, job_id, key, job_actions.retry)


@router.post(
    "jobs/{int:job_id}/resume",
    auth=caller("job.repeat"),
    **answers(JobAnswer, 409, 422, status=201),
    url_name="api-job-resume",
    tags=["Jobs"],
    summary="Continue a stopped evaluation",
)
def resume_job(request: HttpRequest, job_id: int, key: KeyHeader = "") -> Status[Answer]:
    """A new job that asks only the questions without an answer."""
    return _launched(request, job_id, key, job_actions.resume)


def _launched(
    request: HttpRequest, job_id: int, key: str, launch: Callable[[Any, int], Job]
) -> Status[Answer]:
    """Launch a new job from this one."""
    get_object_or_404(Job, pk=job_id)
    made = once_by_header(request, key, lambda: launch(request.user, job_id).pk)
    return Status(201, job_answer(made))


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
    return _list(request, query, "deployments", matches, _deployments)


@router.get(
    "deployments/{int:deployment_id}",
    auth=caller("deployment.view"),
    **answers(DeploymentAnswer),
    url_name="api-deployment",
    tags=["Deployments"],
    summary="Read a deployment",
)
def read_deployment(request: HttpRequest, deployment_id: int) -> Answer:
    """State, settings and endpoint of a deployment."""
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
    """Own deployments; administrators: any."""
    must(request.user, "deployment.stop", _find_deployment(deployment_id))
    if not deployment_actions.stop(request.user, deployment_id):
        raise Refused(error(409, "stopped", _("This deployment is not running.")))
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
    """Start the server again. Own deployments; administrators: any."""
    must(request.user, "deployment.restart", _find_deployment(deployment_id))
    try:
        deployment_actions.restart(request.user, deployment_id)
    except NotRestartable:
        text = _("Not restarted: this deployment never ran.")
        raise Refused(error(409, "not_restartable", text)) from None
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
        "endpoint": "endpoint_id",
        "job": "job_id",
        "stack": "stack",
        "parallelism": "parallelism",
        "tag": "tags__name",
    }
    rows = Result.objects.select_related(*_OF_RESULTS).prefetch_related("points")
    if query.pinned:
        rows = rows.filter(job__pinned_at__isnull=False)
    if query.released:
        rows = rows.filter(pk__in=MARKS["released"]())
    return _list(request, query, "results", _filtered(query, rows, fields), serializers.results)


@router.get(
    "results/{typed_result:result_id}",
    auth=caller("result.view"),
    **answers(WholeResult),
    url_name="api-result",
    tags=["Results"],
    summary="Read a result",
)
def read_result(request: HttpRequest, result_id: ResultId) -> Answer:
    """With its points and answers, its identity, repeats and provenance."""
    rows = Result.objects.select_related(*_OF_RESULTS)
    return serializers.whole_result(get_object_or_404(rows, pk=result_id))


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
    return {
        "hosts": [serializers.host(row) for row in Host.objects.prefetch_related("launchers")],
        "next": None,
    }


@router.get(
    "hosts/{slug:name}",
    auth=caller("host.view"),
    **answers(HostAnswer),
    url_name="api-host",
    tags=["Hosts"],
    summary="Read a host",
)
def read_host(request: HttpRequest, name: str) -> Answer:
    """The host as it last reported itself."""
    return serializers.host(get_object_or_404(Host, name=name))


def job_answer(job_id: int) -> Answer:
    """Return the job as it is now."""
    return serializers.job(Job.objects.select_related("host", "created_by").get(pk=job_id))


def whole_job_answer(job_id: int) -> Answer:
    """Return the job as it is now, with plan, steps and outputs.

    Raises:
        Http404: there is no such job.
    """
    rows = Job.objects.select_related("host", "created_by").prefetch_related("steps", "outputs")
    return serializers.whole_job(get_object_or_404(rows, pk=job_id))


def _deployments(rows: Sequence[Deployment]) -> list[Answer]:
    return [serializers.deployment(row) for row in rows]


def _find_deployment(deployment_id: int) -> Deployment:
    rows = Deployment.objects.select_related("host", "artifact", "created_by")
    return get_object_or_404(rows, pk=deployment_id)


def _deployment_answer(deployment_id: int) -> Answer:
    return serializers.deployment(_find_deployment(deployment_id))


def launch_host(name: str) -> Host:
    """Return the host of a launch's body. Raises the answer 400 without one of that name."""
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
    shape: Callable[[Sequence[_Row]], list[Answer]],
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
    return _page(request, name, shape(page[:limit]), older)


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
