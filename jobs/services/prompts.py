"""Uploads of prompts: what a file may have."""

import json
import re

from django.utils.translation import gettext as _

# A plan carries its prompts, and each run of a matrix has a plan.
MOST_BYTES = 512 * 1024
MOST_PROMPTS = 2000
KEY = "prompt"
# Keys that tools read as the output length, which is a field of the form here.
_REFUSED = ("output_tokens", "max_tokens")
_UNFIT = re.compile("[\x00\ud800-\udfff]")


class _Unfit(ValueError):
    """A wrong line. ``args``: the problem, and its key or ""."""


def read(file: str, content: bytes) -> list[str]:
    """Return the prompts of JSON lines.
    Raises ``ValueError``: for people; it names the file, the first wrong line and its key."""
    file = file[:100] or KEY
    if len(content) > MOST_BYTES:
        text = _("%(file)s has more than %(most)d KiB. Upload fewer or shorter prompts.")
        raise ValueError(text % {"file": file, "most": MOST_BYTES // 1024})
    prompts: list[str] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            prompts.append(_prompt(line))
        except _Unfit as unfit:
            args = {"file": file, "line": number, "error": unfit.args[0], "key": unfit.args[1]}
            text = _("%(file)s, line %(line)d: %(error)s")
            if args["key"]:
                text = _("%(file)s, line %(line)d, key “%(key)s”: %(error)s")
            raise ValueError(text % args) from None
        if len(prompts) > MOST_PROMPTS:
            text = _("%(file)s, line %(line)d: more than %(most)d prompts. Upload fewer.")
            raise ValueError(text % {"file": file, "line": number, "most": MOST_PROMPTS})
    if not prompts:
        text = _("%(file)s has no prompts. Write one JSON object a line: %(example)s")
        raise ValueError(text % {"file": file, "example": '{"prompt": "…"}'})
    return prompts


def _prompt(line: bytes) -> str:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise _Unfit(_("not UTF-8. Save the file as UTF-8."), "") from None
    except (ValueError, RecursionError):
        raise _Unfit(_("no JSON. Write one object a line."), "") from None
    if not isinstance(row, dict):
        raise _Unfit(_("no JSON object."), "")
    for key in _REFUSED:
        if key in row:
            raise _Unfit(_("not used here. Remove it: the form sets lengths."), key)
    prompt = row.get(KEY)
    if KEY not in row:
        raise _Unfit(_("missing."), KEY)
    if not isinstance(prompt, str):
        raise _Unfit(_("no text. Write it in quotation marks."), KEY)
    if not prompt.strip():
        raise _Unfit(_("empty."), KEY)
    if _UNFIT.search(prompt):
        raise _Unfit(_("has a zero byte or half a character."), KEY)
    return prompt
