"""Pages of results: list with its facets, chips and saved views; one result, its files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.timezone import get_current_timezone, now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from dashboard.actions import results as additions
from dashboard.pages.results import view
from dashboard.pages.results.conclusion import LEVEL, level_choice
from dashboard.pages.results.tables import repeats_of
from dashboard.pages.shared import export, units, words
from dashboard.pages.shared.columns import RESULTS, chosen, heads, written
from dashboard.pages.shared.comparison import BATCH
from dashboard.pages.shared.marks import (
    compare_query,
    marks_of,
    picture_lines,
    sentence,
    word,
)
from dashboard.pages.shared.words import unknown_words
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import all_hosts, keep_choice, person
from dashboard.text.import_words import declared_rows
from dashboard.text.labels import FLAG_WORDS, host_word, phrase, result_name, stack_name
from dashboard.text.retention import may_pin, pinned_words, removal_words, removed_words
from jobs.base.numbers import number_from
from jobs.catalog import MODELS
from jobs.metrics import METRICS
from jobs.models import PointRequests, Result
from jobs.queries.results import listing
from jobs.queries.results.listing import FACETS, Counts, ResultFilters, Words
from jobs.queries.results.results import ResultPage, result_page
from jobs.queries.sorting import NEWEST, in_order, read_order
from jobs.services.upkeep.retention import pins_of

EXPORT_MOST = 10_000
LONGEST_NAME = 120
_REQUESTS_HEAD = ("concurrency", "request", "ttft_ms [ms]", "tpot_ms [ms]", "latency_s [s]")


# Head of the list: filters of an address, facets, chips, saved views

DAYS = (7, 30, 90)
_DATES = {"from": "since", "to": "until"}
# What a saved view keeps of an address.
KEPT = frozenset(
    (
        *FACETS,
        *("stamp", "q", "deployment", "endpoint", "pinned", "tag", "mark", "days", "from", "to"),
        *("order", "group", "columns"),
    )
)
_FACET_TITLES: Mapping[str, str | Promise] = {
    "type": gettext_lazy("Kind"),
    "model": gettext_lazy("Model"),
    "precision": gettext_lazy("Precision"),
    "stack": gettext_lazy("Stack"),
    "parallelism": gettext_lazy("Parallelism"),
    "host": gettext_lazy("Host"),
    "person": gettext_lazy("Started by"),
    "tag": gettext_lazy("Tags"),
    "mark": gettext_lazy("Marks"),
    "stamp": gettext_lazy("Flags"),
}
_TITLES: Mapping[str, str | Promise] = {
    **_FACET_TITLES,
    "q": gettext_lazy("text"),
    "deployment": gettext_lazy("deployment"),
    "pinned": gettext_lazy("Files"),
    "endpoint": gettext_lazy("endpoint"),
    "days": gettext_lazy("Measured"),
    "from": gettext_lazy("Measured since"),
    "to": gettext_lazy("Measured until"),
}
_WORDS: Mapping[str, str | Promise] = {
    "benchmark": gettext_lazy("benchmark"),
    "evaluation": gettext_lazy("evaluation"),
    "quiet": gettext_lazy("no flags"),
    "released": gettext_lazy("released"),
    "baseline": gettext_lazy("baseline"),
    "noted": gettext_lazy("with notes"),
    **FLAG_WORDS,
}


class Tab(NamedTuple):
    """Part of a result's page below its first screen: id, title, template, number of rows."""

    name: str
    title: str
    template: str
    rows: int = 0

    @property
    def file(self) -> str:
        return f"results/{self.template}.html"


class AskedResults(NamedTuple):
    """Filters of an address; ``errors`` by field, whose filter is then left out."""

    filters: ResultFilters
    errors: Mapping[str, str]
    days: int | None
    dates: Mapping[str, str]


def asked(query: QueryDict) -> AskedResults:
    words = {str(word).casefold(): name for name, word in FLAG_WORDS.items()}
    errors: dict[str, str] = {}
    bounds: dict[str, datetime] = {}
    dates = {name: query.get(name, "").strip() for name in _DATES}
    for name, text in dates.items():
        if text:
            try:
                date_ = date.fromisoformat(text)
                day = datetime(date_.year, date_.month, date_.day, tzinfo=get_current_timezone())
                day.astimezone(UTC)  # as a database is asked: the year 1 may overflow
                bounds[_DATES[name]] = day + timedelta(days=1) if name == "to" else day
            except (ValueError, OverflowError):
                errors[name] = _("Enter a date such as %(example)s.") % {"example": "2026-11-27"}
    days = number_from(query.get("days", ""))
    if days in DAYS:
        earliest = now() - timedelta(days=days)
        bounds["since"] = max(earliest, bounds.get("since", earliest))
    filters = ResultFilters(
        facets={facet: query.getlist(facet) for facet in FACETS},
        stamps=[stamp for stamp in query.getlist("stamp") if stamp in listing.STAMPS],
        words=Words(query.get("q", "").strip(), {**{name: name for name in FLAG_WORDS}, **words}),
        deployment=number_from(query.get("deployment", "")),
        endpoint=number_from(query.get("endpoint", "")),
        pinned="1" in query.getlist("pinned"),
        tags=[tag for tag in query.getlist("tag") if tag],
        marks=[mark for mark in query.getlist("mark") if mark in listing.MARKS],
        since=bounds.get("since"),
        until=bounds.get("until"),
    )
    return AskedResults(filters, errors, days if days in DAYS else None, dates)


def kept(query: QueryDict, **more: str) -> str:
    """Return what a saved view keeps of an address, and ``more``."""
    clean = QueryDict(mutable=True)
    for name, values in query.lists():
        if name in KEPT and any(values):
            clean.setlist(name, [value for value in values if value])
    for name, value in more.items():
        clean[name] = value
    return clean.urlencode()


def facets(
    filters: ResultFilters, stored: Counts | None, tags: Sequence[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Return the facets with counts and selection. ``stored``: those of ``counts_of``, if known."""
    counts = listing.facet_counts(filters, stored)
    added = {"tag": filters.tags, "mark": filters.marks}
    chosen = {**filters.facets, "stamp": filters.stamps, **added}
    marks = listing.mark_counts(filters)
    pinned = marks.get("pinned", 0)
    counts |= {
        "tag": [*tags],
        "mark": [(mark, marks[mark]) for mark in listing.MARKS if mark in marks],
    }
    for name, values in added.items():  # also without a result, so that they can be cleared
        known = {value for value, _n in counts[name]}
        counts[name] += [(value, 0) for value in values if value not in known]
    rows = []
    for name, title in _FACET_TITLES.items():
        options = [
            {"value": value, "word": word_of(name, value), "count": n, "on": value in chosen[name]}
            for value, n in counts[name]
        ]
        rows.append({"name": name, "title": title, "options": options})
    if pinned or filters.pinned:
        option = {"value": "1", "word": _("kept"), "count": pinned, "on": filters.pinned}
        rows.append({"name": "pinned", "title": _TITLES["pinned"], "options": [option]})
    return rows


def chips(query: QueryDict, read: AskedResults) -> list[dict[str, Any]]:
    """Return the active filters, each with the query without it."""
    rows = []
    for name, title in _TITLES.items():
        for value in query.getlist(name):
            if name in read.errors or (name == "days" and read.days is None):
                continue
            without = query.copy()
            without.setlist(name, [one for one in without.getlist(name) if one != value])
            without.pop("after", None)
            if word := word_of(name, value):
                rows.append({"title": title, "word": word, "without": without.urlencode()})
    return rows


def word_of(name: str, value: str) -> str:
    """Return the value of a filter as text; what people typed stays unchanged."""
    if name == "stack":
        return stack_name(value)
    if name == "host":
        return host_word(value)
    if name == "days":
        n = number_from(value) or 0
        return ngettext("last day", "last %(n)s days", n) % {"n": n}
    if name == "pinned":
        return _("kept")
    if name in ("q", "tag", "from", "to", "deployment", "endpoint", "person"):
        return value
    return str(_WORDS[value]) if value in _WORDS else phrase(value)


def list_head(
    request: HttpRequest, read: AskedResults, counts: Counts | None = None
) -> dict[str, Any]:
    user, shown = person(request), [column.name for column in chosen(request, "results")]
    grouped, single = request.GET.copy(), request.GET.copy()
    for query in (grouped, single):
        query.pop("after", None)
    grouped["group"] = "identity"
    single.pop("group", None)
    tags = listing.tag_counts(read.filters)
    is_every_tag = read.filters.without("tag").are_empty
    shown_facets = facets(read.filters, counts, tags[: listing.MOST_TAGS])
    flags = next(facet["options"] for facet in shown_facets if facet["name"] == "stamp")
    return {
        "facets": shown_facets,
        # What was not measured on hardware of ours.
        "elsewhere": [
            (one["word"], one["count"])
            for one in flags
            if one["value"] in ("simulated", "external", "imported") and not read.filters.stamps
        ],
        "read": read,
        "days": [{"value": n, "word": word_of("days", str(n)), "on": read.days == n} for n in DAYS],
        "chosen": chips(request.GET, read),
        "views": [
            (view, allowed(request.user, "result.change_view", view))
            for view in (listing.views_for(user) if user else ())
        ],
        "view_query": kept(request.GET, columns=written(shown, "results")),
        "may_save_view": allowed(request.user, "result.save_view"),
        "longest_view": additions.VIEW_CHARS,
        "may_tag": allowed(request.user, "result.tag"),
        # Else read where somebody may tag.
        "tag_names": [name for name, _n in tags] if is_every_tag else listing.tag_names,
        "longest_tag": additions.TAG_CHARS,
        "as_identities": grouped.urlencode(),
        "as_runs": single.urlencode(),
    }


# Pages


@requires("result.view", "GET")
def results(request: HttpRequest) -> HttpResponseBase:
    """Result list, filtered by the facets in the URL. ``order=-NAME`` sorts by a column, from high
    to low; ``group=identity`` has one row an identity. ``format=csv`` or ``json`` exports at most
    ``EXPORT_MOST`` of these results in this order, with all columns."""
    read = asked(request.GET)
    order = read_order(request.GET.get("order", ""), listing.COLUMNS, NEWEST)
    if (ending := request.GET.get("format")) in ("csv", "json"):
        rows = in_order(listing.matching(read.filters), listing.COLUMNS[order.name], order)
        related = ("host", "created_by", "deployment", "endpoint", "job", "imported")
        named = list(rows[:EXPORT_MOST].select_related(*related).prefetch_related("points"))
        return export.list_csv(named) if ending == "csv" else JsonResponse(export.list_json(named))
    query, after = request.GET.copy(), request.GET.get("after", "")
    query.pop("after", None)
    context = {
        "filters": read.filters,
        "query": query.urlencode(),
        "export_most": EXPORT_MOST,
        "is_later_page": bool(after),
        "is_filtered": any(name not in ("order", "group", "columns") for name in query),
    }
    if request.GET.get("group") == "identity":
        identities = listing.identity_list(read.filters, after)
        latest = [row.latest for row in identities.rows]
        context |= list_head(request, read) | {
            "page": identities,
            "marks": marks_of(latest),
            "is_grouped": True,
            "told_apart": words.told_apart(latest),
            "has_repeats": any(row.fingerprint for row in latest),  # else no run joins another
        }
        return render(request, "results/list.html", context)
    counts = listing.counts_of(read.filters)
    hosts = partial(all_hosts, request)
    page = listing.result_list(read.filters, hosts, after=after, order=order, counts=counts)
    columns, pins = chosen(request, "results"), pins_of(page.pinned)
    context |= list_head(request, read, counts) | {
        "page": page,
        "marks": marks_of(page.results),
        "order": order,
        "columns": columns,
        "all_columns": RESULTS,
        "heads": heads(columns, order, query),
        "may_pin": allowed(request.user, "job.pin"),
        "may_unpin": {pin.job_id for pin in pins if allowed(request.user, "job.unpin", pin)},
    }
    return render(request, "results/list.html", context)


@requires("result.view", "GET")
@units.with_unit
def result(request: HttpRequest, result_id: int) -> HttpResponse:
    """Result page. ``keep`` stores the chosen service level in a cookie, then redirects to the
    address to share."""
    if "keep" not in request.GET:
        return result_response(request, result_id)
    key = request.GET.get(LEVEL, "")[:LONGEST_NAME]
    unit = units.choice(request.GET.get(units.PER, ""), [])
    answer = HttpResponseRedirect(f"?{urlencode({LEVEL: key, **unit.query})}#by-concurrency")
    keep_choice(answer, LEVEL, quote(key))
    return answer


def result_response(
    request: HttpRequest,
    result_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the result page; ``errors`` by field of its forms, which keep what was ``typed``."""
    page = _page(result_id)
    result = page.result
    is_evaluation = result.type == Result.Type.EVALUATION
    context: dict[str, Any] = {
        "page": page,
        "result": result,
        "report_query": f"id={result_name(result)}&",
        "is_evaluation": is_evaluation,
        "pictured": picture_lines([result]),
        "groups": view.record_groups(page),
        "environments": result.run_context.get("environments", []),
        "unknown": unknown_words(result),
        "repeats": repeats_of(page),
        "typed": typed or {},
        "errors": errors or {},
    }
    context |= _kept(request, page) | _organised(request, result)
    context |= _evaluation(request, page) if is_evaluation else _benchmark(request, page)
    context["tabs"] = [tab for tab, is_there in _tabs(page, context) if is_there]
    return render(request, "results/detail.html", context, status=422 if errors else 200)


def _tabs(page: ResultPage, context: Mapping[str, Any]) -> list[tuple[Tab, bool]]:
    """Return the tabs of a page, and whether it has something to show there."""
    blocks, is_imported = context["blocks"], page.result.imported_id is not None
    files = len(context["imported_files"] if is_imported else page.outputs)
    if context["is_evaluation"]:
        own = [
            (Tab("sets", _("Sets"), "_sets", context["set_count"]), bool(page.sets)),
            (Tab("quality", _("Answer quality"), "_quality"), blocks.quality is not None),
            (Tab("tokens", _("Token use"), "_token_use"), blocks.tokens is not None),
        ]
    else:
        points = _("Batch") if BATCH in page.result.metrics else _("By concurrency")
        has_engine = bool(blocks.sides or blocks.engine)
        own = [
            (Tab("by-concurrency", points, "_points"), blocks.table is not None),
            (Tab("engine", _("Client and engine"), "_engine"), has_engine),
            (Tab("requests", pgettext("tab", "Requests"), "_requests"), bool(blocks.spreads)),
        ]
    return [
        *own,
        (Tab("figures", _("Figures in the files"), "_figures"), is_imported),
        (Tab("reproduce", _("Origin"), "_origin"), is_imported),
        (Tab("reproduce", _("Reproduce"), "_reproduce"), not is_imported),
        (Tab("files", _("Files"), "_files", files), True),
    ]


def _evaluation(request: HttpRequest, page: ResultPage) -> dict[str, Any]:
    name = request.GET.get("name", "").strip()[:LONGEST_NAME] or page.result.measured
    sort = request.GET.get("subjects", "")
    folded = [
        (group, words.subject_table(page.result, group, sort))
        for group in page.sets
        if group.is_folded
    ]
    title, score = view.score_of(page, name)
    return {
        "title": title,
        "blocks": score,
        "is_short": not score.charts,  # its tabs stand beside what people added
        # The title has the accuracy.
        "first": replace(score.numbers, rows=score.numbers.rows[page.accuracy is not None :]),
        "set_count": sum(len(group.rows) for group in page.sets),
        "name": name,
        "markdown": words.markdown(page.sets, name),
        "markdown_pattern": words.markdown(page.sets, words.NAME),
        "folded": folded,
        "is_sorted": bool(sort),
    }


def _benchmark(request: HttpRequest, page: ResultPage) -> dict[str, Any]:
    choice, result = level_choice(request), page.result
    has_others = request.GET.get("others") == "on"  # points of other runs in the charts
    unit = units.choice(request.GET.get(units.PER, ""), [result])
    title, speed = view.speed_of(
        page, level=choice.level, user=request.user, unit=unit, has_others=has_others
    )
    level = {LEVEL: choice.key} if choice.key else {}
    return {
        "title": title,
        "blocks": speed,
        "first": speed.numbers,
        "levels": choice,
        "has_others": has_others,
        "report_query": f"{urlencode({'id': result_name(result), **level, **unit.query})}&",
        "units": unit,
    }


def _page(result_id: int) -> ResultPage:
    try:
        return result_page(result_id)
    except Result.DoesNotExist as error:
        raise Http404("there is no such result") from error


def _kept(request: HttpRequest, page: ResultPage) -> dict[str, Any]:
    """Return what is kept of the job, or for an import its original files."""
    job, imported = page.result.job, page.result.imported
    if job is not None:
        return {
            "may_pin": may_pin(request.user, job),
            "pinned_words": pinned_words(job),
            "removal_words": removal_words(job),
            "removed_words": removed_words(job),
        }
    return {
        "figures": [(n, page.result.metrics[n]) for n in METRICS if n in page.result.metrics],
        "is_in_catalogue": page.result.model_id in MODELS,
        "collected": page.result.run_context.get("collected"),
        "imported_files": list(imported.files.all()) if imported else [],
        "declared": declared_rows(imported) if imported else [],
        "may_remove": imported is not None and allowed(request.user, "result.remove", imported),
    }


def _organised(request: HttpRequest, result: Result) -> dict[str, Any]:
    user, mark = request.user, marks_of([result])[result.pk]
    verdict = mark.verdict
    return {
        "mark": mark,
        "tags": [(tag, allowed(user, "result.untag", tag)) for tag in listing.tags_of(result)],
        "tag_names": listing.tag_names(),
        "notes": [
            (note, allowed(user, "result.change_note", note), f"note-{note.pk}")
            for note in listing.notes_of(result)
        ],
        "sign_offs": [
            (row, row.withdrawn_at is None and allowed(user, "result.withdraw", row))
            for row in listing.sign_offs_of(result)
        ],
        "history": listing.baseline_history(result),
        "no_baseline": additions.baseline_refusal(result),
        "verdict": verdict,
        "verdict_word": word(verdict) if verdict else "",
        "verdict_text": sentence(verdict) if verdict else "",
        "verdict_query": compare_query(verdict, result) if verdict else "",
        "may_tag": allowed(user, "result.tag"),
        "may_note": allowed(user, "result.note"),
        "may_sign_off": allowed(user, "result.sign_off"),
        "limits_to_accept": [(name, FLAG_WORDS[name]) for name in result.limits],
        "may_set_baseline": allowed(user, "result.baseline"),
        "limits": {
            "tags": additions.TAG_CHARS * additions.MOST_TAGS,
            "note": additions.NOTE_CHARS,
            "purpose": additions.PURPOSE_CHARS,
        },
    }


@requires("result.view", "GET", "HEAD")
def result_file(request: HttpRequest, result_id: int, ending: str) -> HttpResponseBase:
    """Export a result as JSON or CSV: points of a benchmark, questions of an evaluation."""
    page = _page(result_id)
    if ending != "json":
        return export.result_csv(page.result)
    headers = {"Content-Disposition": f'attachment; filename="{result_name(page.result)}.json"'}
    data, indented = export.result_json(page), {"indent": 1}
    return JsonResponse(data, json_dumps_params=indented, headers=headers)


@requires("result.view", "GET", "HEAD")
def result_requests(request: HttpRequest, result_id: int) -> HttpResponseBase:
    """Export the completed requests of each concurrency with their times, in the order of the tool;
    a time that was not reported is empty."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    result = get_object_or_404(rows, pk=result_id)
    about = export.fixed(result, marks_of([result])[result.pk])
    points = PointRequests.objects.filter(point__result=result).order_by("point__concurrency", "pk")
    lines = (
        [concurrency, number, *times, *about.values()]
        for concurrency, requests in points.values_list("point__concurrency", "rows").iterator(1)
        for number, times in enumerate(requests, start=1)
    )
    head = [*_REQUESTS_HEAD, *about]
    return export.as_csv(chain([head], lines), f"{result_name(result)}-requests")


urlpatterns: list[URLPattern] = [
    path("", results, name="result-list"),
    path("<result:result_id>/", result, name="result-detail"),
    path("<result:result_id>/result.<str:ending>", result_file, name="result-file"),
    path("<result:result_id>/requests.csv", result_requests, name="result-requests"),
]
