"""Run a request that creates jobs once, however often it is sent."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from jobs.models import IdempotencyKey

KEPT_FOR = timedelta(hours=24)
_Answer = TypeVar("_Answer")


class OtherRequest(Exception):
    """The person has sent another request with this key."""


def once(user: AbstractBaseUser, key: str, request: str, run: Callable[[], _Answer]) -> _Answer:
    """Return the answer of ``run``; for a repeat, which waits for the end of the first in any
    process, that of the first request with this key. The key is free again when ``run`` raises or
    its process is killed. Raises ``OtherRequest``: the first request was another one."""
    digest = hashlib.sha256(request.encode()).hexdigest()
    with transaction.atomic():
        # The unique constraint makes a repeat wait for the transaction of the first.
        row, is_first = IdempotencyKey.objects.get_or_create(
            user_id=user.pk,
            key=hashlib.sha256(key.encode()).hexdigest(),
            defaults={"request": digest},
        )
        if row.request != digest:
            raise OtherRequest
        if is_first:
            row.answer = run()
            row.save(update_fields=["answer"])
        return cast(_Answer, row.answer)


def forget_old(moment: datetime) -> None:
    """Remove keys after ``KEPT_FOR``."""
    IdempotencyKey.objects.filter(created_at__lt=moment - KEPT_FOR).delete()
