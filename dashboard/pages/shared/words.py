"""Results as text: shares, intervals, settings, identity, provenance, tables of data sets."""

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple, cast

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.text import labels
from dashboard.text.formatting import number, percent, points, size
from jobs.base import grouped
from jobs.catalog.schema import Published
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.load import INPUT, OUTPUT, measured_lengths
from jobs.models import Result
from jobs.queries.catalogue import PublishedComparison, Why, is_share
from jobs.queries.comparison.accuracy import is_accuracy
from jobs.queries.comparison.settings import NO, YES, text_of
from jobs.queries.results.listing import baseline_history
from jobs.queries.results.provenance import provenance
from jobs.queries.results.results import SORTS, Area, SetGroup, Sort, areas
from jobs.statistics import Interval

# Why a published figure cannot be compared with ours.
_WHY: dict[Why, str | Promise] = {
    "metric": gettext_lazy("the metric is not accuracy"),
    "split": gettext_lazy("different questions under the same name"),
    "prompt": gettext_lazy("different prompt"),
    "limited": gettext_lazy("first questions only"),
    "part": gettext_lazy("part of the set only"),
    "cut": gettext_lazy("some answers cut off"),
    "samples": gettext_lazy("paper: mean of several answers per question; here: one answer"),
}


def bounds_text(share: Interval) -> str:
    """Return the interval of a share in per cent: "[41.02, 51.44]"."""
    return f"[{percent(share.low)}, {percent(share.high)}]"


def gap_bounds(gap: Interval) -> str:
    """Return the interval of a difference of shares in points: "[−1.97, +1.44]"."""
    return f"[{points(gap.low)}, {points(gap.high)}]"


def gap_text(gap: Interval) -> str:
    """Return a difference of shares in points with its interval: "−2.10 [−5.30, +1.10]"."""
    return f"{points(gap.value)} {gap_bounds(gap)}"


def interval_text(interval: Interval, name: str) -> str:
    """Return the interval of a mean of the metric ``name``: "[41.02, 51.44]"."""
    if is_accuracy(name):
        return bounds_text(interval)
    low, high = (labels.metric_text(name, end)[0] for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def runs_text(runs: int) -> str:
    """Return the sample size of a mean: "of 3 runs"."""
    return ngettext("of %(n)s run", "of %(n)s runs", runs) % {"n": runs}


def failed_text(metrics: Mapping[str, Any]) -> str:
    """Return failed requests of all sent requests: "2 of 36"; "" where not measured."""
    failures, completed = (
        metrics.get(f"{name}_all", metrics.get(name)) for name in ("failed_requests", "requests")
    )
    if failures is None:
        return ""
    if completed is None:
        return number(failures, 0)
    args = {"n": number(int(failures)), "total": number(int(failures + completed))}
    return _("%(n)s of %(total)s") % args


def lengths_texts(result: Result) -> tuple[str, str]:
    """Return requested and measured token lengths: "requested 1 024 → 1 024"; "" when unknown."""
    sizes = measured_lengths(result.metrics)
    asked, was = _("requested %(lengths)s"), _("measured %(lengths)s")
    return (
        asked % {"lengths": _arrow(result.asked)} if result.asked else "",
        was % {"lengths": _arrow(sizes)} if sizes else "",
    )


def _arrow(tokens: Mapping[str, float]) -> str:
    return " → ".join(
        number(round(tokens[name])) if name in tokens else _("unknown") for name in (INPUT, OUTPUT)
    )


def setting_text(text: str, name: str) -> str:
    if name == "host":
        return labels.host_word(text)
    if name == "stack":
        return labels.stack_name(text)
    if name == "seed" and not text:
        return _("new for each concurrency and run")
    if name == "limit" and text == "0":  # of questions; 0 asks all
        return _("none")
    if name in ("precision", "what"):
        return labels.phrase(text)
    return {YES: _("yes"), NO: _("no")}.get(text, text)


def field_text(raw: Any, name: str) -> str:
    """Return a value of the form field ``name`` as text: "1, 2, 4"."""
    return setting_text(text_of(raw), name)


def published_row(comparison: PublishedComparison) -> dict[str, Any]:
    """Return a published figure, and what stands for us in per cent as text. ``how``: "976
    questions, OpenCompass 0.4.1, Deployment guide, fp8, va16-01."."""
    ours, best = comparison.latest, comparison.best
    row = {"item": comparison.published, "ours": ours, "best": best}
    if ours is None:
        return row
    why, verdict = _("; ").join(str(_WHY[name]) for name in comparison.why), ""
    if why:
        verdict = _("Not comparable: %(why)s.") % {"why": why}
    elif comparison.within is not None:
        inside = _("Published figure inside our 95 % interval.")
        outside = _("Published figure outside our 95 % interval.")
        verdict = inside if comparison.within else outside
    result, share = ours.result, ours.share
    stack = result.deployment.details.get("stack") if result.deployment else None
    count = ngettext("%(n)s question", "%(n)s questions", ours.questions) % {"n": ours.questions}
    stack = labels.stack_name(stack) if stack else ""
    parts = [count, result.tool, stack, labels.phrase(result.label)]
    return row | {
        "why": why,
        "verdict": verdict,
        "how": _(", ").join([*filter(None, parts), labels.result_place(result)]) + _("."),
        **{name: f"{100 * getattr(share, name):.1f}" for name in ("value", "low", "high")},
        "best_value": f"{100 * best.share.value:.1f}" if best else "",
    }


class PublishedSet(NamedTuple):
    """Published figures of a data set, a line a source. ``metric``: "" for an accuracy. ``row``:
    ours of :func:`published_row`, if any. ``lines``: source, why not comparable, and for each
    device its figures with their place: "inside" our interval, "above", "below", "" unknown."""

    name: str
    metric: str
    row: dict[str, Any] | None
    lines: list[tuple[str, str, list[list[tuple[Published, str]]]]]


class PublishedTable(NamedTuple):
    """Data sets, with the devices that any of them has a figure of."""

    devices: Sequence[str]
    sets: list[PublishedSet]


def published_tables(
    comparisons: Sequence[PublishedComparison],
) -> tuple[PublishedTable, PublishedTable]:
    """Return the sets that have a figure of ours, and the others."""
    items = ((one.published, one) for one in comparisons)
    groups = grouped(
        ((item.dataset, "" if is_share(item) else item.metric), one) for item, one in items
    )
    ours = {name for name, found in groups.items() if not name[1] and found[0].latest}
    measured, others = (
        {name: found for name, found in groups.items() if (name in ours) is is_ours}
        for is_ours in (True, False)
    )
    return _table(measured), _table(others)


def _table(groups: Mapping[tuple[str, str], list[PublishedComparison]]) -> PublishedTable:
    used = {one.published.device for found in groups.values() for one in found}
    devices = [device for device in _DEVICES if device in used]

    def line(found: list[PublishedComparison]) -> tuple[str, str, Any]:
        item = found[0].published
        count = ngettext("%(n)s question", "%(n)s questions", item.samples or 0)
        parts = [item.source, count % {"n": item.samples} if item.samples else ""]
        why = dict.fromkeys(str(_WHY[name]) for one in found for name in one.why)
        cells = [
            [(one.published, _placed(one)) for one in found if one.published.device == device]
            for device in devices
        ]
        return _(", ").join(filter(None, parts)), _("; ").join(why), cells

    sets = []
    for (name, metric), found in groups.items():
        sources = grouped(((one.published.source, one.published.samples), one) for one in found)
        row = published_row(found[0]) if found[0].latest and not metric else None
        sets.append(PublishedSet(name, metric, row, [line(one) for one in sources.values()]))
    return PublishedTable(devices, sets)


def _placed(one: PublishedComparison) -> str:
    if one.latest is None or one.within is None:
        return ""
    share = one.latest.share
    return (
        "inside" if one.within else "above" if one.published.value / 100 > share.high else "below"
    )


_DEVICES = ("VACC", "H800", "NVIDIA", "paper")
_GROUPS: dict[str, str | Promise] = {
    "measurement": gettext_lazy("Measurement"),
    "workload": gettext_lazy("Workload"),
    "deployment": gettext_lazy("Deployment"),
    "model": gettext_lazy("Model"),
    "engine": gettext_lazy("Engine"),
    "host": gettext_lazy("Host"),
}
_NAMES: dict[str, str | Promise] = {
    "kind": gettext_lazy("Kind"),
    "files_sha256": gettext_lazy("Data, SHA-256"),
    "config_sha256": gettext_lazy("Configuration, SHA-256"),
    "questions_sha256": gettext_lazy("Questions, SHA-256"),
    "scorer_sha256": gettext_lazy("Scoring rule, SHA-256"),
    "prompts_sha256": gettext_lazy("Prompts, SHA-256"),
    "dataset_sha256": gettext_lazy("Data set, SHA-256"),
    "weights_sha256": gettext_lazy("Weights, SHA-256"),
    "sha256": gettext_lazy("Weights, SHA-256"),
    "dies": gettext_lazy("Dies"),
    "driver": gettext_lazy("Driver"),
    "firmware": gettext_lazy("Firmware"),
    "image": gettext_lazy("Image"),
    "image_id": gettext_lazy("Image ID"),
    "engine": gettext_lazy("Engine"),
    "tool": gettext_lazy("Tool"),
    "measured_in": gettext_lazy("Tool version"),
    "host_load": gettext_lazy("Host load"),
    "concurrent_load": gettext_lazy("Also running"),
    "arguments": gettext_lazy("Engine arguments"),
    "environment": gettext_lazy("Engine version"),
    "plan": gettext_lazy("Plan"),
    "seed": gettext_lazy("Seed"),
    "workload": gettext_lazy("Workload"),
    "parallelism": gettext_lazy("Parallelism"),
    "precision": gettext_lazy("Precision"),
    "max_input": gettext_lazy("Max input length"),
    "max_total": gettext_lazy("Max model length"),
    "served": gettext_lazy("Served model"),
    **labels.EXTERNAL,
}
# Parts with several instances: type and name.
_NAMED: dict[str, str | Promise] = {
    "environment": gettext_lazy("environment %(name)s"),
    "program": gettext_lazy("program %(name)s"),
    "image": gettext_lazy("image %(name)s"),
}
# Parts chosen by the tool when left empty.
_OWN_CHOICE = frozenset(("dataset", "path"))
_SEEDS: dict[str, str | Promise] = {
    "fresh": gettext_lazy("new for each concurrency and run"),
    "none": gettext_lazy("none"),
}


class IdentityGroup(NamedTuple):
    """Section of the identity with rows (name, value); None: unknown."""

    title: str
    rows: list[tuple[str, str | None]]


def identity_rows(result: Result) -> list[IdentityGroup]:
    parts = result.identity.get("parts") or {}
    groups = []
    for group, title in _GROUPS.items():
        if parts.get(group):
            known = parts[group].items()
            rows = [(part_title(k), None if v is None else part_text(k, v)) for k, v in known]
            groups.append(IdentityGroup(str(title), rows))
    return groups


def unknown_words(result: Result) -> str:
    """Return the unknown parts that prevent grouping: "Image, Driver"; "" for none."""
    names = [name.partition(".")[2] for name in result.identity.get("unknown") or ()]
    return _(", ").join(part_title(name) for name in dict.fromkeys(names))


def told_apart(heads: Sequence[Result]) -> dict[int, str]:
    """Return what tells setups apart that look alike in a list, by result: the first part that
    differs, else the first unknown one, which keeps a run alone."""
    texts: dict[int, str] = {}
    looks = (
        (one.type, one.model_id, one.label, one.what, labels.result_place(one)) for one in heads
    )
    for alike in grouped(zip(looks, heads, strict=True)).values():
        parts = {one.pk: one.named_parts for one in alike}
        names = dict.fromkeys(name for known in parts.values() for name in known)
        told = [name for name in names if len({str(own.get(name)) for own in parts.values()}) > 1]
        for one in alike if len(alike) > 1 else ():
            name = told[0] if told else ""
            unknown = unknown_words(one).partition(_(", "))[0]
            text = f"{part_title(name)} {part_text(name, parts[one.pk].get(name))}" if name else ""
            texts[one.pk] = text or (_("%(part)s unknown") % {"part": unknown} if unknown else "")
    return texts


def part_title(name: str) -> str:
    if name in _NAMES:
        return str(_NAMES[name])
    return capfirst(_numbered(name)) or labels.setting_title(name)


def provenance_rows(result: Result) -> list[tuple[str, str | None]]:
    known = provenance(result)
    return [
        *((part_title(name), _provenance_text(name, one)) for name, one in known.parts.items()),
        *((part_title(name), None) for name in known.missing),
    ]


def part_text(name: str, value: Any) -> str:
    if name == "kind":
        return labels.kind_title(value)
    if name == "stack":
        return labels.stack_name(value)
    if name == "host":
        return labels.host_word(value)
    if name == "seed":
        kind, _colon, which = str(value).partition(": ")
        return _("fixed: %(seed)s") % {"seed": which} if which else str(_SEEDS.get(kind, kind))
    if name == evaluations.THINKING:
        return str(evaluations.THINKING_WORDS.get(value, value))
    if name in _OWN_CHOICE and value == "":
        return _("tool default")
    text = labels.phrase(_listed(text_of(value)))
    return {YES: _("yes"), NO: _("no"), "": _("none")}.get(text, text)


def _numbered(name: str) -> str:
    """Return the title of a named part: "environment llama.cpp", "image 2"; "" for other parts."""
    part, _space, which = name.partition(" ")
    return str(_NAMED[part]) % {"name": which} if which and part in _NAMED else ""


LONGEST_LIST = 20_000


def _listed(text: str) -> str:
    """Return a stored JSON list, ``["a", "b"]``, as comma-separated text."""
    try:
        items = json.loads(text) if text.startswith("[") and len(text) <= LONGEST_LIST else None
    except (ValueError, RecursionError):
        return text
    return _(", ").join(map(str, items)) if isinstance(items, list) else text


def _provenance_text(name: str, value: Any) -> str:
    if name == "host_load":
        return _load_text(value)
    if name == "concurrent_load":
        return _concurrent_load_text(value)
    if name in ("engine", "measured_in"):
        image = str(_NAMED["image"])
        return _(", ").join(
            image % {"name": version} if key == "image" else f"{_numbered(key) or key} {version}"
            for key, version in value.items()
        )
    if name == "dies":
        return _("%(n)s: %(ids)s") % {"n": len(value), "ids": _(", ").join(value)}
    return str(value)


def _load_text(load: Mapping[str, Mapping[str, float]]) -> str:
    def rounded(name: str) -> dict[str, str]:
        return {which: number(float(load[name][which])) for which in ("mean", "max")}

    parts = []
    if one := load.get("load_1m"):
        text = _("load: mean %(mean)s, max %(max)s (%(n)s samples)")
        parts.append(text % {**rounded("load_1m"), "n": one["samples"]})
    if "memory_free_bytes" in load:
        least = " ".join(size(load["memory_free_bytes"]["min"]))
        parts.append(_("free memory: min %(size)s") % {"size": least})
    if "power_w" in load:
        parts.append(_("die power: mean %(mean)s W, max %(max)s W") % rounded("power_w"))
    if "temp_c" in load:
        parts.append(_("hottest die: %(max)s °C") % rounded("temp_c"))
    return _(", ").join(parts)


def _concurrent_load_text(concurrent_load: Mapping[str, Any]) -> str:
    jobs = _(", ").join(f"#{pk}" for pk in concurrent_load["jobs"])
    names = _(", ").join(concurrent_load["deployments"])
    # Missing in results of older versions.
    chats, keys = concurrent_load.get("chats"), concurrent_load.get("keys")
    parts = [
        _("jobs %(jobs)s") % {"jobs": jobs} if jobs else "",
        _("deployments %(names)s") % {"names": names} if names else "",
        _("chat answers: %(n)s") % {"n": chats} if chats else "",
        _("keys of the gateway: %(names)s") % {"names": _(", ").join(keys)} if keys else "",
    ]
    return _(", ").join(filter(None, parts)) or _("no other work of this dashboard")


# Data sets as Markdown in the format of the deployment guide, and MMLU by area

# Placeholder for a name that the page fills in.
NAME = "{name}"


def markdown(groups: Sequence[SetGroup], name: str) -> str:
    """Return one table per group, as in the guide. A group of many sets is one row."""
    tables = []
    for group in groups:
        lines = [_row("dataset", "version", "metric", "mode", name)]
        lines.append("|----- | ----- | ----- | ----- | -----|")
        for row in () if group.is_folded else group.rows:
            lines.append(_row(row.title, row.version, row.metric, row.mode, _score(row.value)))
        if group.is_folded or group.macro is not None:
            lines.append(_mean(group))
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def mean_label(group: SetGroup, groups: Sequence[SetGroup]) -> str:
    """Return "avg" as in the guide, with the group's name when several groups exist."""
    if group.is_folded:
        args = {"name": group.name, "n": len(group.rows)}
        return _("%(name)s, avg of %(n)s") % args
    return "avg" if len(groups) == 1 else f"avg {group.name}"


def _mean(group: SetGroup) -> str:
    """Return the row of the mean: of the printed scores, with a third decimal where it is exact."""
    name = f"{group.name}, avg of {len(group.rows)}" if group.is_folded else "avg"
    printed = [Decimal(_score(row.value)) for row in group.rows if row.value is not None]
    if len(printed) < len(group.rows) or not printed:
        return _row(name, "", group.metric, group.mode, _score(group.macro))
    mean = sum(printed, Decimal()) / len(printed)
    is_exact = mean == round(mean, 3) != round(mean, 2)
    text = f"{mean:.3f}" if is_exact else f"{mean.quantize(Decimal('0.01'), ROUND_HALF_UP)}"
    return _row(name, "", group.metric, group.mode, text)


def _row(*cells: str) -> str:
    texts = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(texts)} |"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def subject_table(result: Result, group: SetGroup, sort: str) -> dict[str, Any] | None:
    """Return the areas of a group; None unless it is MMLU. ``sort``: one of ``SORTS``, else the
    score. The baseline is that of the subject, if it is another result."""
    if not group.is_folded or not areas(group, None, "name"):
        return None
    current = baseline_history(result).current
    base = current.result if current and current.result_id != result.pk else None
    chosen = cast("Sort", sort) if sort in SORTS else "score"
    if base is None and chosen == "difference":
        chosen = "score"
    words = {"score": _("score"), "difference": _("difference"), "name": _("name")}
    sorts = [(one, words[one]) for one in SORTS if base is not None or one != "difference"]
    found = areas(group, base, chosen)
    return {"areas": found, "base": base, "sort": chosen, "sorts": sorts}


def area_title(area: Area) -> str:
    titles = {
        "stem": _("STEM"),
        "humanities": _("Humanities"),
        "social": _("Social sciences"),
        "other": _("Other (business, health, misc.)"),
    }
    return titles[area.name]
