"""Confirmation of a form: warnings of the host's preflight, as listed in the form."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from dashboard.security.request import person
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.models import Host, Preflight
from jobs.plans import Plan
from jobs.schedule import preflights


class Unconfirmed(LaunchError):
    """The preflight found warnings that the form does not confirm; the message names them."""


def confirmed_in(request: HttpRequest, host: Host, plan: Plan) -> list[dict[str, Any]]:
    """Return the confirmed findings of the preflight for ``plan``, for a launch.

    Raises:
        Unconfirmed: the latest fresh preflight found more.
    """
    looks = Preflight.objects.filter(job=None, host=host, plan_sha256=plan.sha256())
    number = number_from(request.POST.get("confirm", ""))
    known = looks.filter(pk=number) if number is not None else []
    warnings = [item for preflight in known for item in preflights.found_by(preflight)]
    last = looks.filter(done_at__isnull=False).first()
    if last is not None and not preflights.is_stale(last):
        left = preflights.unconfirmed(preflights.found_by(last), warnings)
        if left:
            findings = " ".join(message(i["message_id"], i["message_args"]) for i in left)
            raise Unconfirmed(
                _("Not launched: the host asks for confirmation. %(found)s") % {"found": findings}
            )
    return preflights.confirmation(warnings, person(request))
