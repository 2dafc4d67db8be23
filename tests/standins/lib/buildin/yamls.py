"""Reads the little of YAML that vamc and llmdeploy files use: no library is at hand here."""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r"^(\s*)(?:- )?([\w.-]+):(?:\s+(.*))?$")


class YamlError(Exception):
    """A line that cannot be read, in PyYAML's words."""


def load(text: str) -> dict[str, Any]:
    """Nested mappings, scalars, ``[a, b]`` and ``- item`` lists.

    Raises:
        YamlError: it is something else.
    """
    root: dict[str, Any] = {}
    # (indent, mapping, key that a deeper line belongs to)
    stack: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    waiting: list[tuple[int, dict[str, Any], str]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _without_comment(raw).rstrip()
        if not line.strip() or line.strip() == "---":
            continue
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("- "):
            _item(line.lstrip()[2:], waiting, number)
            continue
        match = _KEY.match(line)
        if match is None:
            raise YamlError(f"while scanning a simple key\n  in line {number}: could not find ':'")
        while stack and indent <= stack[-1][0]:
            stack.pop()
        if waiting and indent > waiting[-1][0]:
            _, mapping, key = waiting[-1]
            if not isinstance(mapping.get(key), dict):
                mapping[key] = {}
            stack.append((waiting[-1][0], mapping[key]))
        waiting = [entry for entry in waiting if entry[0] < indent]
        target = stack[-1][1]
        value = match[3]
        target[match[2]] = None if value is None else scalar(value)
        if value is None:
            waiting.append((indent, target, match[2]))
    return root


def _item(text: str, waiting: list[tuple[int, dict[str, Any], str]], number: int) -> None:
    if not waiting:
        raise YamlError(f"expected <block mapping start>, but found '-' in line {number}")
    _, mapping, key = waiting[-1]
    if not isinstance(mapping.get(key), list):
        mapping[key] = []
    # "- - 1024": a list in a list, as PyYAML writes shapes
    mapping[key].append([scalar(text[2:])] if text.startswith("- ") else scalar(text))


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line) if '"' not in line and "'" not in line else line


def scalar(text: str) -> Any:
    """A number, a truth, a list in brackets, or text."""
    word = text.strip()
    if word[:1] in ("[", "{"):
        try:
            return json.loads(word)
        except ValueError:
            inner = word[1:-1].strip()
            return [scalar(part) for part in inner.split(",")] if inner else []
    if word[:1] in ("'", '"') and word[-1:] == word[:1]:
        return word[1:-1]
    lowered = word.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("null", "~", ""):
        return None
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
