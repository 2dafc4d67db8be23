"""Files to import, with lazy JSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

_NOT_JSON = object()
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Bundle:
    """Content by path. Text with a byte order mark (Windows) is read as UTF-8 without it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = {path: _plain(content) for path, content in files.items()}
        self._json: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def object(self, path: str) -> dict[str, Any]:
        """Return the JSON object in a file; empty for any other file."""
        data = self.json(path)
        return data if isinstance(data, dict) else {}

    def json(self, path: str) -> Any:
        """Return the JSON in a file; None for any other file."""
        if path not in self._json:
            self._json[path] = _parsed(self.files[path])
        data = self._json[path]
        return None if data is _NOT_JSON else data

    def has_keys(self, path: str, keys: tuple[str, ...], least: int = 1) -> bool:
        """Return True for an object with ``least`` of ``keys``, also when its end is missing."""
        content = self.files[path]
        if content.lstrip()[:1] != b"{":
            return False
        return sum(f'"{key}"'.encode() in content for key in keys) >= least

    def beside(self, path: str) -> list[str]:
        """Return the other files in the same folder."""
        folder = PurePosixPath(path).parent
        return [one for one in self.files if PurePosixPath(one).parent == folder and one != path]


def _plain(content: bytes) -> bytes:
    if content.startswith(_UTF16):
        return content.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    return content.removeprefix(codecs.BOM_UTF8)


def _parsed(content: bytes) -> Any:
    if content.lstrip()[:1] not in (b"{", b"["):
        return _NOT_JSON
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _NOT_JSON
