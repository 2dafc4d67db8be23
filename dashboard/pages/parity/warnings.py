"""Warnings of a parity statement: differences besides the models, and omitted sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard.pages.parity.asked import Stated
from dashboard.pages.parity.words import plain_words
from dashboard.pages.shared.comparison import barrier_words
from dashboard.pages.shared.flags import thinking_words
from dashboard.text.formatting import number, percent
from dashboard.text.labels import result_name
from jobs.queries.parity.sides import Notes
from jobs.queries.parity.warnings import Hygiene, Unequal

MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning. ``id`` names its kind, for programs."""

    id: str
    text: str


def warnings(stated: Stated) -> list[Warned]:
    """Return the limits of the statement, worst first."""
    found = []
    plain = plain_words(stated.parity.statement) if stated.parity.statement else ""
    if plain:
        found.append(Warned("means_disagree", plain))
    if stated.parity.unequal:
        found += _unequal(stated.parity.unequal, stated)
    return found + _notes(stated.parity.notes)


def _unequal(unequal: Unequal, stated: Stated) -> list[Warned]:
    found = []
    if unequal.tools:
        args = {"base": unequal.tools[0], "result": unequal.tools[1]}
        found.append(
            Warned("tool", _("Different tools: baseline %(base)s, result %(result)s.") % args)
        )
    heads = [stated.base.results[0], stated.result.results[0]]
    known = [one for one in unequal.work if not one.is_unknown]
    if known:
        names = _("; ").join(barrier_words(one, heads) for one in known)
        found.append(
            Warned(
                "work", _("Different settings, baseline / result: %(names)s.") % {"names": names}
            )
        )
    if unequal.has_import:
        found.append(
            Warned(
                "imported",
                _("Imported: prompts, sampling and token limit of the import are unknown."),
            )
        )
    elif len(known) < len(unequal.work):
        names = _("; ").join(barrier_words(one, heads) for one in unequal.work if one.is_unknown)
        found.append(Warned("unknown", _("Not recorded: %(names)s.") % {"names": names}))
    found += [Warned("hygiene", _hygiene(one)) for one in unequal.hygiene]
    if unequal.unscored:
        args = {name: number(n) for name, n in zip(("a", "b"), unequal.unscored, strict=True)}
        text = _("Answers without a score are left out: baseline %(a)s, result %(b)s.")
        found.append(Warned("unscored", text % args))
    found += [
        Warned("thinking", f"{result_name(run)}{_(': ')}{thinking_words(run)}")
        for run in unequal.unswitched
    ]
    if unequal.has_simulated:
        text = _("A simulated result is included: its metrics were not measured on hardware.")
        found.append(Warned("simulated", text))
    return found


def flag_name(flag: str) -> str:
    """Return the name of a flag of answers."""
    return {
        "answers_cut": _("Cut at the token limit"),
        "answers_open_thought": _("Unfinished reasoning"),
        "answers_not_extracted": _("No answer extracted"),
        "answers_empty": _("Empty answers"),
        "answers_failed": _("Failed requests"),
        "answers_looping": _("Answers in a loop"),
    }[flag]


def _hygiene(one: Hygiene) -> str:
    args = {
        "flag": flag_name(one.flag),
        "a": percent(one.first.value),
        "b": percent(one.second.value),
    }
    text = _("%(flag)s: baseline %(a)s %%, result %(b)s %%. Read these answers first.")
    return text % args


def _notes(notes: Notes) -> list[Warned]:
    """Return the limits of the evidence."""
    named = (
        ("version", [f"{name} {a} / {b}" for name, a, b in notes.versions]),
        ("partly", [f"{name} {common} / {all_}" for name, common, all_ in notes.partly]),
        ("apart", notes.apart),
        ("unequal", [f"{name} {a} / {b}" for name, a, b in notes.unequal]),
        ("left_out", notes.left_out),
        ("only_base", notes.only_base),
        ("only_result", notes.only_result),
        ("uncounted", notes.uncounted),
        ("unfit", notes.unfit),
        ("no_share", notes.no_share),
        ("alone", notes.alone),
        ("catalogue", notes.catalogue),
        ("declared", [name for name in notes.declared if name]),
    )
    texts = {
        "version": _(
            "Different versions of a data set, which only common questions compare: %(names)s."
        ),
        "partly": _("Common questions only: %(names)s."),
        "apart": _("Left out, no common questions: %(names)s."),
        "unequal": _("Left out, other numbers of questions: %(names)s."),
        "left_out": _("In the pasted tables, but left out: %(names)s."),
        "only_base": _("Only in the baseline, left out: %(names)s."),
        "only_result": _("Only in the result, left out: %(names)s."),
        "uncounted": _("Left out, number of questions unknown: %(names)s."),
        "unfit": _("Left out, the score is of another number of questions: %(names)s."),
        "no_share": _("Left out, no share of questions and no answers stored: %(names)s."),
        "alone": _("No answers stored: one run of several counts for %(names)s."),
        "catalogue": _("Number of questions from the catalogue: %(names)s."),
        "declared": _("Declared by name only, without a checksum of the questions: %(names)s."),
    }
    found = [
        Warned(name, texts[name] % {"names": _listed(names)}) for name, names in named if names
    ]
    if "" in notes.declared:
        text = _("Typed counts: taken as the same questions on both sides.")
        found.append(Warned("declared", text))
    return found


def _listed(names: Sequence[str]) -> str:
    shown = _(", ").join(names[:MOST_NAMES])
    rest = len(names) - MOST_NAMES
    return shown + _(" and %(n)s more") % {"n": rest} if rest > 0 else shown
