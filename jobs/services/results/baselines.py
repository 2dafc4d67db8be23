"""Baseline of a subject: the result that later ones are judged by. Ended ones are kept."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import Baseline, Result
from jobs.queries.results.repeats import MOST, repeats_of


def set_baseline(result: Result, user: AbstractBaseUser | None) -> bool:
    """Make ``result`` the baseline of its subject, in place of another. False: it is already.

    Raises:
        LaunchError: it cannot be one.
    """
    if why := refusal(result):
        raise LaunchError(why, "result")
    with transaction.atomic():
        before = _locked(result.subject)
        if before is not None and before.result_id == result.pk:
            return False
        moment = now()
        _end(before, moment, user)
        Baseline.objects.create(
            result=result,
            subject=result.subject,
            runs=[result.pk, *_repeats(result)],
            created_by_id=user.pk if user else None,
            created_at=moment,
        )
    return True


def remove_baseline(result: Result, user: AbstractBaseUser | None) -> bool:
    """End the baseline of a subject if ``result`` is it. False: it is not."""
    with transaction.atomic():
        before = _locked(result.subject)
        if before is None or before.result_id != result.pk:
            return False
        _end(before, now(), user)
    return True


def refusal(result: Result) -> str:
    """Return why ``result`` cannot be a baseline; "" when it can."""
    if not result.subject:
        return _("Parts of the workload are unknown, so no other result is comparable.")
    if result.incomplete:
        return _("An incomplete result cannot be the baseline.")
    if result.disturbed:
        return _("A disturbed result cannot be the baseline.")
    if result.loaded:
        return _("A result of a loaded host cannot be the baseline.")
    return ""


def _repeats(result: Result) -> list[int]:
    """Return the ids of the latest counted repeats."""
    latest = repeats_of(result).order_by("-created_at", "-pk")
    return list(latest.values_list("pk", flat=True)[: MOST - 1])


def _locked(subject: str) -> Baseline | None:
    """Return the baseline of the subject; the lock on its first result keeps it until commit."""
    if not subject:
        return None
    Result.objects.select_for_update().filter(subject=subject).order_by("pk").first()
    return Baseline.objects.filter(subject=subject, ended_at=None).first()


def _end(before: Baseline | None, moment: datetime, user: AbstractBaseUser | None) -> None:
    if before is not None:
        Baseline.objects.filter(pk=before.pk).update(
            ended_at=moment, ended_by_id=user.pk if user else None
        )
