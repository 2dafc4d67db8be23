"""Look of a report: colours of the light theme, fonts and scripts as text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

_STATIC = Path(settings.BASE_DIR) / "static"
_TOKEN = re.compile(r"(--[a-z][a-z0-9-]*):\s*light-dark\((#[0-9a-f]+),")
_USE = re.compile(r"var\((--[a-z][a-z0-9-]*)\)")
_FONTS = (
    ("IBM Plex Sans Variable", "vendor/plex/ibm-plex-sans-latin-wght-normal.woff2"),
    ("JetBrains Mono Variable", "vendor/jetbrains/jetbrains-mono-latin-wght-normal.woff2"),
)


@cache
def tokens() -> Mapping[str, str]:
    """Return the colours of the light theme by token."""
    return dict(_TOKEN.findall(_text("css/tokens.css")))


def coloured(value: Any) -> Any:
    """Return a copy of a figure's data with each ``var(--token)`` as a colour."""
    if isinstance(value, str):
        return _USE.sub(lambda use: _colour(use[1]), value)
    if isinstance(value, Mapping):
        return {key: coloured(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [coloured(item) for item in value]
    return value


def _colour(token: str) -> str:
    """Return a colour for Plotly, which knows no hexadecimal alpha."""
    colour = tokens()[token]
    if len(colour) != 9:
        return colour
    red, green, blue, alpha = (int(colour[at : at + 2], 16) for at in (1, 3, 5, 7))
    return f"rgba({red}, {green}, {blue}, {alpha / 255:.3f})"


@cache
def style() -> str:
    """Return the style sheet of a report with its colours and fonts."""
    colours = "".join(f"{name}:{value};" for name, value in tokens().items())
    faces = "".join(_face(name, path) for name, path in _FONTS)
    sheets = "".join(_text(f"css/{name}.css") for name in ("report", "series"))
    return f"{faces}:root{{{colours}}}\n{sheets}"


@cache
def scripts() -> tuple[str, str]:
    """Return Plotly and the script that draws the charts of a report."""
    library = _text("vendor/plotly/plotly-cartesian.min.js").replace("</script", "<\\/script")
    return library, _text("js/report.js")


@cache
def template() -> Any:
    """Return the template of all figures in the colours of a report."""
    return coloured(json.loads(_text("plotly-template.json")))


def _face(name: str, path: str) -> str:
    data = base64.b64encode((_STATIC / path).read_bytes()).decode()
    return (
        f'@font-face{{font-family:"{name}";font-weight:100 800;'
        f'src:url("data:font/woff2;base64,{data}") format("woff2");}}\n'
    )


def _text(path: str) -> str:
    return (_STATIC / path).read_text("utf-8")
