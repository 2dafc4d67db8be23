"""The public API's imports: results that others measured."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import Field

from dashboard.actions import imports as actions
from dashboard.api.answers import Answer, ResultNumber, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import Refused, missing
from dashboard.api.requests import ImportAsked, ImportDeclared
from dashboard.pages.shared.addresses import ResultId
from dashboard.security.request import member
from dashboard.server.json_errors import error
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.models import Import
from jobs.services import imports
from jobs.services.imports import About

router = Router(tags=["Results"])


class ImportedMetric(Answer):
    """A metric in the files."""

    name: str
    value: float
    unit: str


class ImportedPoint(Answer):
    """A benchmark at one concurrency."""

    concurrency: int
    metrics: list[ImportedMetric]


class ImportedResult(Answer):
    """A recognised result."""

    tool: str
    version: str | None = Field(description="null: not in the files")
    type: str
    model: str = Field(description="as named in the files")
    workload: str
    measured_at: str | None = Field(description="start; null: not in the files")
    files: list[str]
    completed: int | None = Field(description="requests or questions; null: not in the files")
    failed: int
    metrics: list[ImportedMetric]
    points: list[ImportedPoint]
    sets: list[dict[str, Any]]
    questions: list[dict[str, Any]]
    remarks: list[str]
    result: ResultNumber | None = Field(description="null: not imported (dry run)")


class RefusedFiles(Answer):
    """Files without a result."""

    files: list[str]
    reason: str


class ImportAnswer(Answer):
    """Content of the files."""

    results: list[ImportedResult]
    refused: list[RefusedFiles]
    unused: list[str]


class DeclaredImport(Answer):
    """Declared parts of an import; empty or null: unknown."""

    id: ResultNumber
    device: str
    devices: int | None
    model: str = Field(description="empty: as named in the files")
    precision: str
    engine: str
    tp: int | None
    pp: int | None
    ep: int | None
    workload: str
    measured_at: datetime | None = Field(description="null: unknown")
    declared_by: str | None
    declared_at: datetime | None


class RemovedImport(Answer):
    """A removed import."""

    id: ResultNumber


def _taking_bytes(described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an operation with a file as the body of its request."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    body = {"content": {"application/octet-stream": schema}}
    return {**described, "openapi_extra": {**described["openapi_extra"], "requestBody": body}}


@router.post(
    "imports",
    auth=caller("result.import"),
    **_taking_bytes(answers(ImportAnswer, 413, 422)),
    url_name="api-imports",
    summary="Import results",
)
def import_results(request: HttpRequest, query: Query[ImportAsked]) -> dict[str, Any]:
    """The body is one file, or a .zip or .tar.gz; or ``job`` names a job that collected files of a
    host. The same files twice change nothing.
    """
    about = imports.checked(_about(query))
    body = request.read(settings.IMPORT_LIMIT_BYTES + 1)
    if body and query.job is not None:
        raise LaunchError(_("Send a file or name a job, not both."), "job")
    files = [] if query.job is not None else [(query.name, body)]
    sent = actions.Sent(files, job=query.job)
    return actions.import_files(member(request.user), sent, about, is_dry=query.dry_run)


@router.patch(
    "imports/{typed_result:import_result_id}/declared",
    auth=caller("result.declare"),
    **answers(DeclaredImport, 422),
    url_name="api-import-declared",
    summary="Declare an import",
)
def declare_import(
    request: HttpRequest, import_result_id: ResultId, asked: ImportDeclared
) -> dict[str, Any]:
    """Replace what is declared of an import. Fields that are not sent stay."""
    rows = Import.objects.select_related("result", "declared_by")
    row = rows.filter(result=import_result_id).first()
    if row is None:
        raise missing()
    sent = asked.model_dump(exclude_unset=True)
    about = replace(imports.about_row(row), **sent)
    if "device" in sent and "devices" not in sent:
        about = replace(about, devices=None)
    actions.declare(request.user, row, about)
    row = rows.get(pk=row.pk)
    return {
        "id": result_number(row.result.pk),
        **asdict(imports.about_row(row)),
        "measured_at": row.measured_at,
        "declared_by": row.declared_by.get_username() if row.declared_by else None,
        "declared_at": row.declared_at,
    }


def _about(asked: ImportAsked) -> About:
    return About(**{one.name: getattr(asked, one.name) for one in fields(About)})


@router.delete(
    "imports/{typed_result:import_result_id}",
    auth=caller("result.remove"),
    **answers(RemovedImport, 409),
    url_name="api-import",
    summary="Remove an import",
)
def remove_import(request: HttpRequest, import_result_id: ResultId) -> dict[str, Any]:
    """Its result and original files go. Only who imported it, or an administrator, may do this."""
    row = Import.objects.select_related("result").filter(result=import_result_id).first()
    if row is None:
        raise missing()
    must(request.user, "result.remove", row)
    answer = {"id": result_number(import_result_id)}
    try:
        actions.remove(request.user, row)
    except imports.Released as refused:
        raise Refused(error(409, "released", message(refused.id))) from None
    return answer
