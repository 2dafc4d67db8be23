"""Conclusion of a benchmark: headline, figures, next steps, service level, client and engine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.launch.launch_form import specs
from dashboard.pages.results.page_parts import marks_of_points
from dashboard.pages.shared import cells
from dashboard.pages.shared.cells import Cell, Heading, Table
from dashboard.pages.shared.failures import form_address
from dashboard.pages.shared.marks import OTHER_CLIENTS
from dashboard.pages.shared.words import interval_text
from dashboard.security.permissions import allowed
from dashboard.text.formatting import change_text, measured, number, percent
from dashboard.text.labels import metric_text
from jobs.kinds import KINDS
from jobs.models import Result
from jobs.queries.results.conclusion import (
    AdvisedStep,
    ClientAndEngine,
    Conclusion,
    TwoSides,
    conclude,
    judged,
    side_of,
)
from jobs.queries.results.curve import LIMIT_FIELDS, RATE, CurvePoint, limits_of, warm_ups_of
from jobs.queries.results.levels import Level, team_levels
from jobs.queries.results.provenance import per_user
from jobs.queries.results.results import ResultPage

LEVEL = "level"  # parameter of an address, and cookie
NO_LEVEL = "none"
WARNING_SHAPES = ("none", "fails", "falls")


class StepLine(NamedTuple):
    """Next step with the address that does it, "" for none."""

    text: str
    address: str = ""
    label: str = ""


class Sides(NamedTuple):
    """Client against engine. ``texts``: findings, each with True where it needs attention."""

    texts: Sequence[tuple[str, bool]]
    table: Table


class Card(NamedTuple):
    """Conclusion of several points or runs. ``figures``: numbers besides rate and latencies, the
    most telling first. Recommends no concurrency where numbers may not be quoted, or still rise."""

    conclusion: Conclusion
    headline: str
    is_warning: bool
    figures: Sequence[tuple[str, Cell]]
    steps: Sequence[StepLine]
    level_text: str


def conclusion_card(
    page: ResultPage,
    points: Sequence[CurvePoint],
    *,
    level: Level | None,
    user: AbstractBaseUser | AnonymousUser,
) -> Card | None:
    """Return the card; None without an output rate, or for one point of one run."""
    result = page.result
    if not any(RATE in point.metrics for point in page.points):
        return None
    if not points or (len(points) == 1 and len(points[0].runs) == 1):
        return None
    found = conclude(points, limits=limits_of(result.deployment), level=level)
    advises = not (result.limits or found.is_open)
    figures = _figures(found, marks_of_points(page), advises=advises)
    if not advises:
        steps = [step for step in found.steps if step.id != "use"]
        found = replace(found, recommended=None, steps=steps)
    return Card(
        conclusion=found,
        headline=headline(found),
        is_warning=found.shape in WARNING_SHAPES or found.noisiest is not None,
        figures=figures,
        steps=_step_lines(found, result, user) if result.job else [],  # others measure imports
        level_text=_level_text(found),
    )


# Next steps


def _step_lines(
    found: Conclusion, result: Result, user: AbstractBaseUser | AnonymousUser
) -> list[StepLine]:
    """Return the next steps; forms only for people who may launch."""
    may_launch = allowed(user, "job.launch")
    lines = []
    for step in found.steps:
        if step.id == "failures" and result.job_id:
            log = reverse("job-detail", args=[result.job_id])
            lines.append(StepLine(_step_text(step), log, _("Open the log")))
            continue
        address = _form(step, found, result) if may_launch else ""
        lines.append(StepLine(_step_text(step), address, _("Open the form") if address else ""))
    return lines


def _step_text(step: AdvisedStep) -> str:
    args = {"n": step.n, "values": _(", ").join(map(str, step.concurrency))}
    if step.id == "repeat":
        text = ngettext(
            "Run it %(n)s more time: an interval needs three runs.",
            "Run it %(n)s more times: an interval needs three runs.",
            step.n,
        )
        return text % args
    texts = {
        "measure_higher": _("Measure a higher concurrency: %(values)s."),
        "measure_lower": _("Measure a lower concurrency: %(values)s."),
        "measure_between": _("Measure in between for a closer value: %(values)s."),
        "measure_more": _("Measure more concurrencies: %(values)s."),
        "raise_limit": _("Raise the deployment's max concurrency, then measure again."),
        "stack_limit": _("Use another stack for more: this one supports %(n)s."),
        "use": _("Limit clients to concurrency %(n)s."),
        "failures": _("Read the log for the cause of the failures, then measure again."),
        "requests": _("Send %(n)s requests per concurrency: percentiles need them."),
        "kv_cache": _("The KV cache is full. Use shorter lengths, or more devices."),
        "queue": _("Requests mostly wait in the engine's queue. Check its limits."),
        "level": _("Concurrency 1 misses the level. Use more or faster devices."),
    }
    return texts[step.id] % args


def _form(step: AdvisedStep, found: Conclusion, result: Result) -> str:
    """Return the address of a filled form; "" without one."""
    is_limit = step.id == "raise_limit" and result.deployment is not None
    job = result.deployment.job if is_limit and result.deployment else result.job
    if job is None or job.kind not in KINDS:
        return ""
    if step.id == "repeat":
        return form_address(job)
    is_measure = step.id.startswith("measure_")
    if not (is_limit or is_measure or step.id == "requests"):
        return ""
    fields = specs(KINDS[job.kind].Params)
    if is_limit:  # of the deployment, as far as its kind permits
        name = next((name for name in LIMIT_FIELDS if name in fields and name in job.params), None)
        if name is None:
            return ""
        value = min(step.n, int(fields[name].get("maximum", step.n)))
        return form_address(job, **{name: str(value)}) if value > int(job.params[name]) else ""
    if is_measure:
        field = fields.get("concurrency", {})
        most = field.get("items", {}).get("maximum") if field.get("type") == "array" else None
        values = {value for value in step.concurrency if most is not None and value <= most}
        if not values:
            return ""
        # A conclusion is of the points of one run: the new one measures these once more.
        values |= {point.concurrency for point in found.points}
        return form_address(job, concurrency=", ".join(map(str, sorted(values))))
    return form_address(job, requests=str(step.n)) if "requests" in fields else ""


# Texts and numbers


def headline(found: Conclusion) -> str:
    """Return where throughput ended, as a sentence."""
    best, knee = found.best, found.knee
    if best is None or knee is None:
        if any(point.failed for point in found.points):
            return _("No conclusion: too many requests failed at every concurrency.")
        return _("No conclusion: no output was measured.")
    args: dict[str, Any] = {"n": knee.concurrency, "top": found.last.concurrency}
    if found.shape == "limited" and found.limit is not None:
        args["n"] = found.limit.most
        if found.limit.origin == "stack":
            return _("Not saturated: max concurrency of the stack is %(n)s.") % args
        return _("Not saturated: max concurrency of the deployment is %(n)s.") % args
    if found.shape == "fails" and found.failing is not None:
        failing = found.failing
        args |= {"at": failing.concurrency, "failed": failing.failed}
        args["total"] = failing.failed + failing.completed
        return _("Requests fail at concurrency %(at)s: %(failed)s of %(total)s.") % args
    if found.shape == "falls":
        usable = (point for point in found.points if point.is_usable)
        args["n"] = max(point.concurrency for point in usable if point.is_as_good_as(best))
    if found.shape in ("single", "flat") and found.excluded:
        texts = {
            "single": _(
                "Too many requests failed at every concurrency but %(n)s: saturation is unknown."
            ),
            "flat": _(
                "Saturated at concurrency %(n)s, the lowest without failures. More adds latency "
                "only."
            ),
        }
        return texts[found.shape] % args
    texts = {
        "single": _("Only concurrency %(n)s was measured: saturation is unknown."),
        "flat": _("Saturated at concurrency %(n)s, the lowest measured. More adds latency only."),
        "saturated": _("Saturated at concurrency %(n)s. More concurrency adds latency only."),
        "rising": _("Not saturated: throughput still rises at concurrency %(top)s, the highest."),
        "falls": _("Throughput falls above concurrency %(n)s."),
    }
    return texts[found.shape] % args


def noise_words(found: Conclusion) -> str:
    """Return why the runs differ too much for the headline; "" where they do not."""
    point = found.noisiest
    interval = point.interval(RATE) if point else None
    if point is None or interval is None:
        return ""
    args = {
        "n": point.concurrency,
        "runs": len(point.values(RATE)),
        "interval": interval_text(interval, RATE),
    }
    text = _(
        "Uncertain: at concurrency %(n)s, the 95 %% interval of the mean of %(runs)s runs is "
        "%(interval)s tok/s. Repeat on an idle host."
    )
    return text % args


def _figures(
    found: Conclusion, marks: Mapping[int, Sequence[str]], *, advises: bool
) -> list[tuple[str, Cell]]:
    best, knee = found.best, found.recommended
    if best is None:
        return []
    figures = [_recommendation(found)] if advises else []
    if found.level is not None and found.level.best is not None:
        within = rate_cell(found.level.best.point, marks)
        figures.insert(0, (_("Best within the level"), within))
    user_rate = per_user({"tpot_p50_ms": knee.mean("tpot_p50_ms")}) if knee else None
    if knee is not None and user_rate is not None:
        note = _("at concurrency %(n)s, 1 / TPOT p50") % {"n": knee.concurrency}
        figures.append((_("Per user"), Cell(*metric_text(RATE, user_rate), note=note)))
    joules = best.mean("energy_per_token_j")
    if joules is not None:
        energy = Cell(*metric_text("energy_per_token_j", joules), note=_("at the best, all dies"))
        figures.append((_("Energy per output token"), energy))
    return figures


def _recommendation(found: Conclusion) -> tuple[str, Cell]:
    label, knee = _("Recommended concurrency"), found.recommended
    if knee is None:
        is_unknown = found.level is not None and found.level.unknown
        note = _("no concurrency is known to meet the level")
        return label, Cell(_("unknown") if is_unknown else _("none"), note=note)
    fast, within = _("%(rate)s, as fast as the best"), _("%(rate)s, within the level")
    text = fast if knee is found.knee else within
    note = text % {"rate": " ".join(metric_text(RATE, knee.rate))}
    if knee is found.best:
        note = _("same as best")
    return label, Cell(str(knee.concurrency), note=note)


def rate_cell(
    point: CurvePoint, marks: Mapping[int, Sequence[str]], rate: str = RATE, why: str = ""
) -> Cell:
    """Return the output rate of a point. ``rate``: in a unit; ``why``: it has none there."""
    if point.mean(rate) is None:
        return Cell("–", note=why)
    at = _("at concurrency %(n)s") % {"n": point.concurrency} if point.concurrency else ""
    note = _(", ").join(filter(None, (at, *marks.get(point.concurrency, ()))))
    more = {"n": len(point.runs), "of": "runs", "note": note, "unit": metric_text(rate, 0.5)[1]}
    return cells.bare(rate, point.mean(rate), point.interval(rate), **more)


def _column(name: str) -> str:
    return f"{metric_words(name)}, {name.rpartition('_')[2]}"


def _level_text(found: Conclusion) -> str:
    """Return the finding on the chosen level; "" without one."""
    finding = found.level
    if finding is None or not finding.points:
        return ""
    args: dict[str, Any] = {"limits": limits_words(finding.level)}
    if not finding.is_known:
        missing = {c.metric for one in finding.points for c in one.checks if c.value is None}
        args["missing"] = _(", ").join(map(_column, sorted(missing)))
        if not missing:
            return _("%(limits)s. Unknown: the tool did not store single requests.") % args
        return _("%(limits)s. Not measured: %(missing)s.") % args
    args["unknown"] = _(", ").join(str(one.point.concurrency) for one in finding.unknown)
    if finding.best is None:
        if finding.unknown:
            return _("%(limits)s. Unknown at concurrency %(unknown)s, missed at the others.") % args
        return _("%(limits)s. No measured concurrency meets it.") % args
    args["n"] = finding.best.point.concurrency
    texts = [_("%(limits)s. Fastest that meets it: concurrency %(n)s.") % args]
    if not finding.is_binding and not finding.unknown and not found.excluded:
        texts = [_("%(limits)s. Met at every measured concurrency.") % args]
    if finding.unknown:
        texts.append(_("Unknown at concurrency %(unknown)s.") % args)
    if finding.best.goodput is not None:
        share = percent(finding.best.goodput.value)
        low, high = percent(finding.best.goodput.low), percent(finding.best.goodput.high)
        text = _("Within all limits: %(share)s %% of the requests [%(low)s, %(high)s].")
        texts.append(text % {"share": share, "low": low, "high": high})
    if not finding.best.is_certain:
        texts.append(_("Not certain: an interval includes its limit, or is unknown."))
    return " ".join(texts)


# Service levels: the chosen one, from the address or as the browser remembers it


class ChosenLevel(NamedTuple):
    """The chosen level, of ``options`` by the key that addresses have. ``key``: "" for none.
    ``is_unknown``: the address names a level that was removed or hidden."""

    options: Sequence[tuple[str, Level]]
    key: str = ""
    level: Level | None = None
    is_unknown: bool = False


def level_choice(request: HttpRequest) -> ChosenLevel:
    """Return the choice for a page. ``?level=none`` chooses none, so that a link says all."""
    options = team_levels().options()
    asked = request.GET.get(LEVEL, "")
    key = asked or request.COOKIES.get(LEVEL, "")
    known = dict(options)
    if key in known:
        return ChosenLevel(options, key, known[key])
    return ChosenLevel(options, is_unknown=bool(asked) and asked != NO_LEVEL)


def metric_words(metric: str) -> str:
    family, share, _unit = metric.split("_")
    name = family.upper() if family in ("ttft", "tpot") else _("End-to-end latency")
    return f"{name} {share}"


def limits_words(level: Level) -> str:
    """Return the limits: "TTFT p99 ≤ 450 ms, TPOT p99 ≤ 40 ms"."""
    limits = level.limits.items()
    parts = [f"{metric_words(name)} ≤ {limit_text(name, most)}" for name, most in limits]
    if level.goodput is not None:
        share = number(100 * level.goodput, _decimals(100 * level.goodput))
        parts.append(_("%(share)s %% of requests within all") % {"share": share})
    return _(", ").join(parts)


def limit_text(metric: str, most: float) -> str:
    return f"{number(most, _decimals(most))} {metric.rpartition('_')[2]}"


def _decimals(limit: float) -> int:
    """Return the decimals of a limit, which is shown as entered."""
    return next((digits for digits in range(3) if round(limit, digits) == limit), 3)


# Client against engine


def sides_of(
    points: Sequence[CurvePoint], result: Result, results: Mapping[int, Result] | None = None
) -> Sides | None:
    """Return client against engine; None where the engine reported nothing. ``results``: the result
    of a concurrency's first run, where it is not ``result``."""
    read = []
    for point in points:
        own = (results or {}).get(point.concurrency, result)
        has_others = any(remark.get("id") == OTHER_CLIENTS for remark in own.remarks)
        read.append(side_of(point, warm_ups_of(own), has_others=has_others))
    found = judged(read)
    if found is None:
        return None
    sides = found.sides

    def whole(tokens: float) -> str:
        return number(round(tokens))

    def signed(ms: float) -> str:
        return number(float(ms), signed=True)

    tokens = [
        (_("Output tokens, client"), "tokens", whole, [side.client_tokens for side in sides]),
        (_("engine"), "tokens", whole, [side.engine_tokens for side in sides]),
        (_("Difference"), "share", change_text, [side.tokens_share for side in sides]),
    ]
    ttft = [
        (_("TTFT mean, ms, client"), "ms", measured, [side.client_ttft_ms for side in sides]),
        (_("engine"), "ms", measured, [side.engine_ttft_ms for side in sides]),
        (_("Difference"), "ms", signed, [side.delay_ms for side in sides]),
    ]
    queue = [
        (_("Queue mean, ms, client"), "ms", measured, [side.client_queue_ms for side in sides]),
        (_("engine"), "ms", measured, [side.engine_queue_ms for side in sides]),
    ]
    heads = cells.words(_("Concurrency"))
    rows = [[Cell(str(side.concurrency))] for side in sides]
    for columns in (tokens, ttft, queue):
        is_known = any(value is not None for *_head, values in columns for value in values)
        for title, measure, form, values in columns if is_known or columns is tokens else ():
            heads.append(Heading(title))
            for row, value in zip(rows, values, strict=True):
                number_cell = None if value is None else Cell(form(value), "", value, measure)
                row.append(number_cell or cells.missing())
    return Sides(_findings(found), Table(_("Client and engine"), heads, rows))


def _findings(found: TwoSides) -> list[tuple[str, bool]]:
    groups: dict[tuple[str, int], list[ClientAndEngine]] = {}
    for side in found.sides:
        extra = (side.extra or 0) if side.tokens == "warm_up" else 0
        groups.setdefault((side.tokens, extra), []).append(side)
    texts = {
        "agree": _("Concurrency %(at)s: output tokens agree within 3 %%."),
        "failed": _("Concurrency %(at)s: the engine also counts tokens of failed requests."),
        "others": _("Concurrency %(at)s: other clients used the engine meanwhile."),
        "short": _("Concurrency %(at)s: too short to compare, the last readings are missing."),
        "differ": _(
            "Concurrency %(at)s: output tokens differ by %(share)s without a known cause. Check "
            "the client's tokenizer."
        ),
    }
    findings = []
    for (verdict, extra), sides in groups.items():
        shares = [side.tokens_share for side in sides if side.tokens_share is not None]
        args = {
            "at": _(", ").join(str(side.concurrency) for side in sides),
            "share": change_text(max(shares, key=abs, default=0.0)),
            "n": number(extra),
        }
        text = texts.get(verdict, "")
        if verdict == "warm_up":
            text = ngettext(
                "Concurrency %(at)s: the engine also counts %(n)s warm-up request.",
                "Concurrency %(at)s: the engine also counts %(n)s warm-up requests.",
                extra,
            )
        if text:
            findings.append((text % args, verdict == "differ"))
    if found.delay_ms is None:
        return findings
    delays = {
        "near": _("TTFT differs by %(ms)s ms: HTTP, tokenizer and network."),
        "constant": _(
            "TTFT is %(ms)s ms longer for the client, at every concurrency. Check the proxy and "
            "the network."
        ),
        "grows": _(
            "TTFT is %(ms)s ms longer for the client, not steadily. Client, proxy or API server "
            "may be overloaded."
        ),
        "once": _("TTFT is %(ms)s ms longer for the client. Check the proxy and the network."),
        "less": _("TTFT is %(ms)s ms shorter for the client: it may count an empty first chunk."),
    }
    delay = delays[found.delay] % {"ms": measured(abs(found.delay_ms))}
    return [*findings, (delay, found.delay != "near")]
