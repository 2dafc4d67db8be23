"""A real evaluation that ends when its comparison with a baseline is decided."""

import json
from collections import Counter

import pytest

from jobs.catalog import QUESTION_SETS
from tests.api import until
from tests.processes.lib.borrowed import stack_with_evalscope
from tests.processes.lib.engine import engine

pytestmark = pytest.mark.processes
QUESTIONS = QUESTION_SETS["basics"].questions


@pytest.fixture
def api(tmp_path, pytestconfig):
    """A dashboard whose host has EvalScope."""
    with stack_with_evalscope(tmp_path / "data", pytestconfig) as client:
        yield client


def right(text):
    return next(one.answers[0] for one in QUESTIONS if one.question in text)


def test_a_worse_engine_is_told_before_all_questions_are_asked(api):
    with engine(right) as good, engine(lambda text: "I do not know.", delay_s=1) as bad:
        base, other = good.join(api, "H800"), bad.join(api, "ours")
        whole = api.launch("evaluate", deployment=base, max_tokens=32)
        assert api.ended(whole)["state"] == "succeeded"
        assert len(good.log) == len(QUESTIONS)
        asked = {"deployment": other, "max_tokens": 32, "batch": 2}
        rule = {"stop_early": True, "baseline": api.result(whole)["id"], "margin": 5.0}
        stopped = api.launch("evaluate", **asked, **rule)
        looks = api.spool(stopped) / "work/eval/looks.jsonl"
        until(lambda: looks.is_file() and looks.read_text().count("\n") == 1, "a look")
        until(lambda: len(bad.log) > 18, "the second look asks")
        api.ask(f"jobs/{stopped}/cancel", {})
        assert api.ended(stopped)["state"] == "cancelled"

        job = api.ask(f"jobs/{stopped}/resume", {})["id"]

        done, log = api.ended(job), api.raw(f"jobs/{job}/log?from=0").decode()
        assert done["state"] == "succeeded", log
        look = json.loads((api.spool(job) / "work/eval/looks.jsonl").read_text().splitlines()[-1])
        assert (look["decision"], look["questions"]) == ("worse", len(QUESTIONS))
        times = Counter(bad.log)
        assert len(times) == look["asked"] < len(QUESTIONS)
        # Only those that were under way when the job was cancelled.
        assert sum(count - 1 for count in times.values()) <= asked["batch"]
        assert log.count("Look 1 of 10") == 1
        first, second = api.result(whole), api.result(job)
        assert second["metrics"]["questions"] == look["asked"]
        assert second["metrics"]["planned_questions"] == len(QUESTIONS)
        stated = api.ask(f"parity?base={first['id']}&id={second['id']}&margin=5")
        assert stated["planned_questions"] == len(QUESTIONS)
        assert stated["verdict"] == "worse"
        assert stated["pooled"]["difference_points"] == pytest.approx(100 * look["difference"])
        assert stated["pooled"]["low_points"] == pytest.approx(100 * look["low"])
