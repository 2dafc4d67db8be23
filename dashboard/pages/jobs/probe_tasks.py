"""Tasks of confined workers: a greedy probe in words, its prompts with both answers, as CSV."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.jobs.probe_card import (
    SHOWN,
    ProbeText,
    PromptRow,
    SideText,
    Unreadable,
    side_word,
)
from dashboard.pages.shared.export import csv_text
from dashboard.text.formatting import counted, measured, number, percent
from jobs.base.errors import ParseError
from jobs.models import Job
from jobs.plans import ENGINES
from jobs.queries.jobs.job_page import ProbedEngine, sides_of
from jobs.services import outputs
from jobs.statistics import wilson
from jobs.tools.greedy_probe.commands import OUTPUT
from jobs.tools.greedy_probe.parser import EngineText, Probe, PromptPair, at_share, parse

_PAGE = 50  # prompts


def verdict(job_id: int) -> ProbeText:
    """Return the verdict without prompts. All tasks here raise ``Unreadable``."""
    _job, probe = _read(job_id)
    return _text(probe)


def page(job_id: int, show: str, after: int) -> ProbeText:
    job, probe = _read(job_id)
    sides = sides_of(job)
    pairs = [pair for pair in probe.pairs if not show or state_of(pair) == show]
    counts = dict.fromkeys(SHOWN, 0) | {"": len(probe.pairs)}
    for pair in probe.pairs:
        counts[state_of(pair)] += 1
    rest = after + _PAGE
    return replace(
        _text(probe),
        filters=tuple((name, counts[name]) for name in SHOWN if not name or counts[name]),
        rows=tuple(_row(pair, sides) for pair in pairs[after:rest]),
        after=rest if rest < len(pairs) else None,
    )


def table(job_id: int) -> str:
    _job, probe = _read(job_id)
    each = ("answer", "error", "finish", "repeats", "margin")
    about = [
        *("number", "prompt", "state", "first_different_token", "first_different_character"),
        "logprob_gap_median",
    ]
    lines: list[Sequence[Any]] = [
        [*about, *(f"{side}_{name}" for side in ENGINES for name in each)]
    ]
    for pair in probe.pairs:
        row = _pair_json(pair)
        line = [row[name] for name in about]
        for side in ENGINES:
            answer, again = row[side], row[side]["repeated"]
            line += [answer["answer"], answer["error"], answer["finish"]]
            line += [None if again is None else int(again), answer["margin"]]
        lines.append(line)
    return csv_text(lines)


def as_json(job_id: int, show: str, start: int, most: int) -> dict[str, Any]:
    """Return the answer of the API with at most ``most`` prompts from ``start`` on."""
    job, probe = _read(job_id)
    text = _text(probe)
    wanted = [pair for pair in probe.pairs if show in ("all", state_of(pair))]
    end = start + most
    gaps, high = probe.gaps, at_share(probe.gaps, 0.9)
    return {
        "job": job.pk,
        "text": text.headline,
        "remarks": list(text.texts),
        "prompts": len(probe.pairs),
        "compared": probe.compared,
        "equal": _share(probe.equal, probe.compared),
        "engines": [
            {"side": side.name, "name": side.title, "repeated": _share(*probe.repeats(side.name))}
            for side in sides_of(job)
        ],
        "first_different_token_median": probe.median_token,
        "logprob_gap": None
        if high is None
        else {"median": median(gaps), "p90": high, "tokens": len(gaps)},
        "pairs": [_pair_json(pair) for pair in wanted[start:end]],
        "next": end if end < len(wanted) else None,
    }


def _read(job_id: int) -> tuple[Job, Probe]:
    job = Job.objects.get(pk=job_id)
    try:
        return job, parse(OUTPUT, outputs.output_path(job.pk, OUTPUT).read_bytes())
    except (OSError, ParseError) as error:
        raise Unreadable(str(error)) from error


def _text(probe: Probe) -> ProbeText:
    if not probe.compared:
        headline = _("No prompt has answers of both engines.")
    else:
        share = wilson(probe.equal, probe.compared)
        text = _("%(equal)s of %(compared)s answers are equal: %(share)s %% [%(low)s, %(high)s].")
        headline = text % {
            "equal": number(probe.equal),
            "compared": number(probe.compared),
            "share": percent(share.value),
            "low": percent(share.low),
            "high": percent(share.high),
        }
    (same, asked), (same_too, asked_too) = (probe.repeats(side) for side in ENGINES)
    repeated = _("No prompt was sent twice to one engine, so differences may be its own.")
    if asked + asked_too:
        repeated = _(
            "Sent twice: the deployment repeated itself in %(same)s of %(asked)s prompts, the "
            "reference in %(same_too)s of %(asked_too)s."
        ) % {"same": same, "asked": asked, "same_too": same_too, "asked_too": asked_too}
    texts = [repeated, _conclusion(probe)]
    if probe.compared and not probe.has_tokens:
        texts.append(_("Compared by text: not both engines returned log-probabilities."))
    return ProbeText(headline, tuple(filter(None, texts)), tuple(_figures(probe)))


def state_of(pair: PromptPair) -> str:
    if not pair.is_compared:
        return "failed"
    return "equal" if pair.is_equal else "different"


def _conclusion(probe: Probe) -> str:
    if not probe.compared:
        return ""
    repeats = [probe.repeats(side) for side in ENGINES]
    if any(same < asked for same, asked in repeats):
        return _(
            "An engine that does not repeat its own answers differs by chance. Such differences "
            "say nothing about the stacks."
        )
    if not probe.different:
        return _("No difference found. This is a smoke test, not an accuracy: evaluate next.")
    if not all(asked for _same, asked in repeats):
        return ""
    return ngettext(
        "Both engines repeated themselves, and differ from each other in %(n)s answer.",
        "Both engines repeated themselves, and differ from each other in %(n)s answers.",
        probe.different,
    ) % {"n": number(probe.different)}


def _figures(probe: Probe) -> list[tuple[str, str]]:
    """Return (label, value) of numbers that were measured."""
    gaps = probe.gaps
    place, high = probe.median_token, at_share(gaps, 0.9)
    figures = []
    if place is not None:
        figures.append((_("First different token, median"), counted(place)))
    if high is not None:
        figures.append((_("Log-probability gap, median"), measured(median(gaps))))
        figures.append((_("Log-probability gap, p90"), measured(high)))
        figures.append((_("Compared tokens"), number(len(gaps))))
    return figures


def _row(pair: PromptPair, sides: Sequence[ProbedEngine]) -> PromptRow:
    texts = (_side(pair, *one) for one in zip(sides, pair.margins, strict=True))
    place = ""
    if pair.is_different and pair.token is not None:
        place = _("from token %(n)s") % {"n": number(pair.token)}
    elif pair.is_different:
        place = _("from character %(n)s") % {"n": number(pair.common_length + 1)}
    return PromptRow(pair.index + 1, pair.prompt, state_of(pair), place, tuple(texts))


def _side(pair: PromptPair, side: ProbedEngine, margin: float | None) -> SideText:
    answer: EngineText = getattr(pair, side.name)
    same = pair.common_length if pair.is_compared else len(answer.whole)
    words = ""
    if margin is not None:
        words = _("Preferred to “%(other)s” by %(margin)s.") % {
            "other": _other_token(pair, side.name),
            "margin": measured(margin),
        }
    return SideText(
        side_word(side.name),
        answer.whole[:same],
        answer.whole[same:],
        answer.error,
        words,
        getattr(pair.again, side.name, None),
    )


def _other_token(pair: PromptPair, name: str) -> str:
    """Return the token of the other engine where the answers part."""
    other = pair.reference if name == "deployment" else pair.deployment
    place = pair.token
    if place is None or not other.tokens or place > len(other.tokens):
        return ""
    return other.tokens[place - 1][0]


def _share(count: int, total: int) -> dict[str, Any] | None:
    if not total:
        return None
    found = wilson(count, total)
    bounds = {"low": found.low, "high": found.high}
    return {"count": count, "total": total, "value": found.value, **bounds}


def _pair_json(pair: PromptPair) -> dict[str, Any]:
    row = {
        "number": pair.index + 1,
        "prompt": pair.prompt,
        "state": state_of(pair),
        "first_different_token": pair.token,
        "first_different_character": pair.common_length + 1 if pair.is_different else None,
        "logprob_gap_median": median(pair.gaps) if pair.gaps else None,
    }
    for side, margin in zip(ENGINES, pair.margins, strict=True):
        answer = getattr(pair, side)
        row[side] = {
            "answer": answer.whole,
            "error": answer.error,
            "finish": answer.finish,
            "repeated": getattr(pair.again, side, None),
            "margin": margin,
        }
    return row
