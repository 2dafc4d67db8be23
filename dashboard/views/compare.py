"""The page that compares results."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.charts import interactivity, percentiles, throughput
from dashboard.charts.series import Series, measured
from dashboard.formats import number
from dashboard.rights import requires
from dashboard.words import metric_label, phrase
from jobs.models import Result
from jobs.queries.comparison import MOST, Change, Comparison, compare

FLIPS_SHOWN = 100
_BATCH = "batch_latency_mean_s"


@require_GET
@requires("result.view")
def compare_results(request: HttpRequest) -> HttpResponse:
    """Two to four results, ``?id=`` each, the first the base. ``all=1``: what is the same too."""
    wanted = list(dict.fromkeys(i for i in request.GET.getlist("id") if i.isdecimal()))[:MOST]
    found = Result.objects.select_related("host", "job", "deployment__job", "created_by").in_bulk(
        [int(i) for i in wanted]
    )
    chosen = [found[int(i)] for i in wanted if int(i) in found]
    if len(chosen) != len(wanted):
        raise Http404("one of these results is not there")
    context: dict[str, Any] = {"results": chosen, "problem": _problem(chosen)}
    if not context["problem"]:
        concurrency = request.GET.get("concurrency", "")
        comparison = compare(chosen, int(concurrency) if concurrency.isdecimal() else None)
        context |= _context(request, comparison)
    return render(request, "results/compare.html", context)


def _problem(results: list[Result]) -> str:
    """Why these cannot be compared; "" when they can."""
    if len(results) < 2:
        return _("Choose two results or more in the list.")
    if len({result.sort for result in results}) > 1:
        return _("A benchmark and an evaluation have no numbers in common.")
    return ""


def _context(request: HttpRequest, comparison: Comparison) -> dict[str, Any]:
    results = comparison.results
    ids = "&".join(f"id={result.pk}" for result in results)
    show_all = request.GET.get("all") == "1"
    series = [
        Series(f"#{result.job_id}", points)
        for result, points in zip(results, comparison.points, strict=True)
    ]
    is_evaluation = results[0].sort == Result.Sort.EVALUATION
    differing = [setting for setting in comparison.settings if setting.differs]
    paired = [pair for pair in comparison.paired if pair is not None]
    context = {
        "comparison": comparison,
        "title": conclusion(comparison),
        "ids": ids,
        "show_all": show_all,
        "is_evaluation": is_evaluation,
        "rows": [row for row in comparison.rows if show_all or row.differs],
        "settings": comparison.settings if show_all else differing,
        "differing": len(differing),
        "mixed": len({result.what for result in results}) > 1,
        "simulated": len({result.simulated for result in results}) > 1,
        "pairs": list(zip(results[1:], comparison.paired, strict=True)) if paired else [],
        "flips_shown": FLIPS_SHOWN,
    }
    if not is_evaluation:
        # No charts of batches without a server: they have neither rates nor first tokens.
        context |= {
            "is_batch": bool(comparison.rows) and comparison.rows[0].metric == _BATCH,
            "drawn": measured(series, throughput.METRIC),
            "throughput": throughput.figure(series),
            "ttft": percentiles.figure("ttft", series),
            "interactivity": interactivity.figure(series),
        }
    return context


def conclusion(comparison: Comparison) -> str:
    """The comparison in one sentence, on its first number; about the strongest of the others."""
    base, others = comparison.results[0], comparison.results[1:]
    main = comparison.rows[0] if comparison.rows else None
    if main is None or main.base is None:
        return _("These results have no numbers in common")
    changes = [(o, c) for o, c in zip(others, main.changes, strict=True) if c.value is not None]
    if not changes:
        return _("These results have no numbers in common")
    result, change = max(changes, key=lambda item: abs(item[1].absolute or 0))
    words = {
        "name": _name(result),
        "base": _name(base),
        "metric": metric_label(main.metric).lower(),
        "size": _size(change),
        "concurrency": comparison.concurrency,
    }
    if change.verdict == "noise":
        return _("%(name)s and %(base)s cannot be told apart yet: the interval holds zero") % words
    if change.verdict == "same":
        return _("%(name)s and %(base)s have the same %(metric)s") % words
    more = (change.absolute or 0) > 0
    if change.verdict == "unknown":
        text = (
            _("%(name)s: %(size)s more %(metric)s than %(base)s, too few runs to tell")
            if more
            else _("%(name)s: %(size)s less %(metric)s than %(base)s, too few runs to tell")
        )
        return text % words
    if main.metric == _BATCH:
        text = (
            _("%(name)s takes %(size)s longer for a batch of %(concurrency)s than %(base)s")
            if more
            else _("%(name)s takes %(size)s less time for a batch of %(concurrency)s than %(base)s")
        )
        return text % words
    if main.metric == "accuracy":
        text = (
            _("%(name)s is right more often than %(base)s, by %(size)s")
            if more
            else _("%(name)s is right less often than %(base)s, by %(size)s")
        )
        return text % words
    text = (
        _("%(name)s gives %(size)s more %(metric)s than %(base)s at concurrency %(concurrency)s")
        if more
        else _(
            "%(name)s gives %(size)s less %(metric)s than %(base)s at concurrency %(concurrency)s"
        )
    )
    return text % words


def _name(result: Result) -> str:
    return f"#{result.job_id} ({phrase(result.label)})"


def _size(change: Change) -> str:
    """How large a change is, without its direction."""
    if change.relative is not None:
        return f"{number(abs(100 * change.relative), 1)} %"
    return _("%(n)s points") % {"n": number(abs(100 * (change.absolute or 0)), 2)}
