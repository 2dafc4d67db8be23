"""Changes of endpoints, for page and API: permission, check, change, audit entry."""

from __future__ import annotations

import time
from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from dashboard.text.messages import message
from jobs.access import secrets, sources
from jobs.access.source_addresses import SpecialAddress
from jobs.base.errors import LaunchError, ParseError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize_text
from jobs.confined import SHORT, NotDone, Task
from jobs.host.base import engine_http
from jobs.metrics.measured import METRICS, MODELS, PROPS, VERSION, EngineAbout
from jobs.models import Endpoint
from jobs.schedule import dispatch
from jobs.services import endpoints
from jobs.services.endpoints import Checked, Entered

User = AbstractBaseUser | AnonymousUser
# In the order of requests: the first must be answered.
_PATHS = (MODELS, VERSION, METRICS, PROPS)
_ABOUT = Task("jobs.readings:about", EngineAbout, SHORT)
# Of the lookup and all requests of a check together; of one answer.
CHECK_S = 10.0
LONGEST = 2 * 1024 * 1024
_LONGEST_PROBLEM = 200


def create(user: User, typed: Entered) -> Endpoint:
    """Check a new endpoint and store it, also where it does not answer.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: a wrong or missing value; ``field`` names it.
    """
    check(user, "endpoint.create")
    row = endpoints.draft(typed, logged_in(user))
    endpoints.save(row, _checked(row))
    _record(user, row, "add")
    return row


def change(user: User, row: Endpoint, typed: Entered) -> None:
    """Check and store new values of ``row``. Jobs that are queued use the new ones.

    Raises:
        PermissionDenied: ``user`` is neither who made it nor an administrator.
        LaunchError: a wrong or missing value; ``field`` names it.
    """
    check(user, "endpoint.change", row)
    endpoints.draft(typed, logged_in(user), row)
    endpoints.save(row, _checked(row))
    _record(user, row, "change")
    dispatch.run()


def ask(user: User, row: Endpoint) -> Checked:
    """Check ``row`` now, from the dashboard's machine, and store the outcome.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: the answers were not read; an earlier check stays.
    """
    check(user, "endpoint.check", row)
    checked = _checked(row)
    endpoints.keep_check(row, checked)
    audit_log.record(user, "endpoint.check", f"endpoint {row.pk}", name=row.name)
    return checked


def archive(user: User, row: Endpoint, *, is_archived: bool) -> bool:
    """Archive ``row``, or bring it back. Queued jobs that need it are cancelled. False: it is so
    already.

    Raises:
        PermissionDenied: ``user`` is neither who made it nor an administrator.
    """
    check(user, "endpoint.change", row)
    done = endpoints.archive(row.pk, is_archived=is_archived)
    if done:
        _record(user, row, "archive" if is_archived else "restore")
        dispatch.run()
    return done


def _checked(row: Endpoint) -> Checked:
    """Ask the engine what it is. Redirects are not followed; time and bytes are bounded."""
    deadline = time.monotonic() + CHECK_S
    try:
        ips = sources.engine_ips(row.url)
    except SpecialAddress as special:
        return Checked(Message("endpoint:special", special.args_of_message))
    except LaunchError:
        return Checked(Message("endpoint:not_permitted", {"url": row.url}))
    except OSError as error:
        return Checked(_silent(row.url, str(error)))
    headers = {}
    if row.api_key:
        try:
            key = secrets.endpoint_key(row.api_key, row.url)
        except secrets.Refused:
            return Checked(Message("endpoint:key_refused", {"name": row.api_key, "url": row.url}))
        headers = {"Authorization": f"Bearer {key}"}
    answers = dict[str, tuple[int, bytes]]()
    for path in _PATHS:
        left = deadline - time.monotonic()
        try:
            if left > 0:
                answers[path] = engine_http.get(
                    f"{row.url}{path}", within_s=left, longest=LONGEST, headers=headers, ips=ips
                )
        except (OSError, ValueError) as error:
            if path == MODELS:
                return Checked(_silent(row.url, str(error)))
        if path == MODELS and answers[path][0] != 200:
            return Checked(_refused(row.url, answers[path][0], has_key=bool(row.api_key)))
    about = _about(answers, row.model)
    if about is None:
        return Checked(Message("endpoint:no_list", {"url": row.url}))
    if row.model and row.model not in about.models:
        args = {"model": row.model, "models": ", ".join(about.models[:20])}
        return Checked(Message("endpoint:no_model", args), about)
    return Checked(Message(endpoints.OK), about)


def _about(answers: Mapping[str, tuple[int, bytes]], model: str) -> EngineAbout | None:
    try:
        return _ABOUT(answers, model)
    except ParseError:
        return None
    except NotDone as error:
        raise LaunchError(message(error.message.id, error.message.args), "url") from error


def _silent(url: str, problem: str) -> Message:
    return Message(
        "endpoint:silent", {"url": url, "problem": sanitize_text(problem)[:_LONGEST_PROBLEM]}
    )


def _refused(url: str, status: int, *, has_key: bool) -> Message:
    if 300 <= status < 400:
        return Message("endpoint:redirect", {"url": url, "status": status})
    if status in (401, 403):
        name = "endpoint:key_wrong" if has_key else "endpoint:key_missing"
        return Message(name, {"url": url, "status": status})
    return Message("endpoint:status", {"url": url, "status": status})


def _record(user: User, row: Endpoint, did: str) -> None:
    detail = {"did": did, "name": row.name, "address": row.url, "secrets": row.api_key}
    audit_log.record(user, "endpoint.change", f"endpoint {row.pk}", **detail)
