"""The web server's entry: static files, sockets, the chat relay, chunks of logs, and Django."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
# First: the imports below need Django set up. Any: ASGI is typed differently by each library.
django_application: Any = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402 -- see above
from channels.routing import URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from dashboard.chat.relay import relay_application  # noqa: E402
from dashboard.consumers import same_origin, websocket_urlpatterns  # noqa: E402
from dashboard.intake.logs import log_chunks  # noqa: E402
from dashboard.server.front import (  # noqa: E402
    App,
    Guard,
    Proxies,
    Receive,
    Scope,
    Send,
    static_files,
    static_prefix,
)

_urls: Any = websocket_urlpatterns
_pages: Any = AuthMiddlewareStack(URLRouter(_urls))
sockets = same_origin(_pages)
django_or_chunks = log_chunks(django_application)
ROUTES: dict[str, App] = {static_prefix(): static_files(), "/relay/": relay_application}


async def _parts(scope: Scope, receive: Receive, send: Send) -> Any:
    """Each part by its path; what is not named is Django's. A proxy may have cut the prefix of
    PUBLIC_URL off, or not."""
    prefix = settings.FORCE_SCRIPT_NAME or ""
    path = scope["path"].removeprefix(prefix)
    below = {**scope, "path": path, "root_path": ""}
    if scope["type"] == "websocket":
        return await sockets(below, receive, send)
    for start, part in ROUTES.items():
        if path.startswith(start):
            return await part(below, receive, send)
    # Django takes the prefix off by itself, and needs it for the address of the page.
    return await django_or_chunks({**below, "path": prefix + path}, receive, send)


application = Proxies(Guard(_parts), settings.TRUSTED_PROXIES, settings.PUBLIC_URL)
