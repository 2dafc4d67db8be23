"""Every command that the deployment guide prints, read from its text."""

import re
import shlex
from pathlib import Path

GUIDE = Path(__file__).parent.parent.parent / "data" / "guide" / "seed.md"


def commands() -> list[tuple[str, ...]]:
    """Argument lists in the order of the guide; the downloads that it comments out included.

    A continued line is one command; ``a && b`` are two. What follows a ``#`` is a remark, but
    for a line that is a remark whole and holds a command.
    """
    text = GUIDE.read_text(encoding="utf-8")
    parts: list[tuple[str, ...]] = []
    for block in re.findall(r"^ *```bash\n(.*?)^ *```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"^\s*# (?=wget |pip |export )", "", line)
            parts += _parts(command)
    return parts


def _parts(line: str) -> list[tuple[str, ...]]:
    parts: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word == "&&":
            parts.append([])
        else:
            parts[-1].append(word)
    return [tuple(part) for part in parts if part]
