"""Reading the files that a tool left, as typed as they can be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from jobs.errors import ParseError


def json_of(path: str, content: bytes) -> Any:
    """The JSON in one file.

    Raises:
        ParseError: it is none; an empty file says so.
    """
    if not content.strip():
        raise ParseError(f"{path} is empty; JSON was expected")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{path} is not JSON (cut off or of another tool): {error}") from error


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
        ParseError: it is missing or no number (NaN and infinities are none).
    """
    value = number_or_none(data, key)
    if value is None:
        raise ParseError(f"{path}: {key!r} is {data.get(key)!r:.80}, not a number")
    return value


def count(path: str, data: Mapping[str, Any], key: str) -> int:
    """A whole number from 0 on that a tool always writes.

    Raises:
        ParseError: it is missing or something else.
    """
    value = number(path, data, key)
    if value < 0 or not value.is_integer():
        raise ParseError(f"{path}: {key!r} is {value}, not a count")
    return int(value)


def number_or_none(data: Mapping[str, Any], key: str) -> float | None:
    """A number that a tool leaves out where it has none to tell."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
