"""Decisions are numbered, dated and listed; a Chinese page has the code of the English one."""

import re
from pathlib import Path

import pytest

from tests.rooms import ROOT

DECISIONS = ROOT / "docs/decisions"
FILES = sorted(DECISIONS.glob("[0-9]*.md"))
CHINESE = sorted((ROOT / "docs").rglob("*.zh.md"))


def test_decisions_are_numbered_without_a_gap():
    assert [int(path.name[:4]) for path in FILES] == list(range(1, len(FILES) + 1))


def test_a_decision_has_its_number_a_title_and_a_date():
    for path in FILES:
        head, _, date, _, *body = path.read_text().splitlines()

        assert head.startswith(f"# {int(path.name[:4])}. "), path.name
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", date), path.name
        assert any(body), path.name


def test_the_index_lists_each_decision_once():
    index = re.findall(r"\]\(([^)]+)\)", (DECISIONS / "README.md").read_text())

    assert index == [path.name for path in FILES]


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_page_has_the_code_of_the_english_one(path):
    english = path.with_name(path.name.replace(".zh.md", ".md"))

    assert commands(path) == commands(english)
    assert names(path) == names(english)


def commands(path: Path) -> list[str]:
    """Lines of fenced code, without comments."""
    fences = re.findall(r"^```\w*\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"(^|\s)#.*", "", line).rstrip() for line in "\n".join(fences).splitlines()]
    return [line for line in lines if line]


def names(path: Path) -> set[str]:
    """Code spans in ASCII: settings, paths, addresses, options."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {span for span in re.findall(r"`([^`]+)`", text) if span.isascii()}
