"""Conclusion card of a benchmark: headline, figures, next steps, latencies by concurrency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.results.client_vs_engine import SidesTable, sides_table
from dashboard.pages.results.levels import check_words, limits_words, metric_words
from dashboard.pages.results.page_parts import marks_of_points
from dashboard.pages.shared.remedies import form_address
from dashboard.pages.shared.words import interval_text
from dashboard.security.permissions import allowed
from dashboard.text.formatting import number, percent
from dashboard.text.labels import metric_text
from jobs.kinds import KINDS
from jobs.models import Job, Result
from jobs.queries.results.conclusion import Conclusion, Step, conclude
from jobs.queries.results.curve import LIMIT_FIELDS, RATE, CurvePoint, limits_of
from jobs.queries.results.levels import FAMILIES, Level, LevelPoint
from jobs.queries.results.provenance import device_count, per_device, per_user
from jobs.queries.results.results import ResultPage
from jobs.statistics import LEAST_RUNS, Interval, least_samples

_MEASURES = ("measure_higher", "measure_lower", "measure_between", "measure_more")


@dataclass(frozen=True, slots=True)
class StepLine:
    """Next step with the address that does it, "" for none."""

    text: str
    address: str = ""
    label: str = ""


def step_lines(
    found: Conclusion, result: Result, user: AbstractBaseUser | AnonymousUser
) -> list[StepLine]:
    """Return the next steps; forms only for people who may launch."""
    may_launch = allowed(user, "job.launch")
    lines = []
    for step in found.steps:
        address, label = _form(step, found, result) if may_launch else ("", "")
        if step.id == "failures" and result.job_id:
            address, label = reverse("job-detail", args=[result.job_id]), _("Open the log")
        text = _step_text(step, found)
        if text:
            lines.append(StepLine(text, address, label))
    return lines


def _step_text(step: Step, found: Conclusion) -> str:
    args: dict[str, Any] = {"n": step.n, "values": _(", ").join(map(str, step.concurrency))}
    if step.id == "repeat":
        text = ngettext(
            "Run it %(n)s more time: an interval needs three runs.",
            "Run it %(n)s more times: an interval needs three runs.",
            step.n,
        )
        return text % args
    if step.id == "raise_limit":
        return _("Raise the deployment's max concurrency, then measure again.")
    texts = {
        "measure_higher": _("Measure a higher concurrency: %(values)s."),
        "measure_lower": _("Measure a lower concurrency: %(values)s."),
        "measure_between": _("Measure in between for a closer value: %(values)s."),
        "measure_more": _("Measure more concurrencies: %(values)s."),
        "stack_limit": _("Use another stack for more: this one supports %(n)s."),
        "use": _("Limit clients to concurrency %(n)s."),
        "failures": _("Read the log for the cause of the failures, then measure again."),
        "requests": _("Send %(n)s requests per concurrency: percentiles need them."),
        "kv_cache": _("The KV cache is full. Use shorter lengths, or more devices."),
        "queue": _("Requests mostly wait in the engine's queue. Check its limits."),
        "level": _("Concurrency 1 misses the level. Use more or faster devices."),
    }
    return texts[step.id] % args


def _form(step: Step, found: Conclusion, result: Result) -> tuple[str, str]:
    """Return the address of a filled form and its label; "" without one."""
    if step.id == "raise_limit" and result.deployment is not None:
        return _raised(result.deployment.job, step.n)
    job = result.job
    if job is None or job.kind not in KINDS:
        return "", ""
    if step.id in _MEASURES:
        # The values that the kind's field takes.
        field = KINDS[job.kind].Params.model_json_schema()["properties"].get("concurrency", {})
        most = field.get("items", {}).get("maximum") if field.get("type") == "array" else None
        values = [] if most is None else [value for value in step.concurrency if value <= most]
        if not values:
            return "", ""
        # A conclusion is of the points of one run: the new one measures these once more.
        values = sorted({*values, *(point.concurrency for point in found.points)})
        return form_address(job, concurrency=", ".join(map(str, values))), _("Open the form")
    if step.id == "requests" and "requests" in KINDS[job.kind].Params.model_fields:
        return form_address(job, requests=str(step.n)), _("Open the form")
    if step.id == "repeat":
        return form_address(job), _("Open the form")
    return "", ""


def _raised(job: Job, most: int) -> tuple[str, str]:
    """Return the form of the deployment with a higher limit, as far as its kind permits."""
    kind = KINDS.get(job.kind)
    fields = kind.Params.model_json_schema()["properties"] if kind else {}
    name = next((name for name in LIMIT_FIELDS if name in fields and name in job.params), None)
    if name is None:
        return "", ""
    value = min(most, int(fields[name].get("maximum", most)))
    is_higher = value > int(job.params[name])
    return (form_address(job, **{name: str(value)}), _("Open the form")) if is_higher else ("", "")


_SHARES = ("p50", "p90", "p99")
WARNING_SHAPES = ("none", "fails", "falls")


@dataclass(frozen=True, slots=True)
class Figure:
    """Figure of the card: label, value with unit, its interval, what it is of.

    ``point``: the point that a rate is of.
    """

    label: str
    text: str
    unit: str = ""
    interval: str = ""
    note: str = ""
    point: CurvePoint | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Concurrency of the table. ``cells``: (value, interval) by column; "" where not measured.
    ``marks``: what limits its numbers."""

    point: CurvePoint
    rate: tuple[str, str]
    cells: Sequence[tuple[str, str]]
    verdict: LevelPoint | None
    why: str
    is_best: bool
    is_recommended: bool
    marks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Card:
    """Conclusion card. ``columns``: latency columns, of the metrics ``names``; ``remarks``: what
    the intervals are of."""

    conclusion: Conclusion
    headline: str
    is_warning: bool
    figures: Sequence[Figure]
    steps: Sequence[StepLine]
    names: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Row]
    remarks: Sequence[str]
    level_text: str
    sides: SidesTable | None


def conclusion_card(
    page: ResultPage,
    points: Sequence[CurvePoint],
    *,
    level: Level | None,
    user: AbstractBaseUser | AnonymousUser,
) -> Card | None:
    """Return the card; None without an output rate, or for one point of one run."""
    result = page.result
    if result.type != Result.Type.BENCHMARK or not any(RATE in p.metrics for p in page.points):
        return None
    if not points or (len(points) == 1 and len(points[0].runs) == 1):
        return None
    found = conclude(points, limits=limits_of(result.deployment), level=level)
    marks = marks_of_points(page)
    columns = [f"{name}_{share}_{unit}" for name, unit in FAMILIES.items() for share in _SHARES]
    names = [name for name in columns if any(point.mean(name) is not None for point in points)]
    return Card(
        conclusion=found,
        headline=headline(found),
        is_warning=found.shape in WARNING_SHAPES or found.noisiest is not None,
        figures=_figures(found, result, marks),
        steps=step_lines(found, result, user) if result.job else [],  # others measure imports
        names=names,
        columns=[_column(name) for name in names],
        rows=_rows(found, names, marks),
        remarks=_remarks(found, names),
        level_text=_level_text(found),
        sides=sides_table(points, result),
    )


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


def _figures(found: Conclusion, result: Result, marks: Mapping[int, Sequence[str]]) -> list[Figure]:
    best, knee = found.best, found.recommended
    if best is None:
        return []
    figures = [rate_figure(_("Best throughput"), best, marks), _recommendation(found)]
    if found.level is not None and found.level.best is not None:
        figures.append(rate_figure(_("Best within the level"), found.level.best.point, marks))
    count = device_count(result)
    each = per_device(best.rate, count)
    if each is not None:
        text, unit = metric_text(RATE, each)
        note = ngettext("%(n)s device", "%(n)s devices", count or 0) % {"n": count}
        figures.append(Figure(_("Per device, at the best"), text, unit, note=note))
    user_rate = per_user({"tpot_p50_ms": knee.mean("tpot_p50_ms")}) if knee else None
    if knee is not None and user_rate is not None:
        text, unit = metric_text(RATE, user_rate)
        note = _("at concurrency %(n)s, 1 / TPOT p50") % {"n": knee.concurrency}
        figures.append(Figure(_("Per user"), text, unit, note=note))
    joules = best.mean("energy_per_token_j")
    if joules is not None:
        figure = metric_text("energy_per_token_j", joules)
        figures.append(
            Figure(_("Energy per output token"), *figure, note=_("at the best, all dies"))
        )
    return figures


def _recommendation(found: Conclusion) -> Figure:
    """Return the recommended concurrency and why."""
    label, knee = _("Recommended concurrency"), found.recommended
    if knee is None:
        is_unknown = found.level is not None and found.level.unknown
        note = _("no concurrency is known to meet the level")
        return Figure(label, _("unknown") if is_unknown else _("none"), note=note)
    fast, within = _("%(rate)s, as fast as the best"), _("%(rate)s, within the level")
    text = fast if knee is found.knee else within
    note = text % {"rate": " ".join(metric_text(RATE, knee.rate))}
    if knee is found.best:
        note = _("the best itself")
    return Figure(label, str(knee.concurrency), note=note)


def rate_figure(label: str, point: CurvePoint, marks: Mapping[int, Sequence[str]]) -> Figure:
    """Return the mean rate of a point with its interval, and with what limits it."""
    text, unit = metric_text(RATE, point.rate)
    at = _("at concurrency %(n)s") % {"n": point.concurrency}
    note = _(", ").join((at, *marks.get(point.concurrency, ())))
    return Figure(label, text, unit, _bounds(point.interval(RATE), RATE), note, point)


def _bounds(interval: Interval | None, name: str) -> str:
    return interval_text(interval, name) if interval else ""


def _column(name: str) -> str:
    return f"{metric_words(name)}, {name.rpartition('_')[2]}"


def _rows(found: Conclusion, names: Sequence[str], marks: Mapping[int, Sequence[str]]) -> list[Row]:
    against = {one.point.concurrency: one for one in found.level.points} if found.level else {}
    rows = []
    for point in found.points:
        verdict = against.get(point.concurrency)
        rate = metric_text(RATE, point.rate)[0] if point.rate else ""
        rows.append(
            Row(
                point,
                (rate, _bounds(point.interval(RATE), RATE)),
                [_cell(point, name) for name in names],
                verdict,
                check_words(verdict) if verdict else "",
                is_best=point is found.best,
                is_recommended=point is found.recommended,
                marks=marks.get(point.concurrency, ()),
            )
        )
    return rows


def _cell(point: CurvePoint, name: str) -> tuple[str, str]:
    value = point.mean(name)
    if value is None:
        return "", ""
    return metric_text(name, value)[0], _bounds(point.interval(name), name)


def _remarks(found: Conclusion, names: Sequence[str]) -> list[str]:
    """Return what the intervals are of, and which percentiles have too few requests for one."""
    remarks = [noise] if (noise := noise_words(found)) else []
    if any(len(point.runs) >= LEAST_RUNS for point in found.points):
        remarks.append(_("Intervals: 95 %, of the mean of three or more runs."))
    elif any(point.quantiles for point in found.points):
        remarks.append(_("Intervals: 95 %, distribution-free, over the requests of this point."))
    elif names:
        remarks.append(_("No intervals: the tool stored percentiles only, and fewer than 3 runs."))
    fewest = min((p.completed for p in found.points if p.completed), default=0)
    shares = sorted({name.split("_")[1] for name in names})
    short = [one for one in shares if fewest and least_samples(int(one[1:]) / 100) > fewest]
    if short:
        args = {
            "shares": _(", ").join(short),
            "n": number(fewest),
            "least": number(max(least_samples(int(one[1:]) / 100) for one in short)),
        }
        text = _("Few samples: %(n)s requests. A bound of %(shares)s needs %(least)s.")
        remarks.append(text % args)
    return remarks


def _level_text(found: Conclusion) -> str:
    """Return the finding on the chosen level; "" without one."""
    finding = found.level
    if finding is None or not finding.points:
        return ""
    args: dict[str, Any] = {"limits": limits_words(finding.level)}
    if not finding.is_known:
        missing = {c.metric for one in finding.points for c in one.checks if c.value is None}
        args["missing"] = _(", ").join(_column(name) for name in sorted(missing))
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
