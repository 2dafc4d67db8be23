"""The components that pages are made of, each written once.

``{% load ui %}``; arguments that are None show as a word, never as a dash.
"""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from django import template
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model
from django.template.defaultfilters import stringfilter
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.timezone import now
from django.utils.translation import gettext
from pydantic_core import to_json

from dashboard.actions.action import FIELD
from dashboard.charts.figure_parts import Figure
from dashboard.pages.shared import die_grid as grids
from dashboard.pages.shared.marks import Flag, all_flags, flags
from dashboard.pages.shared.plan import command_view
from dashboard.pages.shared.run_strip import run_strip
from dashboard.security.permissions import allowed
from dashboard.text import formatting, labels
from dashboard.text import queue_words as queue
from dashboard.text.formatting import halves
from dashboard.text.messages import message as message_text
from dashboard.text.messages import server_message, stalled_text
from jobs.access.accounts import role_of
from jobs.base.messages import Message
from jobs.models import Deployment, Host, Job, Result
from jobs.plans import Plan, from_json
from jobs.queries.hosts import is_away
from jobs.queries.results.repeats import headline as headline_metric
from jobs.schedule.forecast import Forecast

register = template.Library()
register.filter("state_name", labels.state_of)

# Translated words of a name or text.
register.filter("host_name", labels.host_title)
register.filter("host_word", stringfilter(labels.host_word))
register.filter("kind", stringfilter(labels.kind_title))
register.filter("metric_name", stringfilter(labels.metric_label))
register.filter("phrase", stringfilter(labels.phrase))
register.filter("result_name", labels.result_name)
register.filter("result_place", labels.result_place)
register.filter("priority_word", queue.priority_word)
register.filter("setting_name", stringfilter(labels.setting_title))
register.filter("stack_title", stringfilter(labels.stack_name))
register.filter("step_name", stringfilter(labels.step_title))
register.filter("unit_name", stringfilter(labels.unit_word))
register.simple_tag(stalled_text, name="stalled")
register.simple_tag(run_strip)

# Heights that look.css reserves, so that a page does not jump when its charts are drawn.
CHART_HEIGHTS = (72, 96, 120, 160, 200, 240, 280, 320, 360, 420)


@register.filter
def data_script(value: object, element: str) -> SafeString:
    """``value`` as JSON in a script element. Django's ``json_script`` takes four times as long."""
    content = to_json(value, inf_nan_mode="null", fallback=str).decode()
    for sign in "<>&":
        content = content.replace(sign, f"\\u{ord(sign):04X}")
    script = '<script id="{}" type="application/json">{}</script>'
    return format_html(script, element, mark_safe(content))  # noqa: S308 -- escaped above


@register.simple_tag
@lru_cache(maxsize=512)  # a page has hundreds of a few
def icon(name: str, label: str = "", small: bool = False) -> SafeString:
    """An icon of the sprite. It stands before a word, or carries a ``label``."""
    shape = '<svg class="i{}" {}><use href="{}#i-{}"/></svg>'
    return format_html(shape, " s" if small else "", _named(label), _sprite(), name)


@register.simple_tag
def shape(state: str, label: str = "") -> SafeString:
    drawn = '<svg width="14" height="14" {}><use href="{}#s-{}"/></svg>'
    return format_html(drawn, _named(label), _sprite(), labels.style_of(state).shape)


@register.filter
def state_word(name: str) -> str:
    return str(labels.style_of(name).word)


@register.simple_tag
def state(thing: Any, word: str = "") -> SafeString:
    name = labels.state_of(thing)
    look = labels.style_of(name)
    return format_html('<span class="st {}">{}{}</span>', look.css, shape(name), word or look.word)


@register.simple_tag(takes_context=True)
def may(context: template.Context, action: str, thing: Any = None) -> bool:
    return allowed(context["user"], action, thing)


@register.filter
def role(user: AbstractBaseUser) -> str:
    return str(labels.ROLES[role_of(user)])


@register.simple_tag
def idempotency_key() -> SafeString:
    """A hidden field of a form that creates jobs: a repeated post creates none."""
    # Firefox restores hidden fields of a reloaded page, without this attribute.
    field = '<input type="hidden" name="{}" value="{}" autocomplete="off">'
    return format_html(field, FIELD, secrets.token_urlsafe(16))


@register.simple_tag
def num(value: Any, unit: str = "", decimals: int | None = None) -> SafeString:
    """A number and its unit. Three significant digits for floats unless ``decimals`` are given.
    What is no number, as a host may report it, was not measured."""
    if value == "" or not isinstance(value, int | float | str):
        return _dim(gettext("not measured"))
    text = value if isinstance(value, str) else formatting.number(value, decimals)
    return as_num(text, labels.unit_word(unit))


@register.simple_tag
def rate(value: float | None) -> SafeString:
    """Tokens a second of now, which move: one decimal below a hundred, none above."""
    return num(value, "tok/s", decimals=1 if value is not None and value < 99.95 else 0)


@register.simple_tag
def metric(name: str, value: Any) -> SafeString:
    if value is None or value == "":  # a template makes "" of a metric that was not measured
        return num(None)
    return as_num(*labels.metric_text(name, value))


@register.simple_tag
def headline(result: Result) -> SafeString:
    name = headline_metric(result.type, result.metrics)
    return metric(name, result.metrics.get(name))


@register.simple_tag
def bytes(count: Any) -> SafeString:
    return as_num(*formatting.size(count)) if isinstance(count, int | float) else num(None)


@register.simple_tag
def gigabytes_per_s(rate: float | None) -> SafeString:
    return num(rate / 1e9 if rate else None)


@register.simple_tag
def duration(seconds: float | None) -> SafeString:
    if seconds is None:
        return num(None)
    return as_num(formatting.duration(seconds))


@register.simple_tag
def clock(since: datetime | None, host: Host) -> SafeString:
    """Time since then, counted on by the page; *not yet* before a start, *unknown* while ``host``
    is offline."""
    if since is None:
        return _dim(gettext("not yet"))
    if is_away(host):
        return _dim(gettext("unknown"))
    shown = formatting.duration((now() - since).total_seconds())
    return format_html('<span class="num" data-runs-since="{}">{}</span>', since.isoformat(), shown)


@register.simple_tag
def ago(when: datetime | None) -> SafeString:
    """A time past: the clock today, the day otherwise, all of it on hover."""
    if when is None:
        return _dim(gettext("not yet"))
    return _time(when, formatting.moment(when))


@register.simple_tag
def exact(when: datetime) -> SafeString:
    return _time(when, formatting.exact(when))


@register.simple_tag
def since(when: datetime | None) -> SafeString:
    """Time since ``when``: 3 s ago. The page keeps it up to date."""
    if when is None:
        return _dim(gettext("never"))
    return _time(when, formatting.since(when), " data-since")


@register.simple_tag
def message(thing: Any) -> str:
    if isinstance(thing, Message):
        return message_text(thing.id, thing.args)
    if isinstance(thing, Mapping):
        thing = {"id": thing.get("message_id"), "args": thing.get("message_args"), **thing}
        return message_text(thing["id"], thing["args"] or {}) if thing["id"] else ""
    if isinstance(thing, Deployment):
        return server_message(thing)
    return message_text(thing.message_id, thing.message_args) if thing.message_id else ""


@register.simple_tag
def starts_in(forecast: Forecast) -> str:
    """Expected start of a job, in a few words; on hover its assumptions, or why it is unknown."""
    words = capfirst(queue.starts_in(forecast))
    return format_html('<span title="{}">{}</span>', queue.starts(forecast), words)


@register.simple_tag
def priority(job: Job) -> SafeString:
    if job.priority == Job.Priority.NORMAL:
        return mark_safe("")
    css = "base" if job.priority == Job.Priority.URGENT else "line"
    word = queue.priority_word(queue.priority_name(job.priority))
    return format_html('<span class="stamp {}">{}</span>', css, word)


@register.filter
def round_s(seconds: float) -> float:
    """An estimate: to five seconds below two minutes, to a minute above."""
    step = 5 if seconds < 120 else 60
    return float(max(step, round(seconds / step) * step))


@register.simple_tag
def dies(host: Host, lease: str = "", big: bool = False) -> SafeString:
    """The die grid of a host; ``lease`` (``"0,1"``) are the dies of what the page is about."""
    return die_grid(grids.grid(host, [name for name in lease.split(",") if name]), big=big)


@register.simple_tag
def die_grid(grid: grids.Grid, big: bool = False) -> SafeString:
    if not grid.cells:
        return mark_safe("")
    text = '<span class="dies{}" role="img" aria-label="{}">{}</span>'
    return format_html(text, " big" if big else "", grid.label, _die_cells(tuple(grid.cells)))


@lru_cache(maxsize=256)  # each page has those of all hosts
def _die_cells(cells: tuple[str, ...]) -> SafeString:
    return format_html_join("", '<i class="{}"></i>', ((cell,) for cell in cells))


@register.simple_tag
def stamps(
    result: Result, *, stands_for_a_model: bool = False, without_limits: bool = False
) -> SafeString:
    """Flags of a result; of a number that stands for a model also that of a small sample.
    ``without_limits``: those in words stand in a title."""
    found = all_flags(result) if stands_for_a_model else flags(result, in_list=True)
    if without_limits:
        found = [flag for flag in found if flag.name not in result.limits]
    rows = ((flag.style, flag.why, flag.word) for flag in found)
    return format_html_join("\n", '<span class="stamp {}" title="{}">{}</span>', rows)


@register.simple_tag
def limit_stamps(results: Collection[Result]) -> SafeString:
    """Flags of the results of a conclusion, each once; those of some results with their count."""
    found = Counter(
        name
        for result in results
        for name, is_so in (
            ("external", result.endpoint_id),
            ("imported", result.imported_id),
            *((limit, True) for limit in result.limits),
        )
        if is_so
    )
    rows = (
        (flag.style, flag.word if n == len(results) else f"{flag.word} {n}/{len(results)}")
        for flag, n in ((Flag(name, ""), n) for name, n in found.items())
    )
    return format_html_join("\n", '<span class="stamp {}">{}</span>', rows)


@register.inclusion_tag("_command.html")
def command(
    plan: Plan | Mapping[str, Any],
    values: Mapping[str, str] | None = None,
    proposed: Mapping[str, str] | None = None,
    before: Plan | None = None,
) -> dict[str, Any]:
    """A plan to read: steps, files, slots. ``proposed`` values are chosen when the job starts."""
    whole = plan if isinstance(plan, Plan) else from_json(plan)
    return {"view": command_view(whole, values or {}, proposed=proposed, before=before)}


@register.inclusion_tag("_chart.html")
def chart(figure: Figure, height: int, label: str, id: str, csv: str = "") -> dict[str, Any]:
    """A figure of ``dashboard/charts``, drawn by charts.js in ``height`` pixels. ``label`` says
    what it shows; ``csv`` is an address that has its numbers with what they are of, else what is
    drawn is saved."""
    reserved = min((h for h in CHART_HEIGHTS if h >= height), default=CHART_HEIGHTS[-1])
    shown = {"figure": figure.to_plotly_json(), "height": height, "reserved": reserved}
    return shown | {"label": label, "id": id, "data_id": f"{id}-data", "csv": csv}


@register.simple_tag
def middle(name: str) -> SafeString:
    """A name that is cut in its middle where room is short: its end tells variants apart."""
    text = '<span class="mid" title="{}"><span>{}</span><span>{}</span></span>'
    return format_html(text, name, *halves(name))


@register.simple_tag
def progress(done: float | None, total: float | None, state: str = "running") -> SafeString:
    """A bar: how much of ``total`` is done. Nothing where that is not known."""
    if done is None or not total:
        return mark_safe("")
    share = min(100, max(0, round(100 * done / total)))
    bar = '<svg class="prog {}" role="img" aria-label="{} %"><rect width="{}%" height="100%"/>'
    return format_html(bar + "</svg>", labels.style_of(state).css, share, share)


@register.simple_tag
def line_share(share: float) -> SafeString:
    """The line under a step that runs, ``share`` (0 to 1) of it drawn."""
    line = '<svg class="share" aria-hidden="true"><rect width="{}%" height="100%"/></svg>'
    return format_html(line, round(100 * share, 1))


@register.simple_tag
def meter(share: float, level: str = "") -> SafeString:
    """A small bar in a cell, ``share`` from 0 to 1; level "hi" or "over" where it is too much."""
    bar = '<svg class="meter {}" aria-hidden="true"><rect width="{}%" height="100%"/></svg>'
    return format_html(bar, level, min(100, max(0, round(100 * share))))


@register.simple_tag
def spark(values: Sequence[float], label: str, judged: str = "") -> SafeString:
    """Return the last runs as a line, oldest first, with a dot on the last one; "" for fewer than
    two. ``judged``: "better" or "worse" for the last one."""
    if len(values) < 2:
        return mark_safe("")
    width, height, low, high = 72, 20, min(values), max(values)
    spread, step = (high - low) or 1.0, (width - 4) / (len(values) - 1)
    points = [
        (f"{2 + index * step:.1f}", f"{height - 2 - (height - 4) * (value - low) / spread:.1f}")
        for index, value in enumerate(values)
    ]
    return format_html(
        '<svg class="spark {}" viewBox="0 0 72 20" role="img" aria-label="{}">'
        '<polyline points="{}"/><circle cx="{}" cy="{}" r="2"/></svg>',
        *(judged, label, " ".join(map(",".join, points)), *points[-1]),
    )


@register.simple_tag
def area(values: Sequence[float | None], label: str) -> SafeString:
    """Return a rate over the last minutes as an area from zero, oldest first; None is a gap."""
    width, height = 240, 34
    top = max((value for value in values if value is not None), default=0.0)
    step = width / max(1, len(values) - 1)
    runs: list[list[str]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if not runs or values[index - 1] is None:
            runs.append([])
        risen = (height - 3) * value / top if top else 0
        runs[-1].append(f"{index * step:.1f} {height - 1 - risen:.1f}")
    lines = [run if len(run) > 1 else run * 2 for run in runs]

    def foot(point: str) -> str:
        return f"{point.partition(' ')[0]} {height}"

    return format_html(
        '<svg class="area" viewBox="0 0 240 34" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path class="f" d="{}"/><path class="s" d="{}"/></svg>',
        label,
        "".join(f"M{foot(run[0])}L{'L'.join(run)}L{foot(run[-1])}Z" for run in lines),
        "".join(f"M{'L'.join(run)}" for run in lines),
    )


@register.simple_tag
def person(user: AbstractBaseUser | None) -> SafeString:
    if user is None:
        return _dim(gettext("unknown person"))
    text = '<span class="row0"><span class="who" aria-hidden="true">{}</span>{}</span>'
    return format_html(text, initial(user), middle(user.get_username()))


@register.filter
def initial(user: AbstractBaseUser) -> str:
    return user.get_username()[:1].upper()


@register.filter
def live(thing: Job | Model) -> str:
    """Return the topic of notifications about a record, for ``data-live``: "job:17"."""
    return f"{type(thing).__name__.lower()}:{thing.pk}"


@register.filter
def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@cache
def _sprite() -> str:
    return static("icons.svg")


def _dim(text: str) -> SafeString:
    return format_html('<span class="dim">{}</span>', text)


def as_num(text: str, unit: str = "") -> SafeString:
    if not unit:
        return format_html('<span class="num">{}</span>', text)
    return format_html('<span class="num">{}<span class="u">{}</span></span>', text, unit)


def _time(when: datetime, text: str, extra: str = "") -> SafeString:
    return format_html(
        '<time class="num" datetime="{}" title="{}"{}>{}</time>',
        when.isoformat(),
        formatting.full_moment(when),
        mark_safe(extra),  # noqa: S308 -- of this module
        text,
    )


def _named(label: str) -> SafeString:
    if not label:
        return mark_safe('aria-hidden="true"')
    return format_html('role="img" aria-label="{}"', label)
