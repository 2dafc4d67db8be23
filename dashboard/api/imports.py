"""The public API's imports: results that others measured."""

from dataclasses import asdict, fields, replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BaseModel, Field

from dashboard.actions import imports as actions
from dashboard.api.base import Answer, JobId, Json, Operations, ResultNumber, Time, read
from dashboard.api.errors import conflict, missing
from dashboard.pages.shared.addresses import ResultId
from dashboard.security.request import member
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.models import Import
from jobs.services import imports
from jobs.services.imports import About

operations = Operations("Results", "imports")


class ImportDeclared(BaseModel):
    """Declared parts of an import."""

    device: str = Field("", description="measured on, such as 8 × H800 or 2 × 8 H800")
    model: str = Field("", description="id of the catalogue or a name; empty: as in the files")
    devices: int | None = Field(None, description="number of devices; null: as in device")
    precision: str = Field("", description="such as fp8")
    engine: str = Field("", description="with its version, such as vLLM 0.7.2")
    tp: int | None = Field(None, description="tensor parallel size")
    pp: int | None = Field(None, description="pipeline parallel size")
    ep: int | None = Field(None, description="expert parallel size")
    workload: str = Field("", description="as on the results to compare with")


class ImportAsked(ImportDeclared):
    """Additions to imported files."""

    name: str = Field("body", max_length=300, description="file name, such as result.json")
    dry_run: bool = Field(False, description="only show what would be imported")
    job: JobId | None = Field(None, description="job that collected the files; without a body")


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

    id: ResultNumber = read("result.pk", then=result_number)
    device: str
    devices: int | None
    model: str = Field(description="empty: as named in the files")
    precision: str
    engine: str
    tp: int | None
    pp: int | None
    ep: int | None
    workload: str
    measured_at: Time | None = Field(description="null: unknown")
    declared_by: str | None = read("declared_by.username")
    declared_at: Time | None


class RemovedImport(Answer):
    """A removed import."""

    id: ResultNumber


_FILE = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"content": {"application/octet-stream": _FILE}}}


@operations.on("POST ", "result.import", ImportAnswer, 413, 422, name="api-imports", document=_BODY)
def import_results(request: HttpRequest, query: Query[ImportAsked]) -> Json:
    """Import results. The body is one file, or a .zip or .tar.gz; or ``job`` names a job that
    collected files of a host. The same files twice change nothing."""
    about = imports.checked(About(**{one.name: getattr(query, one.name) for one in fields(About)}))
    body = request.read(settings.IMPORT_LIMIT_BYTES + 1)
    if body and query.job is not None:
        raise LaunchError(_("Send a file or name a job, not both."), "job")
    files = [] if query.job is not None else [(query.name, body)]
    sent = actions.Sent(files, job=query.job)
    return actions.import_files(member(request.user), sent, about, is_dry=query.dry_run)


@operations.on(
    "PATCH /{typed_result:import_result_id}/declared",
    "result.declare",
    DeclaredImport,
    422,
    name="api-import-declared",
)
def declare_import(request: HttpRequest, import_result_id: ResultId, asked: ImportDeclared) -> Json:
    """Declare an import. Replace what is declared of an import. Fields that are not sent stay."""
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
    return DeclaredImport.of(row, **asdict(imports.about_row(row)))


@operations.on(
    "DELETE /{typed_result:import_result_id}",
    "result.remove",
    RemovedImport,
    409,
    name="api-import",
)
def remove_import(request: HttpRequest, import_result_id: ResultId) -> Json:
    """Remove an import. Its result and original files go. Only who imported it, or an
    administrator, may do this."""
    row = Import.objects.select_related("result").filter(result=import_result_id).first()
    if row is None:
        raise missing()
    answer = {"id": result_number(import_result_id)}
    try:
        actions.remove(request.user, row)
    except imports.Released as refused:
        raise conflict("released", message(refused.id)) from None
    return answer
