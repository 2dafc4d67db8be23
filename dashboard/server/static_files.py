"""Static files: names with hashes, and an ASGI application that serves them beside Django.

WhiteNoise finds the files, their types, encodings and ranges. Its own middleware is synchronous
and would put a thread between every request and its view.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from whitenoise.base import WhiteNoise
from whitenoise.storage import CompressedManifestStaticFilesStorage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CHUNK_BYTES = 256 * 1024


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Each file's name holds its hash, in the imports of ES modules too."""

    support_js_module_import_aggregation = True

    @property
    def keep_only_hashed_files(self) -> bool:
        """Keep hashed names only: pages use no other."""
        return True


class _Files(WhiteNoise):  # type: ignore[misc]
    """``STATIC_ROOT``; with ``DEBUG`` the sources themselves, looked up at each request."""

    def candidate_paths_for_url(self, url: str) -> list[str]:
        path = finders.find(url.removeprefix(static_prefix()))
        return [path] if isinstance(path, str) else []


def static_prefix() -> str:
    """Return the URL path of static files without the public prefix."""
    prefix = settings.STATIC_URL.removeprefix(settings.FORCE_SCRIPT_NAME or "")
    return "/" + str(prefix).strip("/") + "/"


def static_files() -> App:
    """The application. It answers under :func:`static_prefix` and nowhere else."""
    if settings.DEBUG:
        files = _Files(None, autorefresh=True, max_age=0)
    else:
        files = WhiteNoise(
            None,
            settings.STATIC_ROOT,
            static_prefix(),
            immutable_file_test=r"\.[0-9a-f]{12}\.",
            allow_all_origins=False,
        )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        static_file = files.find_file(path) if settings.DEBUG else files.files.get(path)
        if static_file is None:
            await _send_head(send, 404, [])
            await send({"type": "http.response.body", "body": b""})
            return
        headers = {
            f"HTTP_{name.decode('latin1').upper().replace('-', '_')}": value.decode("latin1")
            for name, value in scope["headers"]
        }
        response = await asyncio.to_thread(static_file.get_response, scope["method"], headers)
        await _send_head(send, response.status, response.headers)
        if response.file is not None:
            with response.file as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return answer


async def _send_head(send: Send, status: int, headers: list[tuple[str, str]]) -> None:
    encoded = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
    encoded.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": int(status), "headers": encoded})
