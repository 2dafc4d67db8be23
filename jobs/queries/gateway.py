"""Use of the gateway: rows of keys, models and hours."""

from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.utils.timezone import now

from jobs.models import GatewayUse

DAYS, MOST_DAYS = 7, 90
MOST_ROWS = 2000  # of one page or answer; the CSV has all


def whole_days(days: int | None) -> int:
    """Return ``days`` if 1 to ``MOST_DAYS``, else ``DAYS``."""
    return days if days is not None and 1 <= days <= MOST_DAYS else DAYS


def gateway_use(
    user: AbstractBaseUser, *, days: int | None, sees_all: bool
) -> QuerySet[GatewayUse]:
    """Return rows of the last days, newest first: those of ``user``, or of all people."""
    rows = GatewayUse.objects.select_related("user")
    rows = rows.filter(hour__gte=now() - timedelta(days=whole_days(days)))
    return rows if sees_all else rows.filter(user_id=user.pk)
