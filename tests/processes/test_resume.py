"""A real evaluation that is stopped and resumed: no answered question is asked again."""

from collections import Counter

import pytest

from tests.api import until
from tests.processes.lib.borrowed import stack_with_evalscope
from tests.processes.lib.engine import engine

pytestmark = pytest.mark.processes
QUESTIONS, STOPPED_AT = 20, 8


@pytest.fixture
def api(tmp_path, pytestconfig):
    """A dashboard whose host has EvalScope."""
    with stack_with_evalscope(tmp_path / "data", pytestconfig) as client:
        yield client


def test_a_resumed_evaluation_asks_no_answered_question(api):
    with engine(lambda text: "5", delay_s=0.25) as served:
        asked = {"deployment": served.join(api, "H800"), "limit": QUESTIONS, "batch": 1}
        stopped = api.launch("evaluate", **asked)
        until(lambda: len(served.log) >= STOPPED_AT, "questions are asked")
        api.ask(f"jobs/{stopped}/cancel", {})
        assert api.ended(stopped)["state"] == "cancelled"
        files = (api.spool(stopped) / "work/eval/predictions/model").glob("*.jsonl")
        answered = sum(len(path.read_text().splitlines()) for path in files)
        before = Counter(served.log)
        assert 0 < answered <= len(before) < QUESTIONS

        resumed = api.ask(f"jobs/{stopped}/resume", {})

        done = api.ended(resumed["id"])
        assert (done["state"], resumed["resumed"], resumed["repeats"]) == (
            "succeeded",
            True,
            stopped,
        ), api.raw(f"jobs/{resumed['id']}/log?from=0").decode()
        times = Counter(served.log)
        assert len(times) == QUESTIONS
        # Only the question that was under way when the job was stopped.
        assert sum(count - 1 for count in times.values()) == len(before) - answered
        whole = api.launch("evaluate", **asked)
        assert api.ended(whole)["state"] == "succeeded"
        one, other = api.result(resumed["id"]), api.result(whole)
        assert one["metrics"]["questions"] == QUESTIONS
        assert one["metrics"]["accuracy"] == other["metrics"]["accuracy"]
        assert one["identity"] == other["identity"]
