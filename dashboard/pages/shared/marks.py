"""Marks of results: flags that limit the numbers, what people added, verdicts vs the baseline."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from dashboard.pages.shared.comparison import BATCH, interval_of, size_of
from dashboard.text.formatting import day_text, joined, number
from dashboard.text.import_words import measured_text
from dashboard.text.labels import (
    host_title,
    limit_words,
    metric_label,
    phrase,
    result_name,
    result_place,
)
from dashboard.text.messages import PLAIN_REMARKS, message
from jobs.base.numbers import result_number
from jobs.models import Host, Result
from jobs.queries.comparison.history import HistoryVerdict, State, verdicts
from jobs.queries.results.answer_flags import is_doubtful, unswitched
from jobs.queries.results.listing import NONE, Organised, organised
from jobs.queries.results.provenance import device_count
from jobs.services.outcomes.shortfall import shortfall
from jobs.statistics import LEAST_RUNS

OTHER_CLIENTS = "result:other_clients"
_OF_HOST = {"result:host_loaded": "loaded", OTHER_CLIENTS: "clients"}
_SETS = "evaluate:sets"  # a remark that has a table of its own
_WORDS: Mapping[State, str | Promise] = {
    "own": gettext_lazy("baseline"),
    "uncounted": gettext_lazy("not judged"),
    "not_comparable": gettext_lazy("not comparable"),
    "cannot_tell": gettext_lazy("cannot tell"),
    "worse": pgettext_lazy("verdict", "regressed"),
    "better": pgettext_lazy("verdict", "improved"),
}


class Flag(NamedTuple):
    """A flag by its name of ``FLAG_WORDS``, and its reason as a sentence."""

    name: str
    why: str
    device: str = ""

    @property
    def word(self) -> str:
        return limit_words([self.name]) + self.device

    @property
    def style(self) -> str:
        """Class of its stamp."""
        styles = {"external": "ext", "imported": "ext", "simulated": "sim"}
        return styles.get(self.name, "dist")


def flags(result: Result, *, in_list: bool = False, has_keys: bool = True) -> list[Flag]:
    """Return flags in the order of the stamps. ``in_list``: reads no rows of imports. ``has_keys``:
    names keys of the gateway, and their persons."""
    found = []
    device = _(", ") + result.device if result.device else ""
    if result.endpoint:
        why = _("Measured on endpoint %(name)s, an engine that this dashboard did not start.")
        found.append(Flag("external", why % {"name": result.endpoint.name}, device))
    if in_list and result.imported_id is not None:
        why = _("Measured by others: read from their files")
        found.append(Flag("imported", why))
    elif result.imported:
        why = _("Measured by others, read from their file %(file)s.")
        found.append(Flag("imported", why % {"file": result.imported.name}, device))
    if result.simulated:
        why = _("mock commands on a fast clock. The numbers were not measured on hardware.")
        found.append(Flag("simulated", why))
    if result.incomplete:
        remarks = [(one["id"], one["args"]) for one in result.remarks]
        missed = shortfall(result.metrics, remarks)._asdict()
        is_evaluation = result.type == Result.Type.EVALUATION
        why = message(f"result:{'unscored' if is_evaluation else 'failed'}", missed)
        found.append(Flag("incomplete", why))
    if is_doubtful(result):
        total, faulty = (number(result.metrics[f"answers_{one}"]) for one in ("total", "faulty"))
        text = _("%(n)s of %(total)s answers are faulty (e.g. cut off). The score is doubtful.")
        found.append(Flag("faulty", text % {"n": faulty, "total": total}))
    if thinking := thinking_words(result):
        found.append(Flag("thinking", thinking))
    beside = _remarks(result, "result:beside_", has_keys=has_keys)
    if beside or (result.disturbed and not in_list):
        found.append(Flag("disturbed", beside))
    for remark in result.remarks:
        if name := _OF_HOST.get(remark["id"]):
            found.append(Flag(name, message(remark["id"], remark["args"])))
    return found


def all_flags(result: Result) -> list[Flag]:
    """Return the flags, and one of a small sample: of a number that stands for a model."""
    few = _remarks(result, ":few_")
    return [*flags(result), *([Flag("few", few)] if few else [])]


def remarks_of(result: Result) -> list[tuple[str, bool]]:
    """Return the remarks on how a result was measured, without those of its flags; True for a
    warning."""
    stated = " ".join(flag.why for flag in flags(result))
    texts = [
        (message(one["id"], one["args"]), one["id"] not in PLAIN_REMARKS)
        for one in result.remarks
        if one["id"] != _SETS
    ]
    return [(text, is_warning) for text, is_warning in texts if text not in stated]


def flag_rows(result: Result) -> list[tuple[str, str, bool]]:
    """Return flags and remarks of a result as word, reason and True for a warning."""
    found = [(flag.word, flag.why, flag.style != "ext") for flag in flags(result)]
    return found + [("", text, is_warning) for text, is_warning in remarks_of(result)]


def device_text(result: Result) -> str:
    """Return the device with its count: "8 × H800"; of a host of ours "va16-01, 32 dies"."""
    count = device_count(result)
    if result.device or not count:
        return result.device or result_place(result)
    dies = ngettext("%(n)s die", "%(n)s dies", count) % {"n": count}
    return _("%(host)s, %(dies)s") % {"host": result_place(result), "dies": dies}


def picture_of(host: Host, moment: datetime, results: Iterable[Result], *words: str) -> list[str]:
    """Return what a saved picture says of a job or matrix on ``host`` and of its results: their
    device and dates; without results those of the host and the job."""
    rows = [*results]
    limits = ["simulated"] if host.is_simulated else []
    limits += [name for result in rows for name in result.limits]
    flag = limit_words(list(dict.fromkeys(limits)))
    place = device_text(rows[0]) if rows else host_title(host)
    date = measured_text(rows) if rows else day_text(moment)
    return [_(", ").join(filter(None, [*words, place, flag, date]))]


def picture_lines(results: Iterable[Result]) -> list[str]:
    """Return what a saved picture says of each result: name, model, device, workload, flags,
    date. Without it, a simulated chart looks like a measured one."""
    lines = []
    for result in results:
        of_others = {"external": result.endpoint_id, "imported": result.imported_id}
        limits = [*(name for name, pk in of_others.items() if pk), *result.limits]
        words = [result_name(result), result.measured, phrase(result.label), device_text(result)]
        words += [
            phrase(result.what),
            limit_words(limits),
            day_text(result.measured_at) if result.measured_at else "",
        ]
        lines.append(_(", ").join(filter(None, dict.fromkeys(words))))
    return lines


def _remarks(result: Result, part: str, *, has_keys: bool = True) -> str:
    return " ".join(
        message("result:beside_gateway", {})
        if one["id"] == "result:beside_keys" and not has_keys
        else message(one["id"], one["args"])
        for one in result.remarks
        if part in one["id"]
    )


def thinking_words(result: Result) -> str:
    """Return what speaks against the thinking that a run chose; "" for nothing."""
    found = unswitched(result)
    if found is None:
        return ""
    if found.chosen == "on":
        return _(
            "Thinking was on, but no answer has reasoning: the engine may ignore the switch, or "
            "the tool dropped the reasoning."
        )
    text = ngettext(
        "Thinking was off, but %(n)s of %(total)s answers has reasoning: the engine may ignore the "
        "switch.",
        "Thinking was off, but %(n)s of %(total)s answers have reasoning: the engine may ignore "
        "the switch.",
        found.reasoned,
    )
    return text % {"n": number(found.reasoned), "total": number(found.total)}


@dataclass(frozen=True)
class Marks:
    """Marks of a result in a list, besides its numbers. A page shows each text several times."""

    added: Organised
    verdict: HistoryVerdict | None

    @cached_property
    def word(self) -> str:
        """The verdict with its size; "" for runs that are not judged."""
        verdict = self.verdict
        if verdict is None or verdict.state in ("own", "uncounted", "not_comparable"):
            return ""
        size = size_of(verdict.change, verdict.metric, _("%(n)s pt")) if verdict.change else ""
        text = _("%(verdict)s %(size)s")
        if verdict.state == "cannot_tell":
            is_wide = verdict.has_interval
            text = _("%(size)s, not significant") if is_wide else _("%(size)s, cannot tell")
        return text % {"verdict": word(verdict), "size": size}

    @cached_property
    def hint(self) -> str:
        return sentence(self.verdict) if self.verdict else ""

    @property
    def css(self) -> str:
        state = self.verdict.state if self.verdict else ""
        return {"worse": "bad", "better": "good"}.get(state, "line")


NO_MARKS = Marks(NONE, None)


def marks_of(results: Iterable[Result]) -> Mapping[int, Marks]:
    rows = list(results)
    added, judged = organised(rows), verdicts(rows)
    return {row.pk: Marks(added[row.pk], judged.get(row.pk)) for row in rows}


def word(verdict: HistoryVerdict) -> str:
    is_wide = verdict.state == "cannot_tell" and verdict.has_interval
    return _("no significant difference") if is_wide else str(_WORDS[verdict.state])


def sentence(verdict: HistoryVerdict) -> str:
    """Return the verdict with metric, size, interval and number of runs."""
    base = result_name(verdict.baseline.result)
    if verdict.state == "own":
        return _("A run of the baseline, %(base)s.") % {"base": base}
    if verdict.state == "uncounted":
        return _("Disturbed, incomplete and loaded runs are not judged.")
    if verdict.change is None:
        return _("Not comparable with the baseline %(base)s: different workloads.") % {"base": base}
    metric = metric_label(verdict.metric).lower()
    if verdict.concurrency is not None and verdict.metric != BATCH:
        at = {"metric": metric, "concurrency": verdict.concurrency}
        metric = _("%(metric)s at concurrency %(concurrency)s") % at
    args = {
        "verdict": word(verdict).capitalize(),
        "metric": metric,
        "size": size_of(verdict.change, verdict.metric),
        "interval": interval_of(verdict.change, verdict.metric),
        "base": base,
        "runs": len(verdict.runs),
        "base_runs": len(verdict.base_runs),
    }
    if not verdict.has_interval:
        text = _("%(verdict)s: %(metric)s %(size)s vs %(base)s, without an interval.")
        return joined(text % args, _missing(verdict))
    if verdict.metric == "accuracy":
        text = _("%(verdict)s: %(metric)s %(size)s vs %(base)s, 95 %% interval %(interval)s.")
        return text % args
    text = _(
        "%(verdict)s: %(metric)s %(size)s vs %(base)s, 95 %% interval %(interval)s "
        "(runs: %(base_runs)s, then %(runs)s)."
    )
    return text % args


def _missing(verdict: HistoryVerdict) -> str:
    of_base, own = verdict.more
    if not verdict.more_runs:
        return _("A value of 0 and equal runs have no interval.")
    args = {"least": LEAST_RUNS, "base": of_base, "own": own, "n": verdict.more_runs}
    if of_base and own:
        text = _(
            "%(least)s runs of each are needed: %(base)s more of the baseline, %(own)s of this."
        )
    elif of_base:
        text = ngettext(
            "%(n)s more run of the baseline is needed.",
            "%(n)s more runs of the baseline are needed.",
            of_base,
        )
    else:
        text = ngettext("%(n)s more run is needed.", "%(n)s more runs are needed.", own)
    return text % args


def as_data(verdict: HistoryVerdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    change = verdict.change
    return {
        "state": verdict.state,
        "baseline": result_name(verdict.baseline.result),
        "metric": verdict.metric or None,
        "concurrency": verdict.concurrency,
        "change": change.size if change else None,
        "is_relative": bool(change and change.is_relative),
        "low": change.low if change else None,
        "high": change.high if change else None,
        "baseline_runs": list(map(result_number, verdict.base_runs)),
        "runs": list(map(result_number, verdict.runs)),
        "more_runs": {"baseline": verdict.more[0], "result": verdict.more[1]},
        "text": sentence(verdict),
    }


def organised_fields(result: Result, marks: Marks) -> dict[str, Any]:
    return {
        "stack": result.stack,
        "parallelism": result.parallelism,
        "tags": [*marks.added.tags],
        "released": [*marks.added.released],
        "notes_count": marks.added.notes,
        "is_baseline": marks.added.is_baseline,
        "vs_baseline": as_data(marks.verdict),
    }


def compare_query(verdict: HistoryVerdict, result: Result) -> str:
    """Return the query of the comparison that the verdict is of; "" without one, and for repeats of
    the baseline: a comparison would pool both sides."""
    base = verdict.baseline.result.fingerprint
    if not verdict.runs or (base and base == result.fingerprint and len(verdict.runs) > 1):
        return ""
    groups: Sequence[Sequence[int]] = (verdict.base_runs, verdict.runs)
    if verdict.metric == "accuracy":
        return "&".join(f"id={result_number(runs[0])}" for runs in groups)
    at = "" if verdict.concurrency is None else f"&concurrency={verdict.concurrency}"
    return "&".join("group=" + ",".join(map(result_number, runs)) for runs in groups) + at
