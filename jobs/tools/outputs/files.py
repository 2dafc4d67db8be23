"""Typed reading of tool output files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from jobs.base.errors import JobsError, ParseError

# Errors of parsing an unknown file format (JSON, encoding and validation errors are ValueErrors).
UNEXPECTED = (
    JobsError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    FileNotFoundError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def json_of(path: str, content: bytes) -> Any:
    """Return the JSON in one file.

    Raises:
        ParseError: no JSON; the message names an empty file.
    """
    if not content.strip():
        raise ParseError(f"{path} is empty; JSON was expected")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{path} is not JSON (cut off or of another tool): {error}") from error


def json_object(path: str, content: bytes) -> dict[str, Any]:
    """Return the JSON object in one file.

    Raises:
        ParseError: no JSON object.
    """
    data = json_of(path, content)
    if not isinstance(data, dict):
        raise ParseError(f"{path} does not hold a JSON object")
    return data


def json_lines(path: str, content: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects in one file, one per line; empty lines are skipped.

    Raises:
        ParseError: a line is no JSON object.
    """
    return [
        json_object(f"{path}, line {number}", line)
        for number, line in enumerate(content.splitlines(), 1)
        if line.strip()
    ]


def number(path: str, data: Mapping[str, Any], key: str) -> float:
    """Return a number that a tool always writes.

    Raises:
        ParseError: missing or no number (NaN and infinity are not accepted).
    """
    value = number_or_none(data, key)
    if value is None:
        raise ParseError(f"{path}: {key!r} is {data.get(key)!r:.80}, not a number")
    return value


def count(path: str, data: Mapping[str, Any], key: str) -> int:
    """Return an integer from 0 that a tool always writes.

    Raises:
        ParseError: missing or another value.
    """
    value = number(path, data, key)
    if value < 0 or not value.is_integer():
        raise ParseError(f"{path}: {key!r} is {value}, not a count")
    return int(value)


def number_or_none(data: Mapping[str, Any], key: str) -> float | None:
    """Return a number that a tool may omit, None without one."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return real if math.isfinite(real) else None
