"""HTTP intake of hosts: heartbeats, claims, streams. The contract: docs/architecture.md."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import zstandard
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.api.auth import PROTOCOL, host_answer, host_only, upgraded_host_only
from jobs import dispatch, plans
from jobs.errors import OffsetMismatch
from jobs.messages import Message
from jobs.models import Deployment, Host, Job, Preflight
from jobs.numbers import number_from
from jobs.services import deployments, lifecycle, outputs, preflights, secrets
from jobs.services.intake import heartbeats, intake, points
from jobs.services.intake.intake import Owner
from jobs.services.outcomes.outcomes import Incomplete

logger = logging.getLogger(__name__)

LINES_MAX = 1024 * 1024  # raw bytes of events and points, where a long line may need it
OUTPUT_CHUNK_MAX = 1024 * 1024


class BadRequest(Exception):
    """The answer to a request that cannot be taken."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.answer = host_answer(status, error=error, **more)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The body of an append: raw bytes, checked, and where they begin."""

    offset: int
    data: bytes


@require_POST
@host_only
def heartbeat(request: HttpRequest, host: Host) -> HttpResponseBase:
    """The host lives; what is it to do?"""
    try:
        body = _json(request)
        protocol = int(request.headers["X-Protocol"])
        orders = heartbeats.heartbeat(host, body, protocol=protocol)
    except BadRequest as error:
        return error.answer
    except (KeyError, TypeError, ValueError) as error:
        return host_answer(400, error="heartbeat", detail=repr(error))
    if orders.news:
        dispatch.run()
    if host.is_outdated and _is_first_heartbeat(host):
        return host_answer(426, error="protocol", upgrade_to=PROTOCOL)
    return host_answer(**orders.to_json(), server_time=now().timestamp())


_upgrade_asked: dict[int, Any] = {}  # host -> when its agent started, as this process heard it


def _is_first_heartbeat(host: Host) -> bool:
    """True once for each start of its agent: the 426 puts the upgrade into the agent's log."""
    if _upgrade_asked.get(host.pk) == host.agent_started_at:
        return False
    _upgrade_asked[host.pk] = host.agent_started_at
    logger.warning(
        "%s speaks host protocol %s: upgrade it to %s", host.name, host.protocol, PROTOCOL
    )
    return True


@require_POST
@upgraded_host_only
def claim_job(request: HttpRequest, host: Host, job_id: int) -> HttpResponseBase:
    """The host takes a job."""
    try:
        claim_id = str(_json(request).get("claim_id") or "")[:64]
        job = lifecycle.claim_job(job_id, host=host, claim_id=claim_id)
    except BadRequest as error:
        return error.answer
    except Job.DoesNotExist:
        return host_answer(404, error="unknown")
    except lifecycle.ClaimRefused as error:
        return host_answer(409, error="state", state=error.state)
    gone = secrets.missing(plans.from_json(job.plan))
    if gone and job.state == Job.State.STARTING:
        # It was deleted after the job was sent; what runs already has its own.
        message = Message("job:secret_gone", {"name": gone[0]})
        lifecycle.finish_job(job.pk, Job.State.FAILED, message=message)
        return host_answer(409, error="state", state=Job.State.FAILED)
    deployment = Deployment.objects.filter(job=job).first()
    return host_answer(
        job=job.pk,
        token=str(job.claim_token),
        plan=job.plan,
        values=job.values,
        secrets=secrets.values(plans.secrets(plans.from_json(job.plan))),
        deployment=deployment
        and {
            "id": deployment.pk,
            "token": str(deployment.claim_token),
            "run": deployment.run,
        },
    )


@require_POST
@upgraded_host_only
def claim_deployment(request: HttpRequest, host: Host, deployment_id: int) -> HttpResponseBase:
    """The host takes a restart of a server."""
    try:
        run = int(_json(request)["run"])
        deployment = deployments.claim_run(deployment_id, host=host, run=run)
    except BadRequest as error:
        return error.answer
    except (KeyError, TypeError, ValueError):
        return host_answer(400, error="run")
    except Deployment.DoesNotExist:
        return host_answer(404, error="unknown")
    except deployments.RunRefused as error:
        return host_answer(409, error="state", state=error.state, run=error.run)
    gone = secrets.missing(plans.from_json(deployment.job.plan))
    if gone:
        message = Message("job:secret_gone", {"name": gone[0]})
        deployments.fail_run(deployment, message)
        return host_answer(409, error="state", state=Deployment.State.FAILED, run=run)
    return host_answer(
        deployment=deployment.pk,
        token=str(deployment.claim_token),
        run=deployment.run,
        plan=deployment.job.plan,
        values=deployment.job.values,
        secrets=secrets.values(plans.secrets(plans.from_json(deployment.job.plan))),
    )


@require_http_methods(["GET", "POST"])
@upgraded_host_only
def check(request: HttpRequest, host: Host, check_id: int) -> HttpResponseBase:
    """Exchange preflight checks and their results with a host."""
    asked = Preflight.objects.filter(pk=check_id, host=host).first()
    if asked is None:
        return host_answer(404, error="unknown")
    if request.method == "GET":
        return host_answer(plan=asked.plan, values=asked.values)
    try:
        preflights.answer(asked, _json(request)["findings"])
    except BadRequest as error:
        return error.answer
    except (KeyError, TypeError, ValueError):
        return host_answer(400, error="findings")
    dispatch.run()
    return host_answer()


@require_GET
@host_only
def streams(request: HttpRequest, host: Host, owner: str, owner_id: int) -> HttpResponseBase:
    """Return the stored sizes of a job's or a server's streams."""
    record = _owner(host, owner, owner_id)
    if record is None:
        return host_answer(404, error="unknown")
    if request.headers.get("X-Token", str(record.claim_token)) != str(record.claim_token):
        return host_answer(403, error="token")
    return host_answer(**intake.sizes(record))


@require_POST
@host_only
def append(
    request: HttpRequest, host: Host, owner: str, owner_id: int, stream: str
) -> HttpResponseBase:
    """More of a log, of events or of points."""

    def write(record: Owner) -> int:
        chunk = _chunk(request, intake.LOG_CHUNK_MAX if stream == "log" else LINES_MAX)
        match stream, record:
            case "log", _:
                return intake.append_log(record, offset=chunk.offset, data=chunk.data)
            case "events", _:
                return _append_events(record, chunk)
            case "points", _:
                return points.append_points(record, offset=chunk.offset, data=chunk.data)
        raise BadRequest(404, "stream")

    return _appended(request, _owner(host, owner, owner_id), write)


@require_POST
@host_only
def append_output(request: HttpRequest, host: Host, owner_id: int) -> HttpResponseBase:
    """More of a file that a job left."""

    def write(record: Owner) -> int:
        chunk = _chunk(request, OUTPUT_CHUNK_MAX)
        assert isinstance(record, Job)
        declared = outputs.Declared(
            name=request.headers.get("X-Name", ""),
            path=request.GET.get("path", ""),
            total=_number(request.headers.get("X-Total"), "X-Total"),
            sha256=request.headers.get("X-Sha256", ""),
        )
        return outputs.append_output(record, declared, offset=chunk.offset, data=chunk.data)

    return _appended(request, _owner(host, "jobs", owner_id), write)


def _appended(
    request: HttpRequest, record: Owner | None, write: Callable[[Owner], int]
) -> JsonResponse:
    if record is None:
        return host_answer(404, error="unknown")
    if request.headers.get("X-Token") != str(record.claim_token):
        return host_answer(403, error="token")
    try:
        return host_answer(size=write(record))
    except BadRequest as error:
        return error.answer
    except OffsetMismatch as error:
        return host_answer(409, error="offset", size=error.size)
    except Incomplete as error:
        record.refresh_from_db(fields=["events_bytes"])
        return host_answer(409, error="incomplete", size=record.events_bytes, **error.have)
    except outputs.BadOutput as error:
        return host_answer(400, error="output", detail=str(error))


_MOVES_THE_LINE = (b'"ended"', b'"serve_started"')


def _append_events(owner: Owner, chunk: Chunk) -> int:
    """Take events; what they closed may have made a place or an input for another job.

    A server that begins makes a host loud, so that what waits for it to be quiet holds nobody up.
    No other event of a job does either, and a look costs more than all else that is done for one.
    """
    try:
        return intake.append_events(owner, offset=chunk.offset, data=chunk.data)
    finally:
        if isinstance(owner, Deployment) or any(word in chunk.data for word in _MOVES_THE_LINE):
            dispatch.run()


def _owner(host: Host, owner: str, owner_id: int) -> Owner | None:
    if owner == "jobs":
        return Job.objects.select_related("host").filter(pk=owner_id, host=host).first()
    if owner == "deployments":
        return Deployment.objects.filter(pk=owner_id, host=host).first()
    return None


def _chunk(request: HttpRequest, limit: int) -> Chunk:
    """The bytes of an append.

    Raises:
        BadRequest: too many, not zstd, or not those that the checksum is of.
    """
    try:
        body = request.body
    except RequestDataTooBig:
        raise BadRequest(413, "size") from None
    try:
        # Never more than the limit is unpacked, whatever size the frame claims to have.
        with zstandard.ZstdDecompressor().stream_reader(body) as reader:
            data = reader.read(limit + 1)
    except zstandard.ZstdError:
        raise BadRequest(422, "zstd") from None
    if len(data) > limit:
        raise BadRequest(413, "size")
    checksum = _number(request.headers.get("X-Crc32"), "X-Crc32")
    length = _number(request.headers.get("X-Raw-Bytes"), "X-Raw-Bytes")
    if length != len(data) or checksum != zlib.crc32(data):
        raise BadRequest(422, "crc32")
    return Chunk(_number(request.GET.get("offset"), "offset"), data)


def _number(text: str | None, name: str) -> int:
    number = number_from(text or "")
    if number is None:
        raise BadRequest(400, "number", name=name)
    return number


def _json(request: HttpRequest) -> Mapping[str, Any]:
    try:
        body = json.loads(request.body)
    except (ValueError, RequestDataTooBig):
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
