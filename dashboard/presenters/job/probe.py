"""Greedy probe: verdict in words, prompts with both answers, CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.presenters.result.export import as_csv
from dashboard.text.formatting import counted, measured, number, percent
from jobs.errors import ParseError
from jobs.models import Job
from jobs.parsers.probe import Answer, Pair, Probe, at_share, parse
from jobs.plans import ENGINES
from jobs.queries.jobs.probe import Side, sides_of
from jobs.queries.statistics import wilson
from jobs.services import outputs
from jobs.toolchains.greedy_probe import KIND, OUTPUT

SHOWN = ("", "different", "equal", "failed")
_PAGE = 50  # prompts
_READ_MAX = 64 * 1024 * 1024  # bytes of the output


@dataclass(frozen=True, slots=True)
class SideText:
    """Answer of one engine: ``common`` is equal in both, ``rest`` is not. ``margin``: by how much
    the engine preferred its own token, in words; "" where unknown."""

    title: str
    common: str
    rest: str
    error: str
    margin: str
    repeats: bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt. ``state``: "equal", "different" or "failed"; ``place`` in words, or ""."""

    number: int
    prompt: str
    state: str
    place: str
    sides: tuple[SideText, ...]


@dataclass(frozen=True, slots=True)
class ProbeView:
    """A probe for people. ``filters``: (value, count); ``after``: where the next page begins."""

    probe: Probe
    sides: tuple[Side, ...]
    headline: str
    texts: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    filters: tuple[tuple[str, int], ...] = ()
    rows: tuple[Row, ...] = ()
    after: int | None = None


def probe_of(job: Job) -> Probe | None:
    """Return the comparison of a job; None for other jobs, and without a readable output."""
    if job.kind != KIND or job.removed_at is not None:
        return None
    known = job.outputs.filter(path=OUTPUT).first()
    if known is None or not known.is_whole or known.bytes > _READ_MAX:
        return None
    try:
        return parse(OUTPUT, outputs.output_path(job.pk, OUTPUT).read_bytes())
    except (OSError, ParseError):
        return None


def verdict_of(job: Job) -> ProbeView | None:
    """Return the verdict without prompts: the page of the job shows it."""
    probe = probe_of(job)
    if probe is None:
        return None
    texts = (_repeated(probe), _conclusion(probe), _by_text(probe))
    return ProbeView(
        probe,
        sides_of(job),
        _headline(probe),
        tuple(text for text in texts if text),
        tuple(_figures(probe)),
    )


def page_of(job: Job, show: str, after: int) -> ProbeView | None:
    """Return the whole page: prompts in the state ``show``, from number ``after`` on."""
    view = verdict_of(job)
    if view is None:
        return None
    pairs = [pair for pair in view.probe.pairs if not show or state_of(pair) == show]
    counts = dict.fromkeys(SHOWN, 0) | {"": len(view.probe.pairs)}
    for pair in view.probe.pairs:
        counts[state_of(pair)] += 1
    shown = pairs[after : after + _PAGE]
    rest = after + _PAGE
    return ProbeView(
        view.probe,
        view.sides,
        view.headline,
        view.texts,
        view.figures,
        tuple((name, counts[name]) for name in SHOWN if not name or counts[name]),
        tuple(_row(pair, view.sides) for pair in shown),
        rest if rest < len(pairs) else None,
    )


def side_word(name: str) -> str:
    """Return the word for one of the two engines."""
    return _("Deployment") if name == "deployment" else _("Reference engine")


def probe_csv(job: Job, probe: Probe) -> HttpResponse:
    """Return a line a prompt."""
    head = ("number", "prompt", "state", "first_different_token", "first_different_character")
    each = ("answer", "error", "finish", "repeats", "margin")
    lines: list[Sequence[Any]] = [
        [*head, "logprob_gap_median", *(f"{side}_{name}" for side in ENGINES for name in each)]
    ]
    for pair in probe.pairs:
        gap = median(pair.gaps) if pair.gaps else ""
        letter = pair.common_length + 1 if pair.is_different else ""
        line = [pair.index + 1, pair.prompt, state_of(pair), pair.token or "", letter, gap]
        for side, margin in zip(ENGINES, pair.margins, strict=True):
            answer, again = getattr(pair, side), getattr(pair.again, side, None)
            line += [answer.whole, answer.error, answer.finish]
            line += ["" if again is None else int(again), "" if margin is None else margin]
        lines.append(line)
    response = as_csv(lines)
    response["Content-Disposition"] = f'attachment; filename="probe-{job.pk}.csv"'
    return response


def state_of(pair: Pair) -> str:
    """Return "equal", "different" or "failed"."""
    if not pair.is_compared:
        return "failed"
    return "equal" if pair.is_equal else "different"


def _headline(probe: Probe) -> str:
    if not probe.compared:
        return _("No prompt has answers of both engines.")
    share = wilson(probe.equal, probe.compared)
    return _("%(equal)s of %(compared)s answers are equal: %(share)s %% [%(low)s, %(high)s].") % {
        "equal": number(probe.equal),
        "compared": number(probe.compared),
        "share": percent(share.value),
        "low": percent(share.low),
        "high": percent(share.high),
    }


def _repeated(probe: Probe) -> str:
    """Return the repeatability of both engines, in words."""
    (same, asked), (same_too, asked_too) = (probe.repeats(side) for side in ENGINES)
    if not asked + asked_too:
        return _("No prompt was sent twice to one engine, so differences may be its own.")
    args = {"same": same, "asked": asked, "same_too": same_too, "asked_too": asked_too}
    return (
        _(
            "Sent twice: the deployment repeated itself in %(same)s of %(asked)s prompts, the "
            "reference in %(same_too)s of %(asked_too)s."
        )
        % args
    )


def _conclusion(probe: Probe) -> str:
    """Return the meaning of the counts."""
    if not probe.compared:
        return ""
    repeats = [probe.repeats(side) for side in ENGINES]
    if any(same < asked for same, asked in repeats):
        return _(
            "An engine that does not repeat itself makes differences of its own: they say little "
            "about the stacks."
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


def _by_text(probe: Probe) -> str:
    if not probe.compared or probe.has_tokens:
        return ""
    return _("Compared by text: not both engines returned log-probabilities.")


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


def _row(pair: Pair, sides: Sequence[Side]) -> Row:
    answers = [getattr(pair, side.name) for side in sides]
    others = [_other_token(pair, name) for name in ENGINES]
    return Row(
        pair.index + 1,
        pair.prompt,
        state_of(pair),
        _place(pair),
        tuple(
            _side(pair, side, answer, margin, other)
            for side, answer, margin, other in zip(
                sides, answers, pair.margins, others, strict=True
            )
        ),
    )


def _side(pair: Pair, side: Side, answer: Answer, margin: float | None, other: str) -> SideText:
    same = pair.common_length if pair.is_compared else len(answer.whole)
    words = ""
    if margin is not None:
        words = _("Preferred to “%(other)s” by %(margin)s.") % {
            "other": other,
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


def _other_token(pair: Pair, name: str) -> str:
    """Return the token of the other engine where the answers part."""
    other = pair.reference if name == "deployment" else pair.deployment
    place = pair.token
    if place is None or not other.tokens or place > len(other.tokens):
        return ""
    return other.tokens[place - 1][0]


def _place(pair: Pair) -> str:
    if not pair.is_different:
        return ""
    if pair.token is not None:
        return _("from token %(n)s") % {"n": number(pair.token)}
    return _("from character %(n)s") % {"n": number(pair.common_length + 1)}
