"""YAML that a person may have written by hand or copied from anywhere."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.nodes import MappingNode

# libyaml reads ten times as fast; it is in every wheel of PyYAML, but not in every build of it.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYaml(ValueError):
    """``reason`` is the parser's, in English; ``line`` counts from 1, None: not known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"{reason} in line {line}" if line else reason)
        self.reason, self.line = reason, line


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """Plain data only: no tags, no key twice."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"written twice: {', '.join(twice)}")
        found: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return found


def load(text: str) -> Any:
    """The data of one document.

    Raises:
        NotYaml: it is none, or more than plain data. The message is one line.
    """
    try:
        _check_aliases(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise NotYaml(error.problem or "not YAML", line) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotYaml(" ".join(str(error).split())[:200] or "not YAML") from error


def _check_aliases(text: str) -> None:
    """There are none, for a short file could grow without end."""
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
        raise yaml.YAMLError("aliases (*name) are not allowed")
