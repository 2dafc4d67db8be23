"""Command lines as strict as those of the real tools, from a short table of their options.

A table has a line for each type of option::

    flag   --enforce-eager --trust-remote-code
    int    --port=8000 --tensor-parallel-size,-tp=1
    choice --dtype=auto{auto,half,float16}

``--name,alias=default{choices}``; no default: None. Types: flag (store_true), toggle (``--x`` and
``--no-x``), int, size (int that may be written ``64k``), float, str, json, list (one or more
words), append, opt (a word or none), choice.
"""

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

_OPTION = re.compile(r"(?P<names>[^=\s{]+)(?:=(?P<default>[^\s{]*))?(?:\{(?P<choices>[^}]*)\})?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT]?)")
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def size(text: str) -> int:
    """vLLM's ``human_readable_int``: "64k" is 64,000, "64K" is 65,536, -1 fits the memory."""
    if text in ("-1", "auto"):
        return -1
    match = _SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"invalid int value: {text!r}")
    factor = _BINARY.get(match[2]) or _FACTORS[match[2].lower()]
    return int(float(match[1]) * factor)


_TYPES: dict[str, Any] = {
    "int": int,
    "size": size,
    "float": float,
    "str": str,
    "json": json.loads,
    "choice": str,
}


class Flexible(argparse.ArgumentParser):
    """vLLM's own parser: an underscore in the name of an option is as good as a dash."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse, after the names have their dashes."""
        fixed = []
        for word in args or []:
            name, equals, value = word.partition("=")
            if name.startswith("--"):
                fixed.append(name.replace("_", "-") + equals + value)
            elif re.fullmatch(r"-O.", word):
                fixed += ["-O", word[2:]]
            else:
                fixed.append(word)
        return super().parse_args(fixed, namespace)


class Plain(argparse.ArgumentParser):
    """A parser whose refusal is one line of its own: ``refusal.format(message)``, exit ``code``."""

    def __init__(self, *args: Any, refusal: str = "{}", code: int = 2, **kwargs: Any) -> None:
        self.refusal, self.code = refusal, code
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Print the refusal and end."""
        self.exit(self.code, self.refusal.format(message) + "\n")


def add(parser: Any, table: str) -> Any:
    """Give ``parser`` the options of ``table``; the parser."""
    for line in table.strip().splitlines():
        sort, _, names = line.strip().partition(" ")
        for word in names.split():
            match = _OPTION.fullmatch(word)
            assert match is not None, word
            _add(parser, sort, match)
    return parser


def _add(parser: Any, sort: str, match: re.Match[str]) -> None:
    names = match["names"].split(",")
    default = match["default"]
    if match["choices"] == "":  # "--name={}": an empty object
        default = "{}"
    more: dict[str, Any] = {}
    if match["choices"]:
        more["choices"] = match["choices"].split(",")
    if sort == "flag":
        parser.add_argument(*names, action="store_true")
        return
    if sort == "toggle":
        parser.add_argument(
            *names,
            action=argparse.BooleanOptionalAction,
            default=None if default is None else default == "true",
        )
        return
    if sort == "list":
        more["nargs"] = "+"
    elif sort == "append":
        more["action"] = "append"
    elif sort == "opt":
        more["nargs"], more["const"] = "?", True
    kind = _TYPES.get(sort, str)
    if default is not None:
        more["default"] = kind(default) if kind is not str else default
    parser.add_argument(*names, type=kind, **more)
