"""A real evaluation against an engine that fails at some questions."""

import json
from collections import Counter

import pytest

from jobs.catalog import QUESTION_SETS
from tests.processes.lib.borrowed import stack_with_evalscope
from tests.processes.lib.engine import engine

pytestmark = pytest.mark.processes
QUESTIONS = QUESTION_SETS["basics"].part(40)
SHOWN = """
import json
from jobs.models import Result
from jobs.queries.answers.answer_flags import hygiene, is_doubtful
result = Result.objects.get(pk={})
known = hygiene(result)
(failed,) = [one for one in known.flags if one.flag == "failed"]
bounds = (failed.low, failed.high, is_doubtful(result))
print(json.dumps([result.answers.count(), known.unscored, *bounds]))
"""
FAILING, WRONG, RETRIES = QUESTIONS[3:5], QUESTIONS[5:16], 1


@pytest.fixture
def api(tmp_path, pytestconfig):
    """A dashboard whose host has EvalScope."""
    with stack_with_evalscope(tmp_path / "data", pytestconfig) as client:
        yield client


def said(text):
    """The answer to a question; None where the engine fails."""
    asked = next(one for one in QUESTIONS if one.question in text)
    if asked in FAILING:
        return None
    return "I do not know." if asked in WRONG else asked.answers[0]


def test_failed_requests_stay_in_rows_flags_and_bounds(api):
    with engine(said) as served:
        asked = {"deployment": served.join(api, "H800"), "limit": len(QUESTIONS)}
        job = api.launch("evaluate", **asked, retries=RETRIES)
        ended = api.ended(job)
        assert ended["state"] == "succeeded", api.raw(f"jobs/{job}/log?from=0").decode()

    times = Counter(
        next(one.id for one in QUESTIONS if one.question in text) for text in served.log
    )
    assert times == {one.id: 1 + RETRIES * (one in FAILING) for one in QUESTIONS}
    result = api.result(job)
    metrics = result["metrics"]
    assert (metrics["questions"], metrics["answers_total"]) == (38, 40)
    assert metrics["answers_failed"] == 2
    assert metrics["accuracy"] == pytest.approx(27 / 38)
    output = api.stack.manage(
        "shell", "--no-imports", "-c", SHOWN.format(result["id"].removeprefix("res-"))
    ).stdout
    rows, unscored, low, high, is_doubtful = json.loads(output)
    assert (rows, unscored, is_doubtful) == (40, 2, True)
    assert (low, high) == (pytest.approx(27 / 40), pytest.approx(29 / 40))
