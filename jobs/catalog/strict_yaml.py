"""Strict reading of YAML from people."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml
from pydantic import TypeAdapter
from yaml.nodes import MappingNode

# libyaml is ten times faster; every wheel of PyYAML has it, but not every build.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYaml(ValueError):
    """Invalid YAML. ``reason``: the parser's message in English; ``line`` from 1, None: unknown."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"{reason} in line {line}" if line else reason)
        self.reason, self.line = reason, line


class Named(Protocol):
    """Entry of a file: its id is the only one."""

    @property
    def id(self) -> str:
        """Return the id."""


Entry = TypeVar("Entry", bound=Named)


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """Loader of plain data: no tags, no duplicate keys."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"written twice: {', '.join(twice)}")
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def load(text: str) -> Any:
    """Return the data of one document.

    Raises:
        NotYaml: invalid, or not plain data. The message is one line.
    """
    try:
        _check_aliases(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise NotYaml(error.problem or "not YAML", line) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotYaml(" ".join(str(error).split())[:200] or "not YAML") from error


def load_by_id(path: Path, schema: type[Entry]) -> dict[str, Entry]:
    """Return all entries of a file by id, in its order.

    Raises:
        pydantic.ValidationError: the file does not match the schema.
        ValueError: duplicate id.
    """
    rows = load(path.read_text(encoding="utf-8"))
    entries: dict[str, Entry] = {}
    of_schema: TypeAdapter[list[Entry]] = TypeAdapter(list[schema])  # type: ignore[valid-type]
    for entry in of_schema.validate_python(rows):
        if entry.id in entries:
            raise ValueError(f"{path.name} has the id {entry.id} a second time")
        entries[entry.id] = entry
    return entries


def _check_aliases(text: str) -> None:
    """Reject aliases, because a short file could expand without limit."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
        raise yaml.YAMLError("aliases (*name) are not allowed")
