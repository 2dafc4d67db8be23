"""Plans of evaluations that continue, and the script that takes answers over."""

import pytest

from jobs.kinds import KINDS
from jobs.plans import Check, Plan, PlanFile, Step
from jobs.tools.lib.variants import TAKE_OVER, resumed
from tests.jobs.lib.scripts import run_script

PLAN = Plan(
    kind="evaluate",
    steps=(Step("download", ("/env/bin/modelscope",)), Step("ask", ("/env/bin/evalscope", "eval"))),
    files=(PlanFile("q.jsonl", "{}"),),
    checks=(Check("endpoint", (("url", "x"),)),),
)
CONTINUE = ("--use-cache", "eval")


def continued(plan, earlier):
    return resumed(plan, earlier, step="ask", folder="eval", words=CONTINUE)


def test_a_continued_plan_takes_answers_over_first():
    plan = continued(PLAN, "/host/spool/{7}")

    first, _download, ask = plan.steps
    assert first.name == TAKE_OVER
    assert (first.argv[0], first.argv[2:]) == (
        "/env/bin/python",
        ("/host/spool/{{7}}/work/eval", "eval"),
    )
    assert ask.argv == ("/env/bin/evalscope", "eval", *CONTINUE)
    assert [item.name for item in plan.files] == ["q.jsonl", "take_over.py"]
    assert [check.name for check in plan.checks] == ["path", "endpoint"]


def test_a_plan_that_continues_twice_takes_the_last_answers():
    plan = continued(continued(PLAN, "/host/spool/7"), "/host/spool/8")

    assert plan == continued(PLAN, "/host/spool/8")


def test_a_kind_without_answers_starts_over():
    verbatim = Plan(kind="evaluate-opencompass", steps=(Step("evaluate", ("opencompass", "x")),))

    assert KINDS["benchmark"].resumed(PLAN, "/host/spool/7") is None
    assert KINDS["evaluate-opencompass"].resumed(verbatim, "/host/spool/7") is None


def test_opencompass_continues_its_newest_run():
    steps = (Step("dry-run", ("opencompass",)), Step("evaluate", ("python3", "follow_run.py")))
    files = (PlanFile("follow_run.py", ""),)
    plan = Plan(kind="evaluate-opencompass", steps=steps, files=files)

    continues = KINDS["evaluate-opencompass"].resumed(plan, "/host/spool/7")

    assert [step.name for step in continues.steps] == [TAKE_OVER, "evaluate"]
    assert continues.steps[0].argv[2].endswith("/work/outputs")
    assert continues.steps[1].argv[-1] == "-r"


@pytest.fixture
def earlier(tmp_path):
    folder = tmp_path / "7/work/eval"
    (folder / "predictions/model").mkdir(parents=True)
    (folder / "predictions/model/a.jsonl").write_text('{"index": 0}\n{"index": 1}\n{"ind')
    return folder


def test_a_torn_line_of_an_answer_is_left_out(earlier, tmp_path):
    done = run_script("take_over.py", earlier, tmp_path / "eval")

    assert (done.returncode, "2 lines" in done.stdout) == (0, True)
    copied = tmp_path / "eval/predictions/model/a.jsonl"
    assert copied.read_text() == '{"index": 0}\n{"index": 1}\n'
    assert (earlier / "predictions/model/a.jsonl").read_text().endswith('{"ind')


def test_an_earlier_job_without_answers_is_no_error_and_one_without_a_folder_is(tmp_path):
    gone = run_script("take_over.py", tmp_path / "7/work/eval", tmp_path / "eval")
    (tmp_path / "7/work").mkdir(parents=True)
    empty = run_script("take_over.py", tmp_path / "7/work/eval", tmp_path / "eval")

    assert (gone.returncode, "is gone" in gone.stderr) == (1, True)
    assert (empty.returncode, "all questions" in empty.stdout) == (0, True)
