"""HTTP intake of hosts: heartbeats, claims, streams. The contract: docs/architecture.md."""

import hmac
import logging
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.intake import chunks
from dashboard.security import audit_log
from dashboard.security.counters import hashed
from dashboard.security.request import bearer
from dashboard.text.messages import message
from jobs.access import secrets, sources
from jobs.base.errors import Incomplete, JobsError, OffsetMismatch
from jobs.base.messages import Message
from jobs.base.numbers import number_from
from jobs.confined import Busy
from jobs.host_protocol import BadMessage, ClaimJob, ClaimRun, load, read
from jobs.models import Deployment, Host, Job, Preflight
from jobs.queries.hosts import instance_id
from jobs.schedule import deployments, dispatch, lifecycle, preflights
from jobs.services import hosts, outputs
from jobs.services.intake import heartbeats, quotas
from jobs.services.intake.quotas import DiskReserved, LimitReached
from jobs.services.intake.streams import Owner, append_events, append_log, append_points, sizes

logger = logging.getLogger(__name__)

PROTOCOL = Host.PROTOCOL
View = Callable[..., HttpResponseBase]


def host_answer(status: int = 200, **data: Any) -> JsonResponse:
    """JSON for a host; every answer says whose it is."""
    return JsonResponse({"instance": instance_id(), "protocol": PROTOCOL, **data}, status=status)


class BadRequest(Exception):
    """The answer to a request that cannot be taken."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = host_answer(status, error=error, **more)


def host_only(about: str = "") -> Callable[[View], View]:
    """Make a view one of hosts: ``view(request, host, …)``. Asks for key, protocol and instance.
    ``about``: text of the request on the host's page if it breaks the protocol."""

    def decorate(view: View) -> View:
        @wraps(view)
        def asks(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            host = host_of(request)
            if host is None:
                return host_answer(401, error="key")
            spoken = request.headers.get("X-Protocol", "")
            if spoken != str(PROTOCOL):
                _note_protocol(host, number_from(spoken))
                return host_answer(426, error="protocol", upgrade_to=PROTOCOL)
            instance = request.headers.get("X-Instance")
            if instance is not None and instance != instance_id():
                return host_answer(412, error="instance")
            try:
                return view(request, host, *args, **kwargs)
            except BadRequest as error:
                return error.answer
            except BadMessage as error:
                return _refused(host, about.format(**kwargs), error)

        asks.for_hosts = True  # type: ignore[attr-defined]  # read by the test of all views
        return cast(View, csrf_exempt(login_not_required(asks)))

    return decorate


def _note_protocol(host: Host, spoken: int | None) -> None:
    """Note what an outdated host speaks, once: its page says that it must be updated."""
    if not spoken or not 0 < spoken < PROTOCOL or spoken == host.protocol:
        return
    Host.objects.filter(pk=host.pk).update(protocol=spoken)
    logger.warning("%s speaks host protocol %s: update it to %s", host.name, spoken, PROTOCOL)


def host_of(request: HttpRequest) -> Host | None:
    key = bearer(request)
    digest = hashed(key)
    host = Host.objects.filter(key_sha256=digest).first() if key else None
    return host if host and hmac.compare_digest(host.key_sha256, digest) else None


@require_POST
@host_only("heartbeat")
def heartbeat(request: HttpRequest, host: Host) -> HttpResponseBase:
    """Store the host's report and return its pending commands."""
    orders = heartbeats.heartbeat(host, _json(request))
    if orders.news:
        dispatch.run()
    return host_answer(**orders.to_json(), server_time=now().timestamp())


@require_POST
@host_only("claim of job {job_id}")
def claim_job(request: HttpRequest, host: Host, job_id: int) -> HttpResponseBase:
    claim = read(ClaimJob, _json(request))
    try:
        job = lifecycle.claim_job(job_id, host=host, claim_id=claim.claim_id)
    except Job.DoesNotExist:
        raise BadRequest(404, "unknown") from None
    except lifecycle.ClaimRefused as error:
        return host_answer(409, error="state", state=error.state)
    try:
        given = secrets.of_job(job)
        if job.state == Job.State.STARTING:
            sources.of_job(job)
    except (secrets.SecretRefused, sources.SourceRefused) as refused:
        # Rules or sources changed after the job was sent. What runs already has its own.
        given = {}
        if job.state == Job.State.STARTING:
            lifecycle.finish_job(job.pk, Job.State.FAILED, message=refused.message)
            return _not_given(refused.message, state=Job.State.FAILED)
    _record_hand_over(host, given, job=job.pk)
    deployment = getattr(job, "deployment", None)
    return host_answer(
        job=job.pk,
        token=str(job.claim_token),
        plan=job.plan,
        values=job.values,
        secrets=given,
        deployment=deployment
        and {"id": deployment.pk, "token": str(deployment.claim_token), "run": deployment.run},
    )


@require_POST
@host_only("claim of deployment {deployment_id}")
def claim_deployment(request: HttpRequest, host: Host, deployment_id: int) -> HttpResponseBase:
    """A restart of a server."""
    claim = read(ClaimRun, _json(request))
    try:
        deployment = deployments.claim_run(deployment_id, host=host, run=claim.run)
    except Deployment.DoesNotExist:
        raise BadRequest(404, "unknown") from None
    except deployments.RunRefused as error:
        return host_answer(409, error="state", state=error.state, run=error.run)
    try:
        given = secrets.of_restart(deployment)
    except secrets.SecretRefused as refused:
        deployments.fail_run(deployment, refused.message)
        return _not_given(refused.message, state=Deployment.State.FAILED, run=claim.run)
    _record_hand_over(host, given, deployment=deployment.pk, run=deployment.run)
    return host_answer(
        deployment=deployment.pk,
        token=str(deployment.claim_token),
        run=deployment.run,
        plan=deployment.job.plan,
        values=deployment.job.values,
        secrets=given,
    )


def _record_hand_over(host: Host, given: Mapping[str, str], **claimed: int) -> None:
    """Record which secrets the host gets for what. A repeated claim gets them again."""
    if given:
        who, detail = f"host {host.name}", {"secrets": sorted(given), **claimed}
        audit_log.record_often(None, "secret.hand_over", who, actor=who, key=str(claimed), **detail)


def _not_given(reason: Message, **state: Any) -> HttpResponseBase:
    """The host gets no job and no secret, and a message for its own log."""
    return host_answer(409, error="state", detail=message(reason.id, reason.args), **state)


@require_http_methods(["GET", "POST"])
@host_only("check {check_id}")
def check(request: HttpRequest, host: Host, check_id: int) -> HttpResponseBase:
    """Exchange preflight checks and their results with a host."""
    asked = Preflight.objects.filter(pk=check_id, host=host).first()
    if asked is None:
        raise BadRequest(404, "unknown")
    if request.method == "GET":
        return host_answer(plan=asked.plan, values=asked.values)
    preflights.answer(asked, _json(request).get("findings", ()))
    dispatch.run()
    return host_answer()


@require_GET
@host_only()
def streams(request: HttpRequest, host: Host, owner: str, owner_id: int) -> HttpResponseBase:
    """Return the stored sizes of a job's or a server's streams."""
    record = _owner(host, owner, owner_id)
    if request.headers.get("X-Token", str(record.claim_token)) != str(record.claim_token):
        return host_answer(403, error="token")
    return host_answer(**sizes(record))


@require_POST
@host_only()
def append(
    request: HttpRequest, host: Host, owner: str, owner_id: int, stream: str
) -> HttpResponseBase:
    since = time.monotonic()

    def write(record: Owner) -> int:
        offset, data = _chunk(request)
        if stream == "log":
            size = append_log(record, offset=offset, data=data)
            if record.is_open:
                key, token = request.headers["Authorization"], request.headers["X-Token"]
                chunks.remember(record, instance_id(), key, token, since=since)
            return size
        if stream == "events":
            try:
                return _append_events(record, offset, data)
            finally:
                chunks.forget(record.log_key)
        if stream == "points":
            return append_points(record, offset=offset, data=data)
        raise BadRequest(404, "stream")

    return _appended(request, _owner(host, owner, owner_id), write)


@require_POST
@host_only()
def append_output(request: HttpRequest, host: Host, owner_id: int) -> HttpResponseBase:
    def write(record: Owner) -> int:
        offset, data = _chunk(request)
        assert isinstance(record, Job)  # noqa: S101 -- for mypy
        declared = outputs.Declared(
            name=request.headers.get("X-Name", ""),
            path=request.GET.get("path", ""),
            total=_number(request.headers.get("X-Total"), "X-Total"),
            sha256=request.headers.get("X-Sha256", ""),
        )
        quotas.check_disk()
        quotas.check_host(host.pk)
        return outputs.append_output(record, declared, offset=offset, data=data)

    return _appended(request, _owner(host, "jobs", owner_id), write)


def _appended(request: HttpRequest, record: Owner, write: Callable[[Owner], int]) -> JsonResponse:
    if request.headers.get("X-Token") != str(record.claim_token):
        return host_answer(403, error="token")
    try:
        return host_answer(size=write(record))
    except OffsetMismatch as error:
        return host_answer(409, error="offset", size=error.size)
    except Incomplete as error:
        record.refresh_from_db(fields=["events_bytes"])
        return host_answer(409, error="incomplete", size=record.events_bytes, **error.have)
    except (BadMessage, LimitReached, outputs.BadOutput) as error:
        return _refused(record.host, record.log_key, error)
    except DiskReserved as error:
        return host_answer(507, error="disk", detail=str(error))
    except Busy as error:
        return host_answer(503, error="busy", detail=str(error))


def _refused(host: Host, about: str, error: JobsError) -> JsonResponse:
    """Answer 400 to what breaks the protocol or a limit; the host's page says it."""
    hosts.note_refusal(host, about, str(error))
    field = error.field if isinstance(error, BadMessage) else ""
    return host_answer(400, error=error.id, field=field, detail=str(error))


_STARTS_OTHERS = (b'"ended"', b'"serve_started"')


def _append_events(owner: Owner, offset: int, data: bytes) -> int:
    """Store events, then start the jobs that they allow to start.

    Ended work frees dies and room and provides inputs. Once a server runs, a job that waits for an
    idle host no longer blocks others. No other event of a job has such an effect, and a dispatch
    costs more than the rest of the request.
    """
    try:
        return append_events(owner, offset=offset, data=data)
    finally:
        if isinstance(owner, Deployment) or any(word in data for word in _STARTS_OTHERS):
            dispatch.run()


_TABLES: Mapping[str, type[Job] | type[Deployment]] = {"jobs": Job, "deployments": Deployment}
# What appends read: nearly each request of a host comes here.
_ALWAYS = ("state", "claim_token", "log_bytes", "events_bytes", "points_bytes", "removed_at")
_OF_JOB = (*_ALWAYS, "kind", "progress", "points_refused")


def _owner(host: Host, owner: str, owner_id: int) -> Owner:
    record: Owner | None = None
    if owner in _TABLES:
        rows = _TABLES[owner]._default_manager.filter(pk=owner_id, host=host)
        record = (rows.only(*_OF_JOB) if owner == "jobs" else rows).first()
    if record is None:
        raise BadRequest(404, "unknown")
    record.host = host  # each chunk of a log comes here: no join for a row that is known
    return record


def _chunk(request: HttpRequest) -> tuple[int, bytes]:
    """Offset and bytes of an append. Raises ``BadRequest``: too many, not zstd, or not those that
    the checksum is of."""
    try:
        body = request.body
    except RequestDataTooBig:
        raise BadRequest(413, "size") from None
    length = _number(request.headers.get("X-Raw-Bytes"), "X-Raw-Bytes")
    checksum = _number(request.headers.get("X-Crc32"), "X-Crc32")
    try:
        data = chunks.unpacked(body, length=length, checksum=checksum)
    except chunks.BadChunk as bad:
        raise BadRequest(bad.status, bad.error) from None
    return _number(request.GET.get("offset"), "offset"), data


def _number(text: str | None, name: str) -> int:
    number = number_from(text or "")
    if number is None:
        raise BadRequest(400, "number", name=name)
    return number


def _json(request: HttpRequest) -> dict[str, Any]:
    try:
        body = load(request.body)
    except (BadMessage, RequestDataTooBig):
        raise BadRequest(400, "json") from None
    if not isinstance(body, dict):
        raise BadRequest(400, "json")
    return body


urlpatterns = [
    path("heartbeat", heartbeat, name="intake-heartbeat"),
    path("jobs/<int:job_id>/claim", claim_job, name="intake-claim-job"),
    path("deployments/<int:deployment_id>/claim", claim_deployment, name="intake-claim-deployment"),
    path("checks/<int:check_id>", check, name="intake-check"),
    path("<str:owner>/<int:owner_id>/streams", streams, name="intake-streams"),
    path("<str:owner>/<int:owner_id>/streams/<str:stream>", append, name="intake-append"),
    path("jobs/<int:owner_id>/outputs", append_output, name="intake-append-output"),
]
