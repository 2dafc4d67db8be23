"""Decisions are numbered, dated and listed; text files keep their width."""

from __future__ import annotations

import re

from tests.rooms import ROOT

DECISIONS = ROOT / "docs/decisions"
FILES = sorted(DECISIONS.glob("[0-9]*.md"))


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
