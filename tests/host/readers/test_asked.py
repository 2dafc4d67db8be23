"""Own questions of OpenCompass while it asks them."""

from __future__ import annotations

import json

from jobs.host.readers import READERS
from tests.jobs.lib.target import DATA


def test_own_questions_of_opencompass_move_with_each_answer(tmp_path):
    reader = READERS["asked"](tmp_path, (("short_en", 3), ("choice_zh", 1)), tmp_path / "log")
    assert reader.read()[""]["answered"] == 0
    lines = [
        {"prompt": "a", "subset": "short_en", "right": True, "finish": "stop"},
        {"prompt": "b", "subset": "short_en", "error": "500"},
        {"prompt": "c", "subset": "choice_zh", "right": False, "finish": "length"},
    ]
    for count, answered in ((1, 1), (2, 1), (3, 2)):
        text = "".join(json.dumps(line) + "\n" for line in lines[:count])
        (tmp_path / ".asked.jsonl").write_text(text + '{"prom')

        whole = reader.read()[""]

        assert (whole["answered"], whole["scored"], whole["total"]) == (answered, answered, 4)
    sets = reader.read()
    assert [sets["short_en"][name] for name in ("right", "errors", "cut")] == [1, 1, 0]
    assert [sets["choice_zh"][name] for name in ("right", "errors", "cut")] == [0, 0, 1]


def test_a_question_that_a_continued_run_answered_is_no_error(tmp_path):
    reader = READERS["asked"](tmp_path, (("short_en", 1),), tmp_path / "log")
    lines = [
        {"prompt": "a", "subset": "short_en", "error": "500"},
        {"prompt": "a", "subset": "short_en", "right": True},
    ]
    (tmp_path / ".asked.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert reader.read()["short_en"]["errors"] == 0


def test_a_real_run_of_own_questions_ends_with_its_counts(tmp_path):
    folder = DATA / "opencompass-0.5.4-questions-failed" / "outputs"
    lines = (folder / ".asked.jsonl").read_bytes().splitlines(keepends=True)
    reader = READERS["asked"](tmp_path, (("short_en", 16), ("choice_en", 4)), tmp_path / "log")
    seen = []
    for count in range(len(lines) + 1):
        (tmp_path / ".asked.jsonl").write_bytes(b"".join(lines[:count]))
        seen.append(reader.read()[""])

    assert len({(one["answered"], one["errors"]) for one in seen}) == len(lines) + 1
    assert [seen[-1][name] for name in ("answered", "right", "errors", "total")] == [18, 10, 2, 20]
