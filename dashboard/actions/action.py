"""Changes by people: the right, the change and the audit entry of each, in one place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.http import HttpRequest
from ninja import Header

from dashboard.security import audit_log
from dashboard.security.listeners import check_soon
from dashboard.security.permissions import ACTIONS, check
from dashboard.security.request import member
from jobs.base.files import text_sha256
from jobs.models import IdempotencyKey
from jobs.schedule import dispatch

P = ParamSpec("P")
T = TypeVar("T")
# None: a command on the server, which may do all.
User = AbstractBaseUser | AnonymousUser | None


class Done(Generic[T]):
    """Outcome of a change, with its audit entries: none if nothing changed, as False says."""

    def __init__(self, value: T, subject: str = "", **detail: Any) -> None:
        self.value = value
        self.entries: list[tuple[str, dict[str, Any]]] = []
        if subject and value is not False:
            self.add(subject, **detail)

    def add(self, subject: str, **detail: Any) -> None:
        self.entries.append((subject, detail))


def action(
    name: str, *, dispatches: bool = False, withdraws: bool = False
) -> Callable[[Callable[Concatenate[Any, P], Done[T]]], Callable[Concatenate[User, P], T]]:
    """Make a change one that people may do: ``change(user, object, …)`` for page, API and command.

    The right ``name`` is checked for ``user`` and the object, or each object of a list: only rights
    of owners depend on it. The entries of the returned ``Done`` are recorded, and its value is
    returned. ``dispatches``: the change may let jobs start. ``withdraws``: the change may end a
    right, an engine or a key that open pages and chats use; all of them are checked then.

    Raises ``PermissionDenied`` for a person without the right.
    """
    if name not in ACTIONS:
        raise KeyError(name)

    def decorate(
        change: Callable[Concatenate[Any, P], Done[T]],
    ) -> Callable[Concatenate[User, P], T]:
        @wraps(change)
        def run(user: User, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if user is not None:
                about: Any = args[0] if args else None
                objects = about if isinstance(about, list | tuple) else [about]
                for one in objects or [None]:
                    check(user, name, one)
            done = change(user, *args, **kwargs)
            if withdraws and done.entries:
                check_soon()
            for subject, detail in done.entries:
                audit_log.record(user, name, subject, **detail)
            if dispatches and done.entries:
                dispatch.run()
            return done.value

        return run

    return decorate


FIELD = "idempotency_key"
LONGEST_KEY = 255

KeyHeader = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=LONGEST_KEY,
        description="A repeat with the same key and body gets the jobs of the first, for 24 hours.",
    ),
]


class OtherRequest(Exception):
    """The person has sent another request with this key."""


def run_once(user: AbstractBaseUser, key: str, request: str, run: Callable[[], T]) -> T:
    """Return the answer of ``run``; for a repeat, which waits for the end of the first in any
    process, that of the first request with this key. The key is free again when ``run`` raises or
    its process is killed. Raises ``OtherRequest``: the first request was another one."""
    digest = text_sha256(request)
    with transaction.atomic():
        # The unique constraint makes a repeat wait for the transaction of the first.
        row, is_first = IdempotencyKey.objects.get_or_create(
            user_id=user.pk, key=text_sha256(key), defaults={"request": digest}
        )
        if row.request != digest:
            raise OtherRequest
        if is_first:
            row.answer = run()
            row.save(update_fields=["answer"])
        return cast(T, row.answer)


def once(request: HttpRequest, run: Callable[[], T]) -> T:
    """Run a post of a page once: a repeat of the same values gets the first answer."""
    key = request.POST.get(FIELD)
    if not key:
        return run()
    own = (FIELD, "csrfmiddlewaretoken")
    fields = sorted(item for item in request.POST.lists() if item[0] not in own)
    content = json.dumps([request.get_full_path(), fields])
    return run_once(member(request.user), json.dumps([key, content]), content, run)


def once_by_header(request: HttpRequest, key: str, run: Callable[[], T]) -> T:
    """Run a request of the API once; ``run`` returns ids, because it holds SQLite's only writer.
    Raises ``OtherRequest``: the key came before with another body or address."""
    if not key:
        return run()
    content = f"{request.path} {hashlib.sha256(request.body).hexdigest()}"
    return run_once(member(request.user), key, content, run)
