"""Two sides without a statement: neither common questions nor a set that both name."""

from __future__ import annotations

from django.utils.translation import gettext as _

from dashboard.pages.parity.asked import Stated

VERDICT = "not_comparable"


def headline() -> str:
    """Return the state as a title."""
    return _("Not comparable")


def sentence(stated: Stated) -> str:
    """Return the state with the names of both sides."""
    args = {"result": stated.result.name, "base": stated.base.name}
    text = _(
        "%(result)s vs %(base)s: no verdict and no difference. The sides share no question, and "
        "no data set with counts."
    )
    return text % args


def action(stated: Stated) -> str:
    """Return what makes the two sides comparable."""
    notes = stated.parity.notes
    if notes.uncounted or notes.unfit or notes.no_share:
        return _("Enter correct answers and questions of each data set as counts.")
    if notes.unequal:
        return _("Compare the same questions: the numbers of questions differ.")
    if notes.apart:
        return _("Evaluate both with the same version of the same question set.")
    return _("Evaluate both on the same data sets, in the same version.")
