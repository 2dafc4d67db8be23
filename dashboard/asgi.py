"""The web server's entry: static files and Django."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django_application = get_asgi_application()  # first: the imports below need Django set up

from dashboard.static_files import (  # noqa: E402 -- see above
    App,
    Receive,
    Scope,
    Send,
    static_files,
    static_prefix,
)

_static_files: App = static_files()
_static_prefix = static_prefix()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Each part by its path; what is not named is Django's."""
    if scope["type"] == "http" and scope["path"].startswith(_static_prefix):
        await _static_files(scope, receive, send)
    else:
        await django_application(scope, receive, send)
