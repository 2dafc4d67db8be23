"""Reading the files that a tool left, as typed as they can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobs.errors import ParseError


def json_of(path: str, content: bytes) -> Any:
    """The JSON in one file.

    Raises:
        ParseError: it is none.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise ParseError(f"{path} is not JSON: {error}") from error


def json_object(path: str, content: bytes) -> dict[str, Any]:
    """The JSON object in one file.

    Raises:
        ParseError: it is none.
    """
    data = json_of(path, content)
    if not isinstance(data, dict):
        raise ParseError(f"{path} does not hold a JSON object")
    return data


def json_lines(path: str, content: bytes) -> list[dict[str, Any]]:
    """The JSON objects in one file, one a line; empty lines are skipped.

    Raises:
        ParseError: a line is none.
    """
    return [
        json_object(f"{path}, line {number}", line)
        for number, line in enumerate(content.splitlines(), 1)
        if line.strip()
    ]


def number(path: str, data: Mapping[str, Any], key: str) -> float:
    """A number that a tool always writes.

    Raises:
        ParseError: it is missing or no number.
    """
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParseError(f"{path}: {key!r} is {value!r}, not a number")
    return float(value)


def number_or_none(data: Mapping[str, Any], key: str) -> float | None:
    """A number that a tool leaves out where it has none to tell."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
