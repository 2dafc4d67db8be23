"""Pages and documents use the glossary's terms; both glossaries have the same rows."""

import re

import pytest

from tests import words
from tests.words import (
    CHINESE_GLOSSARY,
    GLOSSARY,
    chinese_problems,
    english_problems,
    glossary_rows,
    hits,
)


def test_no_text_uses_a_banned_word():
    assert [str(hit) for hit in hits()] == []


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("%(n)s requests in flight", "concurrency"),
        ("Right", "accuracy"),
        ("both right 3", "correct"),
        ("Nothing runs now.", "running"),
        ("runs", "running"),
        ("%(n)s wait", "queued"),
        ("against the base", "baseline"),
        ("Mend the cause", "fix"),
        ("Start all the same", "anyway"),
        ("Its kernel ended, for memory ran out.", "because"),
        ("What lies here", "usage"),
        (f"It {'is ' * 20}long.", "22 words"),
    ],
)
def test_a_banned_text_is_reported(text, instead):
    assert any(instead in problem for problem in english_problems(text))


@pytest.mark.parametrize(
    "text",
    [
        "The right-hand column of 3 runs",
        "base image",
        "%(way)s",
        "Tell an administrator.",
        "The file is for its owner alone (mode 0600).",
        "State: cause. Action.",
    ],
)
def test_a_plain_text_passes(text):
    assert list(english_problems(text)) == []


def test_a_help_text_may_be_long():
    assert list(english_problems(f"It {'is ' * 20}long.", is_help=True)) == []


@pytest.mark.parametrize(
    "text",
    [
        "已用3个芯粒",
        "任务%(job)s",
        "首 token延迟",
        "作业 %(job)s",
        "已停止,请重试",
        "运行 `make run`",
    ],
)
def test_a_banned_chinese_text_is_reported(text):
    assert list(chinese_problems(text))


@pytest.mark.parametrize(
    "text", ["首token延迟，已用3个die", "作业%(job)s：成功。", "运行`make run`"]
)
def test_a_plain_chinese_text_passes(text):
    assert list(chinese_problems(text)) == []


def test_a_docstring_that_begins_with_what_is_reported(tmp_path, monkeypatch):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/a.py").write_text('"""What is held."""\n\n# Mended.\nB = "state"\n')
    monkeypatch.setattr(words, "ROOT", tmp_path)

    assert [hit.place for hit in words.code_hits()] == ["jobs/a.py:1", "jobs/a.py:3"]


def test_both_glossaries_have_the_same_terms():
    english = [(_plain(row[0]), _plain(row[1])) for row in glossary_rows(GLOSSARY)]
    chinese = [(_plain(row[1]), _plain(row[0])) for row in glossary_rows(CHINESE_GLOSSARY)]

    assert english == chinese


def _plain(term: str) -> str:
    return re.sub(r" *[,;、；] *", ", ", term)
