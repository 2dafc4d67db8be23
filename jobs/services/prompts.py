"""Prompt sets of the team: check an upload, add it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import PROMPT_SETS
from jobs.kinds.lib.lengths import about_tokens
from jobs.models import PromptSet
from jobs.services.removable import saved
from jobs.tools.lib.load import json_lines

MOST_SETS = 100
# A plan carries its prompts, and each run of a matrix has a plan.
MOST_BYTES = 512 * 1024
MOST_PROMPTS = 2000
LONGEST_NAME, LONGEST_LANGUAGE = 60, 40
KEY = "prompt"
# Keys that tools read as the output length, which is a field of the form here.
_REFUSED = ("output_tokens", "max_tokens")
_UNFIT = re.compile("[\x00\ud800-\udfff]")
# Names that fields of benchmarks use.
_TAKEN = frozenset(("random", "sonnet", "sharegpt", "custom", *PROMPT_SETS))


class _LineError(ValueError):
    """An error of one line. ``key``: "" where it has none."""

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__(text)
        self.key = key


def add(
    name: str, language: str, file: str, content: bytes, *, user: AbstractBaseUser
) -> PromptSet:
    """Add a set from ``content``, the JSON lines of ``file``.

    Raises:
        LaunchError: ``field`` is "name", "language" or "file".
    """
    row = PromptSet(
        name=_one_line(name, "name", LONGEST_NAME),
        language=_one_line(language, "language", LONGEST_LANGUAGE),
        created_by_id=user.pk,
    )
    if not row.name:
        raise LaunchError(_("Enter a name."), "name")
    if row.name in _TAKEN:
        raise LaunchError(_("An included set has this name. Choose another."), "name")
    prompts = read(file, content)
    row.text = json_lines(prompts)
    row.prompts, row.bytes = len(prompts), len(row.text.encode())
    row.longest = about_tokens(prompts)
    row.sha256 = hashlib.sha256(row.text.encode()).hexdigest()
    if PromptSet.objects.filter(removed_at=None).count() >= MOST_SETS:
        text = _("There are %(most)s prompt sets. Remove some first.")
        raise LaunchError(text % {"most": MOST_SETS}, "name")
    return saved(row)


def read(file: str, content: bytes) -> list[str]:
    """Return the prompts of JSON lines.

    Raises:
        LaunchError: at "file"; it names the file, the first wrong line and its key.
    """
    file = file[:100] or KEY
    if len(content) > MOST_BYTES:
        message = _("%(file)s has more than %(most)d KiB. Upload fewer or shorter prompts.")
        raise LaunchError(message % {"file": file, "most": MOST_BYTES // 1024}, "file")
    prompts: list[str] = []
    for number, line in _lines(content):
        try:
            prompts.append(_prompt(line))
        except _LineError as error:
            raise LaunchError(_at(file, number, error), "file") from None
        if len(prompts) > MOST_PROMPTS:
            message = _("%(file)s, line %(line)d: more than %(most)d prompts. Upload fewer.")
            args = {"file": file, "line": number, "most": MOST_PROMPTS}
            raise LaunchError(message % args, "file")
    if not prompts:
        message = _("%(file)s has no prompts. Write one JSON object a line: %(example)s")
        args = {"file": file, "example": '{"prompt": "…"}'}
        raise LaunchError(message % args, "file")
    return prompts


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the lines that are not empty, with their numbers from 1."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _prompt(line: bytes) -> str:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise _LineError(_("not UTF-8. Save the file as UTF-8.")) from None
    except (ValueError, RecursionError):
        raise _LineError(_("no JSON. Write one object a line.")) from None
    if not isinstance(row, dict):
        raise _LineError(_("no JSON object."))
    for key in _REFUSED:
        if key in row:
            raise _LineError(_("not used here. Remove it: the form sets lengths."), key)
    if KEY not in row:
        raise _LineError(_("missing."), KEY)
    prompt = row[KEY]
    if not isinstance(prompt, str):
        raise _LineError(_("no text. Write it in quotation marks."), KEY)
    if not prompt.strip():
        raise _LineError(_("empty."), KEY)
    if _UNFIT.search(prompt):
        raise _LineError(_("has a zero byte or half a character."), KEY)
    return prompt


def _at(file: str, number: int, error: _LineError) -> str:
    args = {"file": file, "line": number, "key": error.key, "error": str(error)}
    if error.key:
        return _("%(file)s, line %(line)d, key “%(key)s”: %(error)s") % args
    return _("%(file)s, line %(line)d: %(error)s") % args


def _one_line(text: str, field: str, most: int) -> str:
    text = text.strip()
    if len(text) > most or not text.isprintable():
        message = _("Enter one line of at most %(most)s characters.")
        raise LaunchError(message % {"most": most}, field)
    return text
