"""Verdicts vs the baseline in words, and the marks that people added to results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from dashboard.pages.shared.comparison import interval_of, size_of
from dashboard.text.formatting import joined
from dashboard.text.labels import metric_label, result_name
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.comparison.regression import State, Verdict, verdicts
from jobs.queries.results.organised import NONE, Organised, organised
from jobs.statistics import LEAST_RUNS

_WORDS: Mapping[State, str | Promise] = {
    "own": gettext_lazy("baseline"),
    "uncounted": gettext_lazy("not judged"),
    "barred": gettext_lazy("not comparable"),
    "unknown": gettext_lazy("cannot tell"),
    "regressed": pgettext_lazy("verdict", "regressed"),
    "improved": pgettext_lazy("verdict", "improved"),
    "same": gettext_lazy("no significant difference"),
}


@dataclass(frozen=True)
class Marks:
    """Marks of a result in a list, besides its numbers. A page shows each text several times."""

    added: Organised
    verdict: Verdict | None

    @cached_property
    def word(self) -> str:
        """Return the verdict in two or three words; "" where a list says nothing."""
        return list_word(self.verdict) if self.verdict else ""

    @cached_property
    def hint(self) -> str:
        """Return the verdict as a sentence."""
        return sentence(self.verdict) if self.verdict else ""

    @property
    def css(self) -> str:
        """Return the look of the verdict's stamp."""
        state = self.verdict.state if self.verdict else ""
        return {"regressed": "bad", "improved": "good"}.get(state, "line")


NO_MARKS = Marks(NONE, None)


def marks_of(results: Iterable[Result]) -> Mapping[int, Marks]:
    """Return the marks of each result, by id."""
    rows = list(results)
    added, judged = organised(rows), verdicts(rows)
    return {row.pk: Marks(added[row.pk], judged.get(row.pk)) for row in rows}


def word(verdict: Verdict) -> str:
    """Return the verdict as a title."""
    return str(_WORDS[verdict.state])


def list_word(verdict: Verdict) -> str:
    """Return the verdict with the size of the change, for the row of a list; "" for the baseline
    itself and for runs that do not count."""
    if verdict.state in ("own", "uncounted", "barred"):
        return ""
    size = size_of(verdict.change, verdict.metric, _("%(n)s pt")) if verdict.change else ""
    if verdict.state == "same":
        return _("%(size)s, not significant") % {"size": size}
    if verdict.state == "unknown":
        return _("%(size)s, cannot tell") % {"size": size}
    return _("%(verdict)s %(size)s") % {"verdict": word(verdict), "size": size}


def sentence(verdict: Verdict) -> str:
    """Return the verdict with metric, size, interval and number of runs."""
    base = result_name(verdict.baseline.result)
    if verdict.state == "own":
        return _("A run of the baseline, %(base)s.") % {"base": base}
    if verdict.state == "uncounted":
        return _("Disturbed, incomplete and loaded runs are not judged.")
    if verdict.change is None:
        return _("Not comparable with the baseline %(base)s: different workloads.") % {"base": base}
    args = {
        "verdict": word(verdict).capitalize(),
        "metric": _measured(verdict),
        "size": size_of(verdict.change, verdict.metric),
        "interval": interval_of(verdict.change, verdict.metric),
        "base": base,
        "runs": len(verdict.runs),
        "base_runs": len(verdict.base_runs),
    }
    if verdict.state == "unknown":
        text = _("%(verdict)s: %(metric)s %(size)s vs %(base)s, without an interval.")
        return joined(text % args, missing(verdict))
    if verdict.metric == "accuracy":
        text = _("%(verdict)s: %(metric)s %(size)s vs %(base)s, 95 %% interval %(interval)s.")
        return text % args
    return (
        _(
            "%(verdict)s: %(metric)s %(size)s vs %(base)s, 95 %% interval %(interval)s "
            "(runs: %(base_runs)s, then %(runs)s)."
        )
        % args
    )


def missing(verdict: Verdict) -> str:
    """Return the missing runs until there is an interval; "" when none are missing."""
    of_base, own = verdict.more
    if not verdict.more_runs:
        return _("A value of 0 and equal runs have no interval.")
    args = {"least": LEAST_RUNS, "base": of_base, "own": own, "n": verdict.more_runs}
    if of_base and own:
        text = _(
            "%(least)s runs of each are needed: %(base)s more of the baseline, %(own)s of this."
        )
        return text % args
    if of_base:
        text = ngettext(
            "%(n)s more run of the baseline is needed.",
            "%(n)s more runs of the baseline are needed.",
            of_base,
        )
        return text % args
    text = ngettext("%(n)s more run is needed.", "%(n)s more runs are needed.", own)
    return text % args


def _measured(verdict: Verdict) -> str:
    label = metric_label(verdict.metric).lower()
    if verdict.concurrency is None or verdict.metric == "batch_latency_mean_s":
        return label
    args = {"metric": label, "concurrency": verdict.concurrency}
    return _("%(metric)s at concurrency %(concurrency)s") % args


def as_data(verdict: Verdict | None) -> dict[str, Any] | None:
    """Return the verdict for the API and exports; None without a baseline."""
    if verdict is None:
        return None
    change = verdict.change
    size = None if change is None else change.absolute
    is_relative = change is not None and change.relative is not None
    return {
        "state": verdict.state,
        "baseline": result_name(verdict.baseline.result),
        "metric": verdict.metric or None,
        "concurrency": verdict.concurrency,
        "change": change.relative if change is not None and is_relative else size,
        "is_relative": is_relative,
        "low": change.low if change else None,
        "high": change.high if change else None,
        "baseline_runs": list(map(result_number, verdict.base_runs)),
        "runs": list(map(result_number, verdict.runs)),
        "more_runs": {"baseline": verdict.more[0], "result": verdict.more[1]},
        "text": sentence(verdict),
    }


def organised_fields(result: Result, marks: Marks) -> dict[str, Any]:
    """Return stack, parallelism and what people added, for the API and exports."""
    return {
        "stack": result.stack,
        "parallelism": result.parallelism,
        "tags": [tag.name for tag in marks.added.tags],
        "released": [row.purpose for row in marks.added.sign_offs],
        "notes_count": marks.added.notes,
        "is_baseline": marks.added.is_baseline,
        "vs_baseline": as_data(marks.verdict),
    }


def compare_query(verdict: Verdict, result: Result) -> str:
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
