"""OpenCompass's run of the dashboard's own questions: a real run against a small model."""

import json
from pathlib import Path

from jobs.tools.evalscope import eval_reading
from jobs.tools.opencompass.reading import ASKED, parse_questions

DATA = Path("tests/data/opencompass-0.5.4-questions")
FILES = {
    path.relative_to(DATA).as_posix(): path.read_bytes()
    for path in DATA.rglob("*")
    if path.is_file()
}
(JOURNAL,) = [path for path in FILES if path.endswith(ASKED)]


def without(prompt, *lines):
    """The files with other lines of the journal for one prompt."""
    kept = [line for line in FILES[JOURNAL].splitlines() if json.loads(line)["prompt"] != prompt]
    return {**FILES, JOURNAL: b"\n".join([*kept, *lines])}


def test_a_real_run_gives_its_scores_by_subset():
    rows = parse_questions(FILES)

    right = {}
    for row in rows:
        right.setdefault(row.subset, []).append(row.score)
    shares = {name: round(100 * sum(own) / len(own), 2) for name, own in right.items()}
    summary = next(text for path, text in FILES.items() if path.endswith(".csv")).decode()
    printed = dict(line.split(",")[::4] for line in summary.splitlines()[1:])
    assert shares == {name: float(value) for name, value in printed.items()}
    assert len(rows) == 20


def test_an_answer_has_id_rule_finish_and_tokens():
    row = next(row for row in parse_questions(FILES) if row.question_id == "short-add-2-3")

    assert row.question == "What is 2 + 3?"
    assert (row.expected, row.finish, row.status) == ("5 | five", "stop", "")
    assert row.detail["category"] == "arithmetic"
    assert (row.detail["rule"], row.detail["scorer"]) == ("number", 3)
    assert (row.detail["input_tokens"], row.detail["output_tokens"]) == (44, 12)
    assert row.detail["latency_s"] > 0


PROMPT = "Answer with a short sentence: What is 2 + 3?"


def test_a_failed_request_is_unscored_unless_it_succeeded_later():
    failed = json.dumps({"prompt": PROMPT, "error": "Connection refused"}).encode()
    heard = json.dumps({"prompt": PROMPT, "finish": "length", "output_tokens": 32}).encode()

    first, later = (
        next(row for row in parse_questions(files) if row.question_id == "short-add-2-3")
        for files in (without(PROMPT, failed), without(PROMPT, failed, heard))
    )

    assert (first.score, first.status) == (None, "error")
    assert later.score is not None
    assert later.finish == "length"


def test_the_failed_requests_of_a_real_run_are_rows_without_a_score():
    folder = Path("tests/data/opencompass-0.5.4-questions-failed")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}

    rows = parse_questions({path: content for path, content in files.items() if content})

    failed = {row.question_id for row in rows if row.status == "error"}
    assert failed == {"short-root-49", "short-capital-france"}
    assert (len(rows), sum(row.score for row in rows if row.score is not None)) == (20, 10)


def test_a_failed_sample_is_told_from_an_empty_answer():
    lines = [
        {"prompt": PROMPT, "error": "Connection refused"},
        {"prompt": PROMPT, "finish": "stop"},
    ]
    files = without(PROMPT, *(json.dumps(line).encode() for line in lines))
    (path,) = [path for path in files if path.endswith("predictions/model/short_en.json")]
    saved = json.loads(files[path])
    for one in saved.values():
        if json.loads(one["gold"])["id"] == "short-add-2-3":
            one["prediction"] = ""
    files[path] = json.dumps(saved).encode()

    rows = {row.question_id: row for row in parse_questions(files)}

    assert rows["short-add-2-3"].status == "error"


def test_a_run_without_its_journal_has_scores_and_no_tokens():
    rows = parse_questions({path: content for path, content in FILES.items() if path != JOURNAL})

    assert len(rows) == 20
    assert {row.finish for row in rows} == {""}
    assert all("output_tokens" not in row.detail for row in rows)


def test_a_question_is_that_of_evalscope():
    folder = Path("tests/data/evalscope-1.14-eval/finished")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}
    others = {row.question_id: row for row in eval_reading.parse(files).scored}

    rows = parse_questions(FILES)

    assert all("\nA) " in row.question for row in rows if row.subset == "choice_en")
    same = [row for row in rows if row.question_id in others]
    assert len(same) > 3
    for row in same:
        other = others[row.question_id]
        assert (row.question, row.expected) == (other.question, other.expected)
