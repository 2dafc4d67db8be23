"""Sign-offs: a result was released to someone. A withdrawal ends one and keeps its row."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import Result, SignOff
from jobs.services.results.texts import one_line

LONGEST, MOST = 120, 50


def add(result: Result, purpose: str, user: AbstractBaseUser | None) -> SignOff:
    """Sign a result off.

    Raises:
        LaunchError: the purpose is empty or too long, it is signed off for it already, or the
            history is full.
    """
    cleaned = one_line(purpose, "purpose", most=LONGEST)
    with transaction.atomic():
        Result.objects.select_for_update().get(pk=result.pk)
        rows = list(SignOff.objects.filter(result=result))
        if any(row.purpose == cleaned and row.withdrawn_at is None for row in rows):
            raise LaunchError(_("This result is signed off for this already."), "purpose")
        if len(rows) >= MOST:
            full = _("A result has at most %(most)s sign-offs.") % {"most": MOST}
            raise LaunchError(full, "purpose")
        return SignOff.objects.create(
            result=result, purpose=cleaned, created_by_id=user.pk if user else None
        )


def withdraw(sign_off: SignOff, user: AbstractBaseUser | None) -> bool:
    """Withdraw a sign-off. False: it was withdrawn already."""
    valid = SignOff.objects.filter(pk=sign_off.pk, withdrawn_at=None)
    return bool(valid.update(withdrawn_at=now(), withdrawn_by_id=user.pk if user else None))
