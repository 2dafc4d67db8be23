"""Downloads: outputs and the script of a job, its measured curves, tables of results."""

from functools import partial
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.api.base import ApiAnswer, Asked, Operations, about, invalid
from dashboard.pages.admin import data_sets
from dashboard.pages.jobs import groups
from dashboard.pages.jobs import jobs as job_pages
from dashboard.pages.results import results as result_pages
from dashboard.pages.shared.addresses import ResultId, or_404
from jobs.queries.matrices import matrix_page

files = Operations("Files")
_SCRIPT = {
    "description": "The script",
    "content": {"text/x-shellscript": {"schema": {"type": "string"}}},
}
_CSV = {"description": "The table", "content": {"text/csv": {"schema": {"type": "string"}}}}
_JSON_LINES = {
    "description": "A JSON object in each line",
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}
_table = partial(files.on, answer=None, shown=_CSV)


class CurvesAsked(Asked):
    """Query of the curves of a job."""

    after: int = about("“after” of the answer before: newer points; -1: all, fewer where many", -1)


class Curves(ApiAnswer):
    """Measured curves of a job: engine, client and cards."""

    after: int = about("cursor for the next request, bytes")
    open: bool = about("the job has not ended")
    series: dict[str, Any] = about("name → times and values")
    marks: list[dict[str, Any]] = about("starts of steps")


@files.on("GET jobs/{int:job_id}/outputs/{int:output_id}", "job.view", "api-job-output", None, 410)
def download_output(request: HttpRequest, job_id: int, output_id: int) -> HttpResponseBase:
    """Download an output file. Ranges are answered. The job has its SHA-256, which is the ETag,
    too, where no nginx sends the file."""
    return job_pages.job_output(request, job_id=job_id, output_id=output_id)


@files.on("GET jobs/{int:job_id}/reproduce.sh", "job.view", "api-job-script", None, shown=_SCRIPT)
def download_script(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Download the script of a job. To run it by hand in an empty folder on its host."""
    return job_pages.job_script(request, job_id=job_id)


@files.on("GET jobs/{int:job_id}/points", "job.view", "api-job-points", Curves, 410)
def read_points(request: HttpRequest, job_id: int, query: Query[CurvesAsked]) -> HttpResponseBase:
    """Read the measured curves of a job. Asked again with ``after`` it returns newer points."""
    return job_pages.job_points(request, job_id=job_id)


class AccuracyAsked(CurvesAsked):
    """Query of the accuracy of a running evaluation."""

    set: str = Field("", max_length=200, description="a set of questions; empty: all together")


class AccuracyCurve(ApiAnswer):
    """Accuracy after each sample so far, per cent."""

    after: int = about("cursor for the next request, bytes")
    open: bool = about("the job has not ended")
    series: dict[str, Any] = about("name → times and values, with the interval as low and high")


@files.on("GET jobs/{int:job_id}/accuracy", "job.view", "api-job-accuracy", AccuracyCurve, 410)
def read_accuracy(
    request: HttpRequest, job_id: int, query: Query[AccuracyAsked]
) -> HttpResponseBase:
    """Read the accuracy of an evaluation as it grows. Asked again with ``after`` it returns newer
    points. ``GET jobs/ID`` has where it stands."""
    return job_pages.job_accuracy(request, job_id=job_id)


@_table("GET results/{typed_result:result_id}/points.csv", "result.view", "api-result-points")
def download_points(request: HttpRequest, result_id: ResultId) -> HttpResponseBase:
    """Download a result as a table. Points of a benchmark, or questions of an evaluation."""
    return result_pages.result_file(request, result_id=result_id, ending="csv")


@_table("GET results/{typed_result:result_id}/requests.csv", "result.view", "api-result-requests")
def download_requests(request: HttpRequest, result_id: ResultId) -> HttpResponseBase:
    """Download the requests of a benchmark. Completed requests of each concurrency with their
    times."""
    return result_pages.result_requests(request, result_id=result_id)


class QuestionFileAsked(Asked):
    """Query of the file of a question set."""

    version: str = about("SHA-256 of the questions; empty: the newest", "")


@files.on(
    *("GET questions/{set_id}/questions.jsonl", "questions.view", "api-question-file", None, 400),
    shown=_JSON_LINES,
)
def download_questions(
    request: HttpRequest, set_id: str, query: Query[QuestionFileAsked]
) -> HttpResponseBase:
    """Download the questions of a set. In the form that an upload accepts. Questions of a set of
    this dashboard only."""
    try:
        return data_sets.question_file(request, set_id=set_id)
    except Http404 as missing:
        if not query.version or missing.args != (query.version,):
            raise
        raise invalid("version", _("The set has no such version.")) from None


@_table("GET matrices/{int:matrix_id}/runs.csv", "job.view", "api-matrix-runs")
def download_runs(request: HttpRequest, matrix_id: int) -> HttpResponseBase:
    """Download the runs of a matrix. Each with its state, and all metrics of its result."""
    return groups.matrix_csv(or_404(matrix_page, matrix_id))
