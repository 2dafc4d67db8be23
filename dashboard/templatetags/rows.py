"""Rows of the lists of jobs and results: ``{% load rows %}``.

The row of an ended job and that of a result are drawn once for all who may see the same. Cells of
results are made here: as tags of a template they took two thirds of the page's time.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import get_current_timezone, localdate
from django.utils.translation import get_language, gettext

from dashboard.pages.shared import groups
from dashboard.pages.shared.columns import Column
from dashboard.templatetags.results import bare, cell, mark_stamps, marked, no_value
from dashboard.templatetags.ui import ago, headline, icon, metric, middle, stamps
from dashboard.text.labels import phrase, result_name, result_place, stack_name
from jobs.models import Job, Result
from jobs.queries.hosts import all_dies, is_away

register = template.Library()

_MOST = 1000  # rows in memory, of 2 to 5 kB each with their facts
_drawn: dict[tuple[Any, ...], SafeString] = {}


def _once(facts: tuple[Any, ...], draw: Callable[[], SafeString]) -> SafeString:
    """Return what ``draw`` makes of ``facts``, drawn once a language, time zone and day.

    A fact is all that a row shows and all that a person may do there: so no row is stale, and none
    is another person's.
    """
    zone = get_current_timezone()
    key = (get_language(), str(zone), localdate(timezone=zone), facts)
    row = _drawn.get(key)
    if row is None:
        if len(_drawn) >= _MOST:
            _drawn.clear()
        row = _drawn[key] = draw()
    return row


def _from(name: str, context: template.Context, **more: Any) -> SafeString:
    with context.push(**more):
        return template.Engine.get_default().get_template(name).render(context)


@register.simple_tag(takes_context=True)
def job_row(context: template.Context, row: groups.JobRow, *, in_group: bool = False) -> SafeString:
    """Return the row of a job, or of a group. ``in_group``: a run of the group above."""

    def draw() -> SafeString:
        return _from("jobs/_row.html", context, row=row, in_group=in_group)

    is_ended = row.group is None and not row.job.is_open
    return _once((in_group, *context["shows"], *_ended(row.job)), draw) if is_ended else draw()


def _ended(job: Job) -> tuple[Any, ...]:
    """Return all that the row of an ended job shows."""
    host, dies = job.host, job.values.get("dies")
    result = getattr(job, "result", None) if job.state == Job.State.SUCCEEDED else None
    return (
        f"{result.pk} {headline(result)}" if result else "",
        *(job.pk, job.kind, job.title, job.state, job.chain, job.pinned_at),
        *(job.message_id, repr(job.message_args), job.created_by and job.created_by.get_username()),
        *(job.created_at, job.started_at, job.finished_at, job.duration_s),
        *(host.name, host.type, dies, dies and (*all_dies(host), is_away(host))),
    )


class _Row(NamedTuple):
    """``stamps``: of flags, marks and tags. ``context``: of the page."""

    result: Result
    stamps: SafeString
    context: template.Context


@register.simple_tag(takes_context=True)
def result_row(context: template.Context, result: Result) -> SafeString:
    """Return the row of a result with the page's ``columns``."""
    marks = mark_stamps(marked(context["marks"], result))
    row = _Row(result, stamps(result) + marks, context)

    return _once(_shown(row), lambda: _from("results/_row.html", context, row=row))


def _shown(row: _Row) -> tuple[Any, ...]:
    """Return all that a row shows, and what may be done there."""
    result, page, may = row.result, row.context["page"], row.context
    job = result.job_id
    return (
        *(column.name for column in row.context["columns"]),
        *(result.pk, result.type, result.model_id, result.label, result.what, result.tool),
        *(result.stack, result.parallelism, repr(result.metrics), result_place(result)),
        *(str(result.created_by or ""), result.created_at, result.measured_at, row.stamps),
        *(job, result.job and result.job.kind, job in page.pinned, job in page.removed),
        *(may["may_pin"], job in may["may_unpin"]),
    )


@register.simple_tag
def result_cells(row: _Row) -> SafeString:
    columns = row.context["columns"]
    drawn = ((_CELLS.get(column.name, _metric)(row, column),) for column in columns)
    return format_html_join("\n", "{}", drawn)


def _metric(row: _Row, column: Column) -> SafeString:
    if column.name == "output_tokens_per_s" and "batch_latency_mean_s" in row.result.metrics:
        return _batch(row.result)
    strong = " b" if column.name in ("output_tokens_per_s", "accuracy") else ""
    return format_html('<td class="r{}">{}</td>', strong, cell(column.metric, row.result))


def _batch(result: Result) -> SafeString:
    text = (
        '<td class="r" title="{}"><span class="pm nw">{}</span> <b class="b nw">{}</b><br>'
        '<span class="pm nw">p99 {}</span></td>'
    )
    p99 = metric("batch_latency_p99_s", result.metrics.get("batch_latency_p99_s"))
    return format_html(text, gettext("Batch latency mean"), gettext("Batch"), headline(result), p99)


def _job(row: _Row, _column: Column) -> SafeString:
    """The link, the button that keeps files; on a phone also model, flags and accuracy."""
    result, label = row.result, phrase(row.result.label)
    model = format_html("{}, {}", result.model_id, label) if label else result.model_id
    accuracy: SafeString | str = ""
    if result.type != Result.Type.BENCHMARK:
        text = ' <span class="small b nw">{} {} %</span>'
        known = bare("accuracy", result.metrics.get("accuracy"))
        accuracy = format_html(text, gettext("Accuracy"), known)
    return format_html(
        '<td><span class="nw"><a class="q b num" href="{}" data-step>{}</a>{}</span>'
        '<span class="phone">{} <span class="small sub">{}</span>{}</span></td>',
        *(reverse("result-detail", args=[result.pk]), result_name(result), _pin(row)),
        *(row.stamps, model, accuracy),
    )


def _pin(row: _Row) -> SafeString:
    job, page = row.result.job_id, row.context["page"]
    if job is None:
        return mark_safe("")
    if job in page.pinned:
        if job not in row.context["may_unpin"]:
            return icon("pin", gettext("Files kept"), True)
        hint, name = gettext("Log and files are kept"), gettext("Stop keeping files of #%(id)s")
        return _pinner(job, hint, name, on=True)
    if not row.context["may_pin"] or job in page.removed:
        return mark_safe("")
    return _pinner(job, gettext("Keep log and files"), gettext("Keep files of #%(id)s"), on=False)


def _pinner(job: int, hint: str, name: str, *, on: bool) -> SafeString:
    return format_html(
        '<button class="pinner{}" type="submit" form="pins" formaction="{}" name="pinned"'
        ' value="{}" title="{}">{}<span class="vh">{}</span></button>',
        *(" on" if on else "", reverse("job-pin", args=[job]), 0 if on else 1, hint),
        *(icon("pin", small=True), name % {"id": job}),
    )


def _model(row: _Row, _column: Column) -> SafeString:
    return format_html(
        '<td class="two-line named hide-s">{}<span class="row0 stamped">'
        '<span class="small sub nw">{}</span>{}</span></td>',
        *(middle(row.result.model_id), phrase(row.result.label), row.stamps),
    )


def _workload(row: _Row, _column: Column) -> SafeString:
    text = '<td class="two-line short hide-s"><span>{}</span><span class="small sub">{}</span></td>'
    return format_html(text, phrase(row.result.what), middle(result_place(row.result)))


def _done(row: _Row, _column: Column) -> SafeString:
    found = row.result.metrics
    name = "requests" if row.result.type == Result.Type.BENCHMARK else "questions"
    if "iterations" in found and "requests" not in found:
        name = "iterations"
    number = bare(name, found[name]) if name in found else no_value(is_other=False)
    return format_html('<td class="r sub">{}</td>', number)


def _stack(row: _Row, _column: Column) -> SafeString:
    parallelism: SafeString | str = ""
    if row.result.parallelism:
        parallelism = format_html(' <span class="dim">{}</span>', row.result.parallelism)
    text = '<td class="sub nw hide-s">{}{}</td>'
    return format_html(text, stack_name(row.result.stack), parallelism)


def _tool(row: _Row, _column: Column) -> SafeString:
    return format_html('<td class="sub nw hide-s">{}</td>', row.result.tool)


def _person(row: _Row, _column: Column) -> SafeString:
    name = str(row.result.created_by or "")
    text = '<td class="sub hide-s"><span class="cut who-name" title="{}">{}</span></td>'
    return format_html(text, name, name)


def _made(row: _Row, _column: Column) -> SafeString:
    return measured_cell(row.result)


@register.simple_tag
def measured_cell(result: Result) -> SafeString:
    """Return the cell of the time that lists are in the order of."""
    when = ago(result.created_at)
    if result.measured_at is not None:
        return format_html('<td class="r dim">{}</td>', when)
    text, why = gettext("imported"), gettext("The files have no usable date.")
    cell = '<td class="r dim">{} <span class="small" title="{}">{}</span></td>'
    return format_html(cell, when, why, text)


# Other columns are metrics.
_CELLS: Mapping[str, Callable[[_Row, Any], SafeString]] = {
    "job": _job,
    "model": _model,
    "workload": _workload,
    "done": _done,
    "stack": _stack,
    "tool": _tool,
    "person": _person,
    "made": _made,
}
