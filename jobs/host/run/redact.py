"""Redact secrets in the output of a job before anyone reads it. Standard library only.

In place, with as many ``*``: no offset moves, and every checksum is of what is left. A command that
goes on appending is not disturbed.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, quote_plus

BLOCK = 1024 * 1024
# Characters that different tools leave as they are in an address, besides letters and digits:
# Python and curl; paths; encodeURIComponent; encodeURI.
_UNCHANGED = ("", "/", "!'()*", ";,/?:@&=+$#!'()*")
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_NEWLINES = b"\r\n"
# A line that a tool may have wrapped: such tools write lines of 60 characters and more.
LINE = 32
_WRAPPED = re.compile(rb"[A-Za-z0-9+/_-]{%d}\Z" % LINE)


def forms(secrets: Iterable[str]) -> list[bytes]:
    """The bytes by which each of ``secrets`` is found, each once: literal, in JSON, in an address,
    in hexadecimal digits, and in base64 of any text around it, such as ``user:secret`` of Basic
    auth. What was cut, compressed or encrypted is not found."""
    return list(dict.fromkeys(form for secret in secrets for form in _forms(secret)))


def _forms(secret: str) -> Iterator[bytes]:
    whole = secret.encode()
    yield whole
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1].encode()
    yield from _in_address(secret)
    yield from (whole.hex().encode(), whole.hex().upper().encode())
    for before in range(3):
        # At each of three places in a group of three bytes: the characters of the secret alone. The
        # first and the last character may belong to a neighbour too; those are left out.
        coded = b64encode(b"\0" * before + whole)
        core = coded[(before * 8 + 5) // 6 : (before + len(whole)) * 8 // 6]
        yield from (core, core.translate(_URL_SAFE), *_in_address(core.decode()))


def _in_address(secret: str) -> Iterator[bytes]:
    """Percent-encoded, with capital or small hexadecimal digits."""
    for text in (quote_plus(secret), *(quote(secret, safe=safe) for safe in _UNCHANGED)):
        yield text.encode()
        yield _ESCAPE.sub(lambda escape: escape[0].lower(), text).encode()


def redact(path: Path, secrets: Sequence[bytes], start: int = 0) -> None:
    """Overwrite every occurrence of ``secrets`` that begins at ``start`` or later. Newlines within
    an occurrence stay: tools wrap base64 and hexadecimal digits."""
    overlap = reach(secrets)
    if not overlap:
        return
    with path.open("r+b") as file:
        while True:
            file.seek(start)
            block = file.read(BLOCK + overlap)
            joined = block.translate(None, _NEWLINES)
            for secret in secrets:
                if secret in joined:
                    wrapped = b"[\r\n]*".join(re.escape(bytes([byte])) for byte in secret)
                    for found in re.finditer(wrapped, block):
                        file.seek(start + found.start())
                        file.write(re.sub(rb"[^\r\n]", b"*", found[0]))
            if len(block) < BLOCK + overlap:
                return
            start += BLOCK


def reach(secrets: Sequence[bytes]) -> int:
    """Bytes of the longest of ``secrets`` at most, with newlines in it."""
    return 2 * max(map(len, secrets), default=0)


def unfinished(tail: bytes, secrets: Sequence[bytes]) -> int:
    """Count the bytes at the end of ``tail`` that may begin one of ``secrets``. A newline at the
    end ends a secret, except after a long line of base64 or hexadecimal digits: ``tail`` needs
    ``LINE`` bytes before those that may begin one."""
    text = tail.rstrip(_NEWLINES)
    if len(text) < len(tail) and not _WRAPPED.search(text):
        return 0
    joined = text.translate(None, _NEWLINES)
    left = max((_begun(joined, secret) for secret in secrets), default=0)
    if not left:
        return 0
    begin = len(text)
    while left:
        begin -= 1
        left -= text[begin] not in _NEWLINES
    return len(tail) - begin


def _begun(tail: bytes, secret: bytes) -> int:
    """Length of the longest beginning of ``secret``, but not all, that ends ``tail``."""
    at = tail.find(secret[:1], max(0, len(tail) - len(secret) + 1))
    while at >= 0:
        if secret.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(secret[:1], at + 1)
    return 0
