"""The web server's entry: static files, sockets, chat relay, gateway, chunks of logs, Django."""

import os
import threading
from typing import Any, cast

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup(set_prefix=False)  # first: the imports below need it

from asgiref.sync import sync_to_async  # noqa: E402 -- see above
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.exceptions import RequestAborted  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponseBase  # noqa: E402

from dashboard.chat.relay import relay_application  # noqa: E402
from dashboard.consumers import same_origin, websocket_urlpatterns  # noqa: E402
from dashboard.gateway.route import gateway_application  # noqa: E402
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
from jobs.confined import ASKER_LEFT  # noqa: E402


class OneThread(ASGIHandler):
    """Django, with middlewares and view of a request in one go of its thread. Django's own way goes
    to the thread and back for each half of a middleware: 20 times, which costs more than most
    pages."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        ASKER_LEFT.set(threading.Event())
        await super().__call__(scope, receive, send)

    async def listen_for_disconnect(self, receive: Any) -> None:
        """The thread of a request goes on when its client has left: a search in it ends."""
        try:
            await super().listen_for_disconnect(receive)
        except RequestAborted:
            cast(threading.Event, ASKER_LEFT.get()).set()
            raise

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response)(request)


_urls: Any = websocket_urlpatterns
_pages: Any = AuthMiddlewareStack(URLRouter(_urls))
sockets = same_origin(_pages)
_django: Any = OneThread()
django_or_chunks = log_chunks(_django)
ROUTES: dict[str, App] = {
    static_prefix(): static_files(),
    "/relay/": relay_application,
    "/v1/": gateway_application,
}


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
