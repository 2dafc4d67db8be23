"""Stored fields of an answer, and its pairing key."""

import json

import pytest

from jobs.tools.evalscope import eval_reading
from jobs.tools.outputs.answers import LONGEST, Answered, kept
from tests.jobs.lib.target import DATA, files_below


def answered(question="2 + 2?", **more):
    usual = {"subset": "x", "expected": "4", "answer": "4", "score": 1.0}
    return Answered(question=question, **usual | more)


def keys(*rows):
    return [Answered(**row).key for row in kept(rows)]


def test_equal_questions_and_samples_stay_separate():
    rows = [answered(), answered(), answered(sample=1), answered(question_id="a")]

    assert len(set(keys(*rows))) == 4
    assert keys(*rows) == keys(*rows)
    # Also in a set that grew.
    assert keys(answered(), answered("new"))[0] == keys(answered())[0]


def test_an_answer_without_a_score_says_so():
    assert [row["status"] for row in kept([answered(score=None), answered()])] == ["unscored", ""]


def test_what_a_model_says_is_bounded():
    (row,) = kept([answered(answer="a" * (LONGEST + 9), question_id="i" * 500, finish="f" * 99)])

    assert (len(row["answer"]), len(row["finish"])) == (LONGEST, 32)
    assert len(row["question_id"]) <= 128


PARTS = [{"type": "reasoning", "reasoning": "so"}, {"type": "text", "text": "4"}]
TAGGED = "<think>so</think>4"


@pytest.mark.parametrize(("content", "prediction"), [(PARTS, "4"), (TAGGED, TAGGED)])
def test_a_thought_of_a_review_is_separated(content, prediction):
    files = files_below(DATA / "evalscope-1.14-eval" / "finished")
    path = "eval/reviews/model/short_answers_short_zh.jsonl"
    line = json.loads(files[path].splitlines()[0])
    line["messages"][-1]["content"] = content
    line["sample_score"]["score"]["prediction"] = prediction
    line["sample_score"]["generation_index"] = 2
    files[path] = json.dumps(line).encode()

    rows = eval_reading.parse(files).scored

    row = next(row for row in rows if row.subset == "short_zh")
    assert (row.reasoning, row.answer, row.sample) == ("so", "4", 2)
