"""Comparison page: single runs, or groups of repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.compare.comparison_export import comparison_csv
from dashboard.pages.compare.more_runs import LAUNCHED_MOST, more_runs
from dashboard.pages.compare.token_card import budget_figure
from dashboard.pages.parity import words
from dashboard.pages.parity.asked import of_comparison
from dashboard.pages.parity.data import full_headline, statement_of
from dashboard.pages.shared.compared import charts, problem_of, read_groups, with_repeats
from dashboard.pages.shared.comparison import (
    barred_words,
    barrier_words,
    conclusion,
    declared_words,
)
from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.pages.shared.verdict import marks_of
from dashboard.security.permissions import allowed, requires
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from, result_number
from jobs.models import Result
from jobs.queries.answers.answer_list import wrong_answers
from jobs.queries.comparison.comparison import MOST, Comparison, compare
from jobs.queries.parity.errors import ParityError
from jobs.queries.results.named import NotNumbered, pks_of
from jobs.queries.results.repeats import other_runs

_BATCH = "batch_latency_mean_s"


@require_GET
@requires("result.view")
@with_old_queries("id", "group")
def compare_results(request: HttpRequest) -> HttpResponse:
    """Compare several ``?id=res-1`` (runs) or ``?group=res-1,res-2`` (repeats).

    The first is the baseline.

    The URL names all runs: later runs do not change the page. ``concurrency`` selects the metrics,
    ``all=1`` shows equal values too, ``format=csv`` exports all concurrencies.
    """
    is_grouped = "group" in request.GET
    try:
        wanted = _wanted(request)
    except NotNumbered as error:
        problem = message(error.reason.id, error.reason.args)
        return render(request, "results/compare.html", {"problem": problem}, status=400)
    # The statement on two groups reads all of their runs.
    groups, missing = read_groups(wanted, heads_only=len(wanted) != 2)
    if missing:
        return _missing(request, groups, missing)
    heads = [runs[0] for runs in groups]
    problem = problem_of(groups)
    context: dict[str, Any] = {"results": heads, "problem": problem, "is_grouped": is_grouped}
    if problem and len(groups) == 1 and 1 < len(groups[0]) <= MOST:
        context["as_runs"] = _as_runs(groups[0])
    if not problem:
        comparison = compare(groups, number_from(request.GET.get("concurrency", "")))
        if request.GET.get("format") == "csv":
            return comparison_csv(comparison)
        context |= _context(request, comparison, is_grouped=is_grouped)
        context |= _parity(request, comparison)
    return render(request, "results/compare.html", context)


@require_POST
@requires("job.repeat")
def run_more(request: HttpRequest) -> HttpResponse:
    """Launch ``n`` more runs of each result ``id`` (same position), then return to the
    comparison, or with ``from=result`` to the first result."""
    try:
        wanted = pks_of(request.POST.getlist("id"))[:MOST]
    except NotNumbered as error:
        messages.error(request, message(error.reason.id, error.reason.args))
        wanted = []
    counts = [number_from(text) or 1 for text in request.POST.getlist("n")] or [1]
    counts += [counts[-1]] * (len(wanted) - len(counts))
    results = Result.objects.in_bulk(wanted)
    # In turn, so that drift of the host affects all sides equally.
    in_turn = [
        job_id
        for number in range(LAUNCHED_MOST)
        for pk, n in zip(wanted, counts, strict=False)
        if number < n and pk in results and (job_id := results[pk].job_id) is not None
    ]
    try:
        launched = once(request, lambda: job_actions.retry_all(request.user, in_turn))
    except LaunchError as error:
        messages.error(request, str(error))
        launched = []
    if launched:
        text = ngettext(
            "%(n)s run is queued: %(jobs)s.", "%(n)s runs are queued: %(jobs)s.", len(launched)
        )
        jobs = _(", ").join(f"#{pk}" for pk in launched)
        messages.success(request, text % {"n": len(launched), "jobs": jobs})
    if request.POST.get("from") == "result" and wanted:
        return redirect("result-detail", wanted[0])
    query = request.POST.get("back", "")
    return redirect(f"{reverse('result-compare')}?{query}")


def _wanted(request: HttpRequest) -> list[list[int]]:
    """Return the ids of each column in URL order. Raises ``NotNumbered``."""
    if "group" in request.GET:
        return [pks_of(text.split(",")) for text in request.GET.getlist("group")]
    return [[pk] for pk in pks_of(request.GET.getlist("id"))]


def _missing(
    request: HttpRequest, groups: list[list[Result]], missing: Sequence[int]
) -> HttpResponse:
    """Return the page for missing results, with a link to the rest."""
    text = ngettext(
        "%(ids)s does not exist or was removed.",
        "%(ids)s do not exist or were removed.",
        len(missing),
    )
    write = _grouped if "group" in request.GET else lambda those: _as_runs([r[0] for r in those])
    context = {
        "problem": text % {"ids": _(", ").join(map(result_number, missing))},
        "results": [runs[0] for runs in groups],
        "the_rest": write(groups) if not problem_of(groups) else "",
    }
    return render(request, "results/compare.html", context, status=404)


def _context(request: HttpRequest, comparison: Comparison, *, is_grouped: bool) -> dict[str, Any]:
    heads = comparison.heads
    show_all = request.GET.get("all") == "1"
    groups = [list(column.runs) for column in comparison.columns]
    ids = _grouped(groups) if is_grouped else _as_runs(heads)
    is_evaluation = heads[0].type == Result.Type.EVALUATION
    differing = [setting for setting in comparison.settings if setting.differs]
    others = other_runs([run for runs in groups for run in runs])
    repeated = with_repeats(groups, others)
    # Links to other columns keep the selected concurrency.
    kept = f"&concurrency={comparison.concurrency}" if "concurrency" in request.GET else ""
    context = {
        "comparison": comparison,
        "title": conclusion(comparison),
        "more": more_runs(comparison, repeated),
        "marks": marks_of(heads),
        "barred_words": barred_words(comparison),
        "declared_words": declared_words(comparison),
        "barriers": [barrier_words(one, heads) for one in comparison.barriers],
        "may_repeat": allowed(request.user, "job.repeat"),
        "ids": ids,
        "csv": f"?{ids}&format=csv",
        "kept": kept,
        "query": request.GET.urlencode(),
        "report_query": f"{ids}{kept}&",
        "show_all": show_all,
        "is_evaluation": is_evaluation,
        "rows": [
            row
            for row in comparison.rows
            if show_all or row.differs or row.metric in ("accuracy", comparison.rows[0].metric)
        ],
        "settings": comparison.settings if show_all else differing,
        "differing": len(differing),
        "simulated": len({result.simulated for result in heads}) > 1,
        "imported": any(result.imported_id for result in heads),
        "pairs": [
            (other, paired, index in comparison.barred)
            for index, (other, paired) in enumerate(
                zip(heads[1:], comparison.paired, strict=True), 1
            )
            if paired is not None
        ],
        "columns": [_column(groups, index, is_grouped=is_grouped) for index in range(len(groups))],
        **_switches(groups, repeated, others, is_grouped=is_grouped),
    }
    if is_evaluation:
        context["budget"] = budget_figure(comparison)
        context["budget_is_pooled"] = any(len(column.runs) > 1 for column in comparison.columns)
        context["wrong"] = wrong_answers(heads[0]) if context["pairs"] else {}
    else:
        is_batch = bool(comparison.rows) and comparison.rows[0].metric == _BATCH
        context |= {"is_batch": is_batch, **charts(comparison)}
    return context


def _parity(request: HttpRequest, comparison: Comparison) -> dict[str, Any]:
    """Return the parity statement of two evaluations, which is the page's title, and the query of
    its own page."""
    asked = request.GET.get("margin", ""), request.GET.get("goal", "")
    try:
        found = of_comparison(comparison, *asked)
    except ParityError:  # another page says what a margin and a goal are
        found = of_comparison(comparison, "")
    context = {"tables_query": _as_runs(comparison.heads)}
    columns = comparison.columns
    if len(columns) == 2 and columns[0].head.type == Result.Type.EVALUATION:
        ids = [",".join(map(result_name, column.runs)) for column in columns]
        context["parity_query"] = urlencode({"base": ids[0], "id": ids[1]}, safe=",")
    if found is not None:
        context |= {"title": full_headline(found), "needed": words.needed(statement_of(found))}
        context["parity_query"] += f"&margin={found.asks.margin:g}&goal={found.goal}"
    return context


def _column(groups: list[list[Result]], index: int, *, is_grouped: bool) -> dict[str, Any]:
    """Return a column's runs, and the query with this column as baseline."""
    turned = [groups[index], *groups[:index], *groups[index + 1 :]]
    runs = groups[index]
    return {
        "result": runs[0],
        "runs": runs,
        "as_base": _grouped(turned) if is_grouped else _as_runs([one[0] for one in turned]),
    }


def _switches(
    groups: list[list[Result]],
    repeated: list[list[Result]],
    others: Mapping[str, Sequence[Result]],
    *,
    is_grouped: bool,
) -> dict[str, Any]:
    """Return queries of this comparison as runs and as groups, without disturbed runs, and with
    further repeats; "" where no switch exists.
    """
    undisturbed = [[run for run in runs if run.counts] for runs in groups]
    if is_grouped:  # a side with only disturbed runs stays unchanged
        undisturbed = [some or runs for some, runs in zip(undisturbed, groups, strict=True)]
    undisturbed = [runs for runs in undisturbed if runs]
    write = _grouped if is_grouped else lambda those: _as_runs([runs[0] for runs in those])
    switches: dict[str, Any] = {
        "as_runs": _as_runs([runs[0] for runs in groups]),
        "as_groups": _grouped(repeated),
        "without_disturbed": "",
        "disturbed": sum(len(runs) for runs in groups) - sum(len(runs) for runs in undisturbed),
    }
    if switches["disturbed"] and len(undisturbed) > 1:
        switches["without_disturbed"] = write(undisturbed)
    if is_grouped:
        for name, counts in (("uncounted", True), ("uncounted_disturbed", False)):
            new = [
                [run for run in others.get(runs[0].fingerprint, ()) if run.counts == counts]
                for runs in groups
            ]
            switches[name] = [run for runs in new for run in runs]
            switches[f"with_{name}"] = _grouped(
                [[*runs, *more] for runs, more in zip(groups, new, strict=True)]
            )
    return switches


def _as_runs(results: Sequence[Result]) -> str:
    return "&".join(f"id={result_name(result)}" for result in results)


def _grouped(groups: Sequence[Sequence[Result]]) -> str:
    return "&".join("group=" + ",".join(map(result_name, runs)) for runs in groups)
