"""A user who is logged in: answers ``{"cookie": "name=value"}``."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from tests.bench.inside import serve


def log_in() -> dict[str, Any]:
    """A session of the administrator, without the pages that make one."""
    request = HttpRequest()
    request.session = SessionStore()
    admin = get_user_model().objects.get(username="admin")
    login(request, admin)
    request.session.save()
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={request.session.session_key}"}


if __name__ == "__main__":
    serve(log_in)
