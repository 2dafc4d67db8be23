"""Pages of jobs that were launched together: a pipeline, a matrix as a table that fills."""

from collections.abc import Sequence
from math import ceil
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import jobs as job_actions
from dashboard.charts import matrix_heat
from dashboard.pages.jobs import matrix_compare, matrix_view
from dashboard.pages.launch.launch_form import text_of
from dashboard.pages.launch.parts import launched
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.addresses import or_404
from dashboard.pages.shared.export import as_csv, fixed, unit_head
from dashboard.pages.shared.failures import ends_the_same, failed_as_printed
from dashboard.pages.shared.marks import marks_of, picture_of
from dashboard.security.permissions import allowed, check, requires
from dashboard.text import queue_words
from dashboard.text.labels import host_title, kind_title, metric_label
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog import MODELS, STACKS
from jobs.catalog.presets import WORKLOADS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.launch.pipelines import BOTH, PRECISIONS, Options, Pipeline, pipelines_of
from jobs.models import Job, Matrix, MatrixCell
from jobs.queries.hosts import dies, is_away
from jobs.queries.jobs.job_page import ChainProgress, chain_of, waiting_outside
from jobs.queries.matrices import MatrixPage, RunView, matrix_page
from jobs.queries.overview import running_of
from jobs.queries.results.curve import RATE
from jobs.queries.results.repeats import headline as main_metric

_MOST_RUNS = 10  # of a cell, in one click
# Heights of the heat map, in pixels: among those for which pages keep room.
_AXES, _STEP, _HIGHEST = 80, 40, 420
_HEAD = (
    *("matrix", "input_tokens", "output_tokens", "concurrency", "repeat", "order"),
    *("last_job", "state", "reason"),
)


@requires("job.view", "GET")
def pipeline(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    if matrix := Matrix.objects.filter(chain=chain_id).first():
        return redirect("matrix-detail", matrix.pk)
    chain = or_404(chain_of, chain_id)
    user, is_blocked = request.user, _is_blocked(chain)
    results = [job.result for job in chain.jobs if hasattr(job, "result")]
    names = [(result, main_metric(result.type, result.metrics)) for result in results]
    # A retry is possible once no ending job would cancel the new jobs.
    is_over = bool(chain.broken) and chain.ending is None
    right = any(map(failed_as_printed, chain.broken))
    jobs = chain.to_cancel
    context = {
        "chain": chain,
        "title": title_of(chain),
        "host": chain.jobs[0].host,
        "made_by": chain.jobs[0].created_by,
        "rows": _rows(chain),
        "summary": _summary(chain, is_blocked=is_blocked),
        "is_blocked": is_blocked,
        "outcomes": [
            {"result": result, "metric": name, "value": result.metrics.get(name)}
            for result, name in names
        ],
        "may_retry": is_over and allowed(user, "job.repeat"),
        "retry_words": _retry_words(chain),
        # Only where the same commands would fail again.
        "preview_address": _preview_address(chain) if any(map(ends_the_same, chain.broken)) else "",
        "preview_words": _("Preview corrected pipeline")
        if right
        else _("Preview with other options"),
        "may_cancel": bool(jobs) and all(allowed(user, "job.cancel", job) for job in jobs),
    }
    return render(request, "pipelines/detail.html", context)


@requires("job.repeat", "POST")
def pipeline_retry(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Retry failed jobs, and those cancelled because of them."""
    or_404(chain_of, chain_id)
    launched(request, lambda: len(job_actions.retry_pipeline(request.user, chain_id)))
    return redirect("pipeline", chain_id)


@requires("job.cancel", "GET", "HEAD", "POST")
def pipeline_cancel(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Confirm (GET), then cancel (POST) every active job. The confirmation names what is lost."""
    chain = or_404(chain_of, chain_id)
    jobs = chain.to_cancel
    for job in jobs:
        check(request.user, "job.cancel", job)
    if request.method != "POST":
        label = ngettext("Cancel %(n)s job", "Cancel %(n)s jobs", len(jobs))
        context = {
            "chain": chain,
            "title": title_of(chain),
            "open": jobs,
            "running": [job for job in jobs if job.state in Job.ON_HOST_STATES],
            "outside": waiting_outside(chain),
            "label": label % {"n": len(jobs)},
        }
        return render(request, "pipelines/cancel.html", context)
    if not job_actions.cancel_pipeline(request.user, jobs, chain_id):
        messages.info(request, _("No job to cancel: all jobs have ended or are being cancelled."))
    return redirect("pipeline", chain_id)


def title_of(chain: ChainProgress) -> str:
    """Return the pipeline's title: "DeepSeek-R1: pipeline of 8 jobs"."""
    count = len(chain.jobs)
    jobs = ngettext("pipeline of %(n)s job", "pipeline of %(n)s jobs", count) % {"n": count}
    model = MODELS.get(chain.model_id)
    name = model.name if model else chain.model_id
    return _("%(model)s: %(jobs)s") % {"model": name, "jobs": jobs} if name else jobs


def _rows(chain: ChainProgress) -> list[dict[str, Any]]:
    """Return the jobs. ``why`` and ``starts``: texts for a queued one, else ""."""
    waits = queue_words.waits([job for job in chain.jobs if job.state == Job.State.QUEUED])
    rows = []
    for number, job in enumerate(chain.jobs, 1):
        running = running_of(job) if job.state in Job.ON_HOST_STATES else None
        why, starts = "", ""
        if job.pk in waits:
            reason, forecast = waits[job.pk]
            why, starts = message(reason.id, reason.args), queue_words.starts_in(forecast)
        row = {"job": job, "number": number, "earlier": chain.earlier.get(job.pk, ())}
        rows.append(row | {"running": running, "why": why, "starts": starts})
    return rows


def _summary(chain: ChainProgress, *, is_blocked: bool) -> str:
    if chain.succeeded:
        return _("All jobs succeeded.")
    now = [job for job in chain.jobs if job.state in Job.ON_HOST_STATES]
    queued = next((job for job in chain.jobs if job.state == Job.State.QUEUED), None)
    parts = []
    if chain.failed is not None:
        failed = [job for job in chain.broken if job.state != Job.State.CANCELLED]
        names = _named(failed or [chain.failed])
        parts.append(_("Did not succeed: %(jobs)s.") % {"jobs": names})
    if now:
        parts.append(_("Running: %(jobs)s.") % {"jobs": _named(now)})
    if queued is not None:
        text = _("Blocked: %(host)s is offline.") if is_blocked else _("Next: #%(job)s %(kind)s.")
        args = {"job": queued.pk, "kind": kind_title(queued.kind)}
        parts.append(text % {**args, "host": host_title(queued.host)})
    return " ".join(parts)


def _is_blocked(chain: ChainProgress) -> bool:
    """Return True if none of its jobs runs and the next one waits for an offline host."""
    queued = [job for job in chain.jobs if job.state == Job.State.QUEUED]
    now = any(job.state in Job.ON_HOST_STATES for job in chain.jobs)
    return bool(queued) and not now and is_away(queued[0].host)


def _named(jobs: Sequence[Job]) -> str:
    return _(", ").join(f"#{job.pk} {kind_title(job.kind)}" for job in jobs)


def _retry_words(chain: ChainProgress) -> str:
    if chain.failed is None:
        return ""
    count = len(chain.to_repeat)
    text = ngettext(
        "Retry from #%(job)s %(kind)s (%(n)s job)",
        "Retry from #%(job)s %(kind)s (%(n)s jobs)",
        count,
    )
    return text % {"job": chain.failed.pk, "kind": kind_title(chain.failed.kind), "n": count}


def _preview_address(chain: ChainProgress) -> str:
    """Return the address of a corrected preview; "" for jobs of no pipeline."""
    jobs = chain.jobs
    stack = next((name for job in jobs if (name := job.params.get("stack")) in STACKS), "")
    pipeline = _pipeline_of(jobs, chain.model_id, stack)
    if pipeline is None:
        return ""
    given = {"host": jobs[0].host.name, "stack": stack, EXACT: "0", **_options(jobs)}
    known = ("host", "stack", *pipeline.options)
    query = urlencode({name: value for name, value in given.items() if value and name in known})
    return f"{reverse('model-pipeline', args=[chain.model_id, pipeline.id])}?{query}"


def _pipeline_of(jobs: Sequence[Job], model_id: str, stack: str) -> Pipeline | None:
    """Return the pipeline whose links have all these kinds."""
    model, kinds = MODELS.get(model_id), {job.kind for job in jobs}
    if model is None or not stack or not any(_family(job) == "deploy" for job in jobs):
        return None
    has_dies = bool(dies(jobs[0].host))
    for known in pipelines_of(model):
        all_kinds = {"prepare", *(job.kind for job in known.jobs(model, stack, Options()))}
        if known.needs_dies == has_dies and kinds <= all_kinds:
            return known
    return None


def _options(jobs: Sequence[Job]) -> dict[str, str]:
    made = {str(job.params.get("precision")) for job in jobs if _family(job) == "compile"}
    made &= set(PRECISIONS)
    benchmarks = [job.params for job in jobs if _family(job) == "benchmark"]
    levels = next((params["concurrency"] for params in benchmarks if "concurrency" in params), ())
    return {
        "precision": BOTH if len(made) > 1 else "".join(made),
        "concurrency": ",".join(map(str, levels)) if isinstance(levels, list | tuple) else "",
    }


def _family(job: Job) -> str:
    """Return the family of a kind; "" for a removed kind."""
    kind = KINDS.get(job.kind)
    return kind.family if kind else ""


pipeline_urlpatterns: list[URLPattern] = [
    path("<uuid:chain_id>/", pipeline, name="pipeline"),
    path("<uuid:chain_id>/retry/", pipeline_retry, name="pipeline-retry"),
    path("<uuid:chain_id>/cancel/", pipeline_cancel, name="pipeline-cancel"),
]


@requires("job.view", "GET")
def matrix_list(request: HttpRequest) -> HttpResponse:
    """List matrices; ``?matrix=`` are chosen for a comparison."""
    return matrix_compare.choose(request)


@requires("job.view", "GET")
@units.with_unit
def matrix_detail(request: HttpRequest, matrix_id: int) -> HttpResponseBase:
    """Show the table of cells; ``metric`` selects its number, ``picture`` adds its chart, and
    ``format=csv`` exports runs."""
    metric, per = request.GET.get("metric", RATE), request.GET.get(units.PER, "")
    page = or_404(matrix_page, matrix_id, units.choice(per, []).rate if metric == RATE else metric)
    if request.GET.get("format") == "csv":
        return matrix_csv(page)
    matrix, concluded = page.matrix, matrix_view.row_conclusions(page)
    may_cancel = bool(page.open_jobs) and allowed(request.user, "job.cancel", matrix)
    label = ngettext(
        "Rerun %(n)s run without result", "Rerun %(n)s runs without result", page.to_resume
    )
    results = [result for cell in page.cells for result in cell.results]
    workload = WORKLOADS.get(str(matrix.spec.get("workload", "")))
    unit = units.choice(per, results)
    is_rate = page.metric == unit.rate
    chosen = unit.query if is_rate else {"metric": page.metric}
    own = chosen | ({"picture": "1"} if "picture" in request.GET else {})
    is_drawn = "picture" in request.GET and page.best is not None
    served = next((result.deployment for result in results if result.deployment), None)
    context = {
        "page": page,
        "matrix": matrix,
        "pictured": picture_of(
            *(matrix.host, matrix.created_at, results, _("Matrix %(n)s") % {"n": matrix.pk}),
            *(matrix.title, matrix.model_id, _(workload.name) if workload else ""),
        ),
        "spec": matrix.spec,
        "workload": workload,
        "served": served,
        "counts": [(state, number) for state, number in page.counts.items() if number],
        "metrics": [(name, metric_label(name)) for name in page.metrics],
        "metric": RATE if is_rate else page.metric,
        "units": unit if is_rate else None,
        "in_queue": queue_words.rows(request.user, [page.next_job])[0] if page.next_job else None,
        "may_repeat": allowed(request.user, "job.repeat"),
        "may_cancel": may_cancel,
        "resume_words": label % {"n": page.to_resume},
        "again": f"{reverse('launch-matrix')}?{urlencode(_query(matrix))}",
        "conclusion": matrix_view.conclusion_of(page, concluded),
        "results": [result for cell in page.cells for result in cell.results],
        "table": matrix_view.table_of(page, concluded),
        "csv": f"{request.path}?{urlencode({'format': 'csv'})}",
        "heat": matrix_heat.figure(page) if is_drawn else None,
        "heat_label": _("%(metric)s by lengths and concurrency")
        % {"metric": cells.title_of(page.metric)},
        "heat_height": min(_HIGHEST, _AXES + _STEP * ceil(28 * len(page.rows) / _STEP)),
        "picture": f"?{urlencode(chosen | {'picture': 1})}#heat" if page.best is not None else "",
        "live_url": f"{request.path}?{urlencode(own)}" if own else request.path,
        # The report has all main metrics, or the chosen one.
        "report_query": f"{urlencode({'id': matrix.pk, **chosen})}&",
    }
    return render(request, "matrices/detail.html", context)


@requires("matrix.rename", "POST")
def matrix_rename(request: HttpRequest, matrix_id: int) -> HttpResponse:
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    try:
        job_actions.rename_matrix(request.user, matrix, request.POST.get("title", ""))
    except LaunchError as error:
        messages.error(request, str(error))
    return redirect("matrix-detail", matrix_id)


@requires("job.repeat", "POST")
def matrix_resume(request: HttpRequest, matrix_id: int) -> HttpResponse:
    matrix = get_object_or_404(Matrix, pk=matrix_id)
    launched(request, lambda: len(job_actions.resume_matrix(request.user, matrix)))
    return redirect("matrix-detail", matrix_id)


@requires("job.cancel", "GET", "HEAD", "POST")
def matrix_cancel(request: HttpRequest, matrix_id: int) -> HttpResponse:
    page = or_404(matrix_page, matrix_id)
    check(request.user, "job.cancel", page.matrix)
    if request.method != "POST":
        return render(request, "matrices/cancel.html", {"page": page, "matrix": page.matrix})
    if not job_actions.cancel_matrix(request.user, page.matrix):
        messages.info(request, _("No job to cancel: all jobs have ended or are being cancelled."))
    return redirect("matrix-detail", matrix_id)


@requires("job.repeat", "POST")
def matrix_cell_run(request: HttpRequest, matrix_id: int, cell_id: int) -> HttpResponse:
    """Run one cell ``n`` more times; a failed run once again."""
    cell = get_object_or_404(MatrixCell, pk=cell_id, matrix=matrix_id)
    count = min(number_from(request.POST.get("n", "1")) or 1, _MOST_RUNS)
    launched(request, lambda: len(job_actions.repeat_cell(request.user, cell, count=count)))
    return redirect("matrix-detail", matrix_id)


def _query(matrix: Matrix) -> dict[str, str]:
    """Return the state of the form that launches the matrix again."""
    spec = matrix.spec
    own = {"host": matrix.host.name, "kind": matrix.kind, "of": spec.get("workload", "")}
    values = {**(spec.get("params") or {}), **spec, **own}
    values.pop("params", None)
    return {name: text_of(value) for name, value in values.items() if value is not None}


def matrix_csv(page: MatrixPage) -> HttpResponseBase:
    """Return every run with its state and cause, and of results the context and all metrics."""
    results = [run.result for run in page.runs if run.result is not None]
    marks = marks_of(results)
    facts = {result.pk: fixed(result, marks[result.pk]) for result in results}
    about = list(next(iter(facts.values()), ()))
    lines: list[Sequence[Any]] = [[*_HEAD, *about, *map(unit_head, page.metrics)]]
    for cell in page.cells:
        sizes = ["" if cell.input_tokens is None else cell.input_tokens, cell.output_tokens]
        for run in cell.runs:
            line = [page.matrix.pk, *sizes, cell.concurrency, run.cell.repeat]
            line += [run.cell.place + 1, run.job.pk if run.job is not None else "", *_state(run)]
            own = facts[run.result.pk] if run.result is not None else {}
            metrics = run.result.metrics if run.result is not None else {}
            line += [own.get(name, "") for name in about]
            lines.append([*line, *(metrics.get(name, "") for name in page.metrics)])
    return as_csv(lines, f"matrix-{page.matrix.pk}")


def _state(run: RunView) -> tuple[str, str]:
    if run.skip is not None:
        return "skipped", message(run.skip.id, run.skip.args)
    if run.job is None:
        return "", ""
    return run.job.state, message(run.job.message_id, run.job.message_args) if run.is_bad else ""


matrix_urlpatterns: list[URLPattern] = [
    path("", matrix_list, name="matrix-list"),
    *matrix_compare.urlpatterns,
    path("<int:matrix_id>/", matrix_detail, name="matrix-detail"),
    path("<int:matrix_id>/rename/", matrix_rename, name="matrix-rename"),
    path("<int:matrix_id>/resume/", matrix_resume, name="matrix-resume"),
    path("<int:matrix_id>/cancel/", matrix_cancel, name="matrix-cancel"),
    path("<int:matrix_id>/cells/<int:cell_id>/run/", matrix_cell_run, name="matrix-cell-run"),
]
