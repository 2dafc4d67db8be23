"""Reads the little of YAML that vamc and llmdeploy files use: no library is at hand here."""

import re
from typing import Any

_KEY = re.compile(r"^(\s*)(?:- )?([\w.-]+):(?:\s+(.*))?$")
_TOKEN = re.compile(r"\s*([\[\]{},:]|\"[^\"]*\"|'[^']*'|[^\[\]{},:\s]+)")
_OPEN = {"[": "]", "{": "}"}


class YamlError(Exception):
    """A line that cannot be read, in PyYAML's words."""


def load(text: str) -> dict[str, Any]:
    """Nested mappings, scalars, flow collections and ``- item`` lists.

    Raises:
        YamlError: it is something else.
    """
    root: dict[str, Any] = {}
    # (indent, mapping): where a line of more indent belongs
    stack: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    # (indent, mapping, key) of keys whose value comes on lines of more indent
    waiting: list[tuple[int, dict[str, Any], str]] = []
    outer = -1  # indent of the items of the list that is read
    for line in _lines(text):
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("- "):
            outer = _item(line.lstrip()[2:], waiting, indent, outer)
            continue
        match = _KEY.match(line)
        if match is None:
            raise YamlError(f"while scanning a simple key\n  could not find ':' in {line!r}")
        while stack and indent <= stack[-1][0]:
            stack.pop()
        if waiting and indent > waiting[-1][0]:
            _, mapping, key = waiting[-1]
            if not isinstance(mapping.get(key), dict):
                mapping[key] = {}
            stack.append((waiting[-1][0], mapping[key]))
        waiting = [entry for entry in waiting if entry[0] < indent]
        target, value = stack[-1][1], match[3]
        target[match[2]] = None if value is None else scalar(value)
        if value is None:
            waiting.append((indent, target, match[2]))
    return root


def _lines(text: str) -> list[str]:
    """Lines with content; a continued flow collection is one line."""
    lines: list[str] = []
    depth = 0
    for raw in text.splitlines():
        plain = raw if '"' in raw or "'" in raw else re.sub(r"(^|\s)#.*$", "", raw)
        if not plain.strip() or plain.strip() == "---":
            continue
        if depth > 0:
            lines[-1] += " " + plain.strip()
        else:
            lines.append(plain.rstrip())
        depth = sum(lines[-1].count(mark) for mark in "[{") - sum(map(lines[-1].count, "]}"))
    return lines


def _item(
    text: str, waiting: list[tuple[int, dict[str, Any], str]], indent: int, outer: int
) -> int:
    """Take one ``- item``; the indent of its list's items."""
    if not waiting:
        raise YamlError(f"expected <block mapping start>, but found '- {text}'")
    _, mapping, key = waiting[-1]
    if not isinstance(mapping.get(key), list):
        mapping[key] = []
        outer = indent
    values = mapping[key]
    if indent > outer and values and isinstance(values[-1], list):
        values[-1].append(scalar(text))
    else:
        # "- - 1024": a list in a list, as PyYAML writes shapes
        values.append([scalar(text[2:])] if text.startswith("- ") else scalar(text))
    return outer


def scalar(text: str) -> Any:
    """A number, a truth, a flow collection, or text."""
    word = text.strip()
    if word[:1] in _OPEN:
        tokens = _TOKEN.findall(word)
        value, rest = _flow(tokens)
        if rest:
            raise YamlError(f"expected ',' or ']', but got {rest[0]!r}")
        return value
    return _word(word)


def _flow(tokens: list[str]) -> tuple[Any, list[str]]:
    """The value that the tokens begin with, and the tokens after it."""
    if not tokens:
        raise YamlError("expected the node content, but found the end")
    head, rest = tokens[0], tokens[1:]
    if head not in _OPEN:
        return _word(head), rest
    items: list[Any] = []
    pairs: dict[str, Any] = {}
    while rest and rest[0] != _OPEN[head]:
        value, rest = _flow(rest)
        if head == "{":
            if rest[:1] != [":"]:
                raise YamlError(f"expected ':' after {value!r}")
            pairs[str(value)], rest = _flow(rest[1:])
        else:
            items.append(value)
        if rest[:1] == [","]:
            rest = rest[1:]
    if not rest:
        raise YamlError(f"expected ',' or {_OPEN[head]!r}, but found the end")
    return (pairs if head == "{" else items), rest[1:]


def _word(word: str) -> Any:
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
