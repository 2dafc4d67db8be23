"""Evaluate: sets of the team, seeds, and several samples of a question."""

import json

import pytest

from dashboard.pages.launch.launch_form import typed_from_params
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions_file import read_questions
from jobs.kinds import KINDS
from jobs.launch.again import retry_job
from jobs.launch.launch import launch
from jobs.models import Job
from jobs.readings import read_outcome
from jobs.services.outcomes.identity import identity_of
from jobs.tools.evalscope.eval_reading import Scored
from jobs.tools.outputs.questions_reading import by_question
from tests.factories import make_deployment, make_host, make_job, make_result
from tests.jobs.lib.target import DATA, files_below, here
from tests.refusals import refused_at

EVALUATE = KINDS["evaluate"]
OUTPUTS = files_below(DATA / "evalscope-1.14-eval/finished")
LINES = b"".join(
    b'{"id": "n%d", "question": "What is %d + 1?", "answers": ["%d"]}\n' % (n, n, n + 1)
    for n in range(9)
)


@pytest.fixture
def ours(question_folder):
    """A set of the team."""
    meta = {"id": "ours", "name": "Ours", "note": ""}
    return QUESTION_SETS.save(meta, read_questions(LINES).questions, at="", by="", onto=None)


def planned(**raw):
    return EVALUATE.plan(EVALUATE.Params(deployment="3", **raw), here())


def asked(plan):
    texts = [item.text for item in plan.files if item.name.endswith(".jsonl")]
    return [json.loads(line)["id"] for text in texts for line in text.splitlines()]


def test_a_set_of_the_team_is_offered_travels_and_may_be_removed(ours):
    labels = {one.value: one.label for one in EVALUATE.choices("questions", here())}

    assert labels[ours.key] == f"{ours.key} (9)"
    assert asked(planned(questions=ours.key)) == [f"n{n}" for n in range(9)]
    with refused_at("questions", ours.key):  # its version must be named
        planned(questions="ours")
    QUESTION_SETS.mark_removed("ours", "now")
    assert len(asked(planned(questions=ours.key))) == 9


def test_a_seed_draws_the_same_questions_in_every_plan(ours):
    drawn = asked(planned(questions=ours.key, limit=4, question_seed=7))

    assert len(drawn) == 4
    assert drawn == asked(planned(questions=ours.key, limit=4, question_seed=7))
    assert drawn != asked(planned(questions=ours.key, limit=4))


def test_a_language_leaves_the_other_questions_out():
    by_id = {one.id: one.language for one in QUESTION_SETS["basics"].questions}
    assert {by_id[one] for one in asked(planned(language="en"))} == {"en"}
    assert [by_id[one] for one in asked(planned(language="zh", limit=5))] == ["zh"] * 5


def test_samples_are_repeats_of_the_tool():
    plan = planned(samples=4, temperature=0.6, limit=10)

    argv = plan.steps[0].argv
    assert argv[argv.index("--repeats") + 1] == "4"
    assert sum(size for _part, size in plan.watches[0].expected) == 40
    assert "--repeats" not in planned(limit=10).steps[0].argv


def row(question_id, sample, score):
    texts = {"question": question_id, "expected": "", "answer": "x", "extracted": ""}
    place = {"benchmark": "b", "subset": "short_en", "index": 0, "question_id": question_id}
    return Scored(**place, **texts, score=score, sample=sample)


def test_the_score_is_the_mean_over_samples():
    rows = [row("a", 0, 1.0), row("a", 1, 0.0), row("b", 0, 1.0), row("b", 1, 1.0)]

    assert by_question(rows) == [0.5, 1.0]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"question_seed": 7, "samples": 2, "temperature": 0.6}, ", seed 7, 2 samples each"),
        # Older jobs have no seed.
        ({}, ""),
        ({"question_seed": None}, ""),
    ],
)
def test_a_result_says_limit_seed_and_samples(raw, says):
    params = EVALUATE.Params(deployment="3", limit=10, **raw)

    outcome = read_outcome(EVALUATE, params, EVALUATE.plan(params, here()), OUTPUTS)

    assert outcome.measured.what.endswith(says)
    assert ("seed" in outcome.measured.what) is bool(says)


@pytest.mark.django_db
def test_a_retry_of_an_older_job_names_no_seed_and_a_new_job_does():
    host = make_host()
    served = str(make_deployment(host=host).pk)
    new = launch("evaluate", {"deployment": served, "limit": 10}, host=host, user=None)
    assert new.params["question_seed"] == 0
    older = Job.objects.filter(pk=new.pk)

    for params in (
        {**new.params, "question_seed": None},
        {name: value for name, value in new.params.items() if name != "question_seed"},
    ):
        older.update(params=params)
        assert retry_job(new.pk, None).params["question_seed"] is None
        assert typed_from_params(EVALUATE, params).get("question_seed") is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("more", "is_repeat"),
    [
        ({"question_seed": None, "samples": 1}, True),
        ({"question_seed": 0, "samples": 1}, False),
        ({"question_seed": 7, "samples": 1}, False),
        ({"question_seed": None, "samples": 4}, False),
        ({"language": "all", "retries": 5}, True),
        ({"language": "en"}, False),
        ({"stop_early": False, "baseline": "res-17", "margin": 2.0}, True),
        ({"stop_early": True, "baseline": "res-17", "margin": 1.0}, False),
    ],
)
def test_later_fields_change_no_identity_unless_set(more, is_repeat):
    raw = {"questions": "basics", "limit": 10}
    old, new = (
        make_result(type="evaluation", job=make_job(kind="evaluate", params=params))
        for params in (raw, raw | more)
    )

    assert (identity_of(old)["parts"]["workload"] == identity_of(new)["parts"]["workload"]) is (
        is_repeat
    )
