"""Scrolling regions of a page have a name, and the keyboard reaches them."""

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parents[2] / "templates"
REGIONS = [
    (path.relative_to(TEMPLATES).as_posix(), tag)
    for path in sorted(TEMPLATES.rglob("*.html"))
    for tag in re.findall(r'<\w+ class="scroll\b(?:[^>{]|\{[{%].*?[%}]\})*>', path.read_text())
]


def test_there_are_such_regions():
    assert len(REGIONS) > 10


@pytest.mark.parametrize(("template", "tag"), REGIONS)
def test_a_region_that_scrolls_is_focusable_and_named(template, tag):
    assert 'tabindex="0"' in tag
    assert re.search(r'role="(group|region)"', tag)
    assert "aria-label" in tag
