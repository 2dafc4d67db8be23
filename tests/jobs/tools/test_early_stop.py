"""An evaluation in parts: order of questions, the script, its decision."""

import json
import subprocess
import sys

import pytest

from jobs.catalog import QUESTION_SETS
from jobs.kinds.evaluate import EvaluateParams
from jobs.kinds.lib.common import site
from jobs.queries.parity.statement import Looks, state
from jobs.statistics import from_scores
from jobs.tools.evalscope.commands import CONTINUE, LOOKS_FILE, Rule, decided_plan
from tests.jobs.lib.target import here

QUESTIONS = QUESTION_SETS["basics"].questions
# Scores as EvalScope 1.14.1 writes them; a question counts as asked once, like with its cache.
TOOL = """
import json, pathlib, sys
right = json.loads(pathlib.Path("right.json").read_text())
with open("calls.jsonl", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if "fails" in right:
    sys.exit(3)
for path in sorted(pathlib.Path("asked").glob("*.jsonl")):
    name = ("short_answers_" if "short" in path.name else "choice_letters_") + path.name
    reviews = pathlib.Path("eval/reviews/model") / name
    reviews.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, line in enumerate(path.read_text().splitlines()):
        own = right[json.loads(line)["id"]]
        score = {"value": {"accuracy": own}, "main_score_name": "accuracy"}
        if own is None:
            score = {"status": "excluded", "value": {}}
        rows.append(json.dumps({"index": index, "sample_score": {"score": score}}) + "\\n")
    reviews.write_text("".join(rows))
"""


def planned(verdicts, margin=0.05, seed=0):
    params = EvaluateParams(deployment="3", question_seed=seed)
    rule = Rule("res-17", margin, "same", verdicts)
    return decided_plan(params, QUESTIONS, site(here()), rule=rule, key="", extra_body={})


@pytest.fixture
def run(tmp_path):
    """Run the script in a folder, with these answers; its exit code, looks and log."""
    work, files = tmp_path / "work", tmp_path / "files"
    log = work / "calls.jsonl"
    work.mkdir()
    files.mkdir()

    def begin(right, *arguments, **rule):
        verdicts = rule.pop("verdicts", None) or {one.id: True for one in QUESTIONS}
        for file in planned(verdicts, **rule).files:
            (files / file.name).write_text(file.text)
        (files / "ask_and_score.py").write_text(TOOL)
        (work / "right.json").write_text(json.dumps(right))
        command = [sys.executable, str(files / "ask_until_decided.py")]
        ended = subprocess.run(
            [*command, str(files / "early_stop.json"), "eval", *arguments],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        texts = [one.read_text() if one.exists() else "" for one in (work / LOOKS_FILE, log)]
        looks, calls = ([json.loads(line) for line in text.splitlines()] for text in texts)
        return ended, looks, calls

    return begin


def all_of(score):
    return {one.id: score for one in QUESTIONS}


def mixed():
    """Every third answer is incorrect."""
    return {one.id: float(at % 3 > 0) for at, one in enumerate(QUESTIONS)}


# A baseline with the same answers, at a margin that no look decides.
UNDECIDED = {"verdicts": {name: bool(right) for name, right in mixed().items()}, "margin": 0.001}


def test_an_undecided_run_asks_all_questions_also_when_it_is_resumed(run, tmp_path):
    ended, looks, calls = run(mixed(), **UNDECIDED)

    assert (ended.returncode, len(looks)) == (0, 10)
    # Later looks continue from the answers before.
    assert calls == [["eval"], *(["eval", *CONTINUE] for _look in looks[1:])]
    assert looks[-1]["asked"] == len(QUESTIONS)
    assert looks[-1]["decision"] == "cannot_tell"
    assert [look["asked"] for look in looks] == sorted({look["asked"] for look in looks})
    path = tmp_path / "work" / LOOKS_FILE
    path.write_text("".join(json.dumps(look) + "\n" for look in looks[:7]))
    (tmp_path / "work/calls.jsonl").unlink()
    _ended, again, calls = run(mixed(), *CONTINUE, **UNDECIDED)
    assert again == looks  # from the next look on
    assert calls == [["eval", *CONTINUE]] * (len(looks) - 7)


def test_a_decided_run_leaves_questions_out_also_when_it_is_resumed(run, tmp_path):
    ended, looks, calls = run(all_of(0.0))

    assert ended.returncode == 0, ended.stderr
    assert looks[-1]["decision"] == "worse"
    assert looks[-1]["asked"] < len(QUESTIONS) == looks[-1]["questions"]
    assert len(calls) == len(looks)
    assert ", worse." in ended.stdout.splitlines()[-1]
    (tmp_path / "work/calls.jsonl").write_text("")
    ended, again, calls = run(all_of(0.0), *CONTINUE)
    assert (ended.returncode, again, calls) == (0, looks, [])


def test_an_error_of_the_tool_ends_the_run(run):
    ended, looks, calls = run({"fails": True})

    assert (ended.returncode, looks, len(calls)) == (3, [], 1)


def test_answers_without_a_score_do_not_count(run):
    lost = [one.id for one in QUESTIONS[:50]]

    _ended, looks, _calls = run(mixed() | dict.fromkeys(lost), **UNDECIDED)

    assert looks[-1]["pairs"] < looks[-1]["asked"] == looks[-1]["questions"]


def test_a_look_has_the_interval_of_the_statement(run):
    changed = mixed()
    for one in QUESTIONS[:100:20]:
        changed[one.id] = 1 - changed[one.id]
    _ended, looks, _calls = run(changed, **UNDECIDED)

    base, own = ({name: [score] for name, score in one.items()} for one in (mixed(), changed))
    stated = state(
        [from_scores("basics", "", base, own)], 0.001, "same", Looks(len(QUESTIONS))
    ).pooled
    last = looks[-1]
    assert last["asked"] == len(QUESTIONS)
    gap = (stated.gap.value, stated.gap.low, stated.gap.high)
    assert (last["difference"], last["low"], last["high"]) == pytest.approx(gap)


def test_each_look_asks_the_same_share_of_each_subset():
    plan = planned({one.id: True for one in QUESTIONS})
    rule = json.loads(next(one.text for one in plan.files if one.name == "early_stop.json"))

    for part in rule["parts"].values():
        total = len(part["baseline"])
        assert part["looks"] == [-(-look * total // 10) for look in range(1, 11)]
    assert sum(part["looks"][-1] for part in rule["parts"].values()) == len(QUESTIONS)


def test_verdicts_of_the_baseline_are_in_the_order_of_the_questions():
    verdicts = {one.id: (True, False, None)[at % 3] for at, one in enumerate(QUESTIONS)}
    plan = planned(verdicts)
    files = {one.name: one.text for one in plan.files}
    rule = json.loads(files["early_stop.json"])

    for name, part in rule["parts"].items():
        ids = [json.loads(line)["id"] for line in files[name].splitlines()]
        assert part["baseline"] == [verdicts[one] for one in ids]


def test_a_seed_draws_one_order():
    verdicts = {one.id: True for one in QUESTIONS}
    one, same, other = (planned(verdicts, seed=seed).files for seed in (0, 0, 1))

    assert one == same
    assert one != other
