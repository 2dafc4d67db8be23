"""Requests that create jobs run once: by a hidden field of a page, or a header of the API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, TypeVar

from django.http import HttpRequest
from ninja import Header

from dashboard.security.request import member
from jobs.services import idempotency

FIELD = "idempotency_key"
LONGEST_KEY = 255
_Answer = TypeVar("_Answer")

KeyHeader = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=LONGEST_KEY,
        description="A repeat with the same key and body gets the jobs of the first, for 24 hours.",
    ),
]


def once(request: HttpRequest, run: Callable[[], _Answer]) -> _Answer:
    """Run a post of a page once; a repeat gets the answer of the first.

    A page that is shown again with its key and sent with other values runs again.
    """
    key = request.POST.get(FIELD)
    if not key:
        return run()
    own = (FIELD, "csrfmiddlewaretoken")
    fields = sorted((name, values) for name, values in request.POST.lists() if name not in own)
    content = json.dumps([request.get_full_path(), fields])
    return idempotency.once(member(request.user), json.dumps([key, content]), content, run)


def once_by_header(request: HttpRequest, key: str, run: Callable[[], _Answer]) -> _Answer:
    """Run a request of the API once; a repeat gets the answer of the first.

    ``run`` returns ids. The body is drawn afterwards, because ``run`` holds SQLite's only writer.

    Raises:
        OtherRequest: the person sent the key with another body, or to another address.
    """
    if not key:
        return run()
    content = f"{request.path} {hashlib.sha256(request.body).hexdigest()}"
    return idempotency.once(member(request.user), key, content, run)
