"""Messages on data sets and their files."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

QUESTION_MESSAGES: dict[str, str | Promise] = {
    # Last look of an evaluation that may stop early.
    "evaluate:look_equivalent": _(
        "Decided after %(asked)s of %(questions)s questions: equivalent to %(baseline)s within "
        "±%(margin)s points. Difference %(gap)s points [%(low)s, %(high)s]."
    ),
    "evaluate:look_better": _(
        "Decided after %(asked)s of %(questions)s questions: better than %(baseline)s. "
        "Difference %(gap)s points [%(low)s, %(high)s]."
    ),
    "evaluate:look_worse": _(
        "Decided after %(asked)s of %(questions)s questions: worse than %(baseline)s. "
        "Difference %(gap)s points [%(low)s, %(high)s]."
    ),
    "evaluate:look_not_worse": _(
        "Decided after %(asked)s of %(questions)s questions: not worse than %(baseline)s by more "
        "than %(margin)s points. Difference %(gap)s points [%(low)s, %(high)s]."
    ),
    "evaluate:look_cannot_tell": _(
        "No early stop: after all %(questions)s questions the comparison with %(baseline)s is not "
        "decided at a margin of ±%(margin)s points. Difference %(gap)s points [%(low)s, %(high)s]."
    ),
    # Why the questions of an evaluation cannot be saved as a set.
    "questions:none": _("No questions to save."),
    "questions:no_match": _("No answer matches the filters. Change them."),
    "questions:imported": _(
        "Imported: its files have no questions with choices and rules. Evaluate with a question "
        "set to save questions."
    ),
    "questions:of_tool": _(
        "%(tool)s asked a data set of its own, with its own prompts and scoring. Only included "
        "questions and sets of the team can be saved."
    ),
    "questions:set_gone": _("Question set %(key)s is not on this dashboard."),
    "questions:changed_since": _(
        "The questions changed since: none is in %(key)s with the same text and answer."
    ),
    "questions:filter": _("Unknown filter: %(name)s."),
    "questions:no_base": _("Choose the result against which the answers changed."),
    "check:data_files": _("%(tool)s: %(path)s, %(files)s files, %(size)s."),
    "check:data_files_many": _("%(tool)s: %(path)s, more than %(files)s files."),
    "check:data_files_missing": _("%(tool)s: not found, %(path)s."),
    "check:data_set": _("%(name)s: %(path)s has data."),
    "check:data_set_missing": _(
        "%(name)s: no data in %(path)s. Copy the files of %(repository)s there."
    ),
    "check:data_set_card_missing": _(
        "%(name)s: %(card)s is missing in %(path)s. Copy it from %(repository)s."
    ),
    "check:data_set_part_missing": _(
        "%(name)s: %(card)s in %(path)s does not name the part %(part)s. Copy it from "
        "%(repository)s."
    ),
    "check:data_set_split_unnamed": _(
        "%(name)s: %(card)s in %(path)s names no split %(split)s of %(part)s. Copy it from "
        "%(repository)s."
    ),
    "check:data_set_split_missing": _(
        "%(name)s: no files of the split %(split)s in %(path)s, only of %(found)s. Copy the files "
        "of %(repository)s there."
    ),
    "check:data_set_files_missing": _(
        "%(name)s: split %(split)s of %(part)s is missing in %(path)s: no file %(files)s. Copy it "
        "from %(repository)s."
    ),
}
