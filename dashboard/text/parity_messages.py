"""Messages about counts and tables of a parity statement."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PARITY_MESSAGES: dict[str, str | Promise] = {
    "parity:none": _("Enter counts such as 154/159, 933/976."),
    "parity:long": _("At most %(most)s characters."),
    "parity:many_sets": _("At most %(most)s data sets."),
    "parity:no_counts": _("“%(text)s” is no count. Enter correct/questions, such as 154/159."),
    "parity:no_count": _(
        "“%(text)s”: no number of correct answers of %(n)s questions gives %(score)s %%."
    ),
    "parity:no_questions": _("“%(text)s”: enter 1 to %(most)s questions."),
    "parity:more_right": _("“%(text)s”: more correct answers than questions."),
    "parity:unequal": _(
        "Each side needs one count for each data set: the baseline has %(base)s, the result "
        "%(result)s."
    ),
    "parity:other_numbers": _(
        "Data set %(name)s: %(base)s questions in the baseline, %(result)s in the result. Enter "
        "counts of the same questions."
    ),
    "parity:bad_score": _("%(name)s: “%(score)s” is no score from 0 to 100."),
    "parity:names": _("%(names)s names for %(sets)s data sets. Enter one name for each."),
    "parity:long_table": _("Paste at most %(most)s kB."),
    "parity:no_table": _(
        "No summary table of OpenCompass. Paste it with its heading "
        "“dataset, version, metric, mode, name”. (%(reason)s)"
    ),
    "parity:one_table": _(
        "One result only. Paste two tables, or a table with two columns, or name a baseline."
    ),
    "parity:many_tables": _("%(n)s results. Paste two at most."),
    "parity:which_baseline": _(
        "The names do not say which is the baseline. Choose: first “%(first)s”, second "
        "“%(second)s”."
    ),
    "parity:margin": _("Enter a margin from %(least)s to %(most)s points."),
    "parity:goal": _("Choose one of: %(goals)s."),
    "parity:planned": _("Enter a whole number of questions, or leave it empty."),
    "parity:fewer_planned": _("Fewer than the %(n)s questions that were asked."),
    "parity:numbers": _("Enter the number of a result, or several of repeats: res-11,res-12."),
    "parity:missing": _("%(ids)s does not exist or was removed."),
    "parity:no_result": _("%(names)s has no result. Choose an evaluation from the list."),
    "parity:type": _("%(name)s is a benchmark. Choose an evaluation."),
    "parity:same": _("%(name)s is on both sides. Choose two results."),
    "parity:many": _("At most %(most)s results a side."),
    "parity:no_repeats": _(
        "%(a)s and %(b)s are not repeats of one evaluation. Different or unknown: %(parts)s. "
        "Compare them with each other, or name one of them."
    ),
    "parity:both": _("Choose results, or enter counts, or paste tables: not several at once."),
}
