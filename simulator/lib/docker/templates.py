"""``--format``: the few parts of Go's templates that people use with docker."""

import json
import re
from collections.abc import Mapping
from typing import Any

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")


class TemplateError(Exception):
    """A template that is none, in docker's words."""


def fill(template: str, data: Mapping[str, Any]) -> str:
    """The template with ``{{.A.B}}``, ``{{json .A}}``, ``{{index .A "k"}}``, ``{{.Label "k"}}``.

    Raises:
        TemplateError: a field does not exist.
    """
    text = template.replace("\\t", "\t").replace("\\n", "\n")
    return _ACTION.sub(lambda match: _action(match[1], data), text)


def _action(action: str, data: Mapping[str, Any]) -> str:
    tokens = re.findall(r'"[^"]*"|\S+', action)
    if tokens[0] == "json":
        return json.dumps(_look(tokens[1], data), ensure_ascii=False)
    if tokens[0] == "index":
        value = _look(tokens[1], data)
        for key in tokens[2:]:
            name = key.strip('"')
            value = value[int(name)] if isinstance(value, list) else value.get(name, "")
        return _text(value)
    if tokens[0] == ".Label":
        labels = data.get("_labels", {})
        return str(labels.get(tokens[1].strip('"'), ""))
    return _text(_look(tokens[0], data))


def _look(path: str, data: Mapping[str, Any]) -> Any:
    value: Any = data
    for name in path.strip(".").split("."):
        if not name:
            continue
        if not isinstance(value, Mapping) or name not in value:
            raise TemplateError(
                f'template parsing error: template: :1:2: executing "" at <{path}>: '
                f'map has no entry for key "{name}"'
            )
        value = value[name]
    if path == ".":
        return {key: item for key, item in data.items() if not key.startswith("_")}
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + " ".join(map(_text, value)) + "]"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{_text(item)}" for key, item in value.items()) + "]"
    return str(value)
