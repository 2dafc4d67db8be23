"""YAML that a person may have written by hand or copied from anywhere."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node


class _Loader(yaml.SafeLoader):
    """Plain data only: no tags, no aliases (a short file could grow without end), no key twice."""

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"written twice: {', '.join(twice)}")
        return super().construct_mapping(node, deep=deep)


def load(text: str) -> Any:
    """The data of one document.

    Raises:
        ValueError: it is not YAML, or more than plain data. The message is one line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"{error.problem or 'not YAML'}{where}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())[:200] or "not YAML") from error
