"""Shared code of kinds that use OpenCompass in a host's conda."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import Stack
from jobs.catalog.stacks_schema import Evaluation
from jobs.kinds.lib.base import Choice, Target
from jobs.kinds.lib.vacc import OfStack, OnVacc, VaccParams, stack_of, vacc_site
from jobs.tools.vacc.site import VaccSite


class OnOpencompass(OnVacc, params=VaccParams):
    """Base of kinds that use OpenCompass."""

    def runs_on(self, stack: Stack) -> bool:
        """True if the stack scores with OpenCompass."""
        return bool(stack.evaluation.opencompass)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field == "dataset_source":
            return [Choice("", _("The archives")), Choice("modelscope", "ModelScope")]
        return super().choices(field, target)


def tools_of(params: OfStack) -> Evaluation:
    """Return the stack's tools.

    Raises:
        LaunchError: the stack has no OpenCompass.
    """
    tools = stack_of(params).evaluation
    if not tools.opencompass:
        raise LaunchError(_("This stack uses EvalScope instead of OpenCompass."), "stack")
    return tools


def conda_site(target: Target) -> VaccSite:
    """Return the host's folders.

    Raises:
        LaunchError: the host has no conda, or has not reported its folders yet.
    """
    site = vacc_site(target)
    if not site.conda:
        raise LaunchError(_("%(host)s has no conda.") % {"host": target.name})
    return site
