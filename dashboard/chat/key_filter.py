"""Overwrite an engine's key in what the engine answers: some repeat it in their errors."""

from __future__ import annotations

import re

from jobs.host.run.redact import forms, unfinished

# Bytes at the end of an answer that may begin the key and are passed on: they tell nothing.
_HARMLESS = 3


class KeyFilter:
    """Passes the bytes of one answer, with as many ``*`` for each form of the key.

    What may begin the key is held back until the next bytes come.
    """

    def __init__(self, key: str) -> None:
        self._forms = sorted(forms([key]), key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._forms)))
        self._held = b""

    def add(self, chunk: bytes) -> bytes:
        """Return what can be passed on now."""
        data = self._clean(self._held + chunk)
        end = len(data) - unfinished(data, self._forms)
        self._held = data[end:]
        return data[:end]

    def end(self) -> bytes:
        """Return the rest, at the end of the answer."""
        rest, self._held = self._held, b""
        return rest if len(rest) <= _HARMLESS else b"*" * len(rest)

    def text(self, text: str) -> str:
        """Return a whole text with the key overwritten."""
        return self._clean(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def _clean(self, data: bytes) -> bytes:
        return self._pattern.sub(lambda found: b"*" * len(found[0]), data)
