"""The API of greedy probes: shares, intervals, prompts that differ."""

import json

import pytest
from django.utils.timezone import now

from jobs.models import OutputFile
from jobs.services.outputs import output_path
from tests.factories import make_deployment, make_job

PATH = "probe.jsonl"


def line(index, other, *, again=None):
    """A prompt, answered "a" by the deployment; ``other`` None: by nobody else."""
    told = {"text": "a", "finish": "stop", "tokens": [["a", -0.5]]}
    theirs = {"error": "HTTP 503"} if other is None else {**told, "text": other}
    theirs |= {"tokens": [[other, -0.75]]} if other else {}
    made = {"index": index, "prompt": f"prompt {index}", "deployment": told, "reference": theirs}
    return made | ({"again": again} if again else {})


def probe(*lines):
    """A job with these lines."""
    inputs = {"deployment": {"id": make_deployment(name="small-int8").pk}, "reference": {}}
    job = make_job(kind="greedy-probe", state="succeeded", inputs=inputs)
    path = output_path(job.pk, PATH)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    sizes = {"bytes": size, "received_bytes": size, "sha256": "0" * 64}
    OutputFile.objects.create(job=job, name="probe", path=PATH, **sizes)
    return job


@pytest.fixture
def ask(lin):
    def get(job, status=200, **query):
        answer = lin.get(f"jobs/{job.pk}/probe", **query)
        assert answer.status_code == status
        return answer.json()

    return get


def test_shares_have_intervals_and_both_engines(ask):
    again = {"deployment": True, "reference": False}
    found = ask(probe(line(0, "a", again=again), line(1, "b"), line(2, "a"), line(3, None)))

    assert (found["prompts"], found["compared"]) == (4, 3)
    equal = found["equal"]
    assert (equal["count"], equal["total"]) == (2, 3)
    # Wilson: 2 of 3.
    assert [round(equal[name], 4) for name in ("value", "low", "high")] == [0.6667, 0.2077, 0.9385]
    assert [(one["side"], one["name"]) for one in found["engines"]] == [
        ("deployment", "small-int8"),
        ("reference", ""),
    ]
    assert [one["repeated"]["count"] for one in found["engines"]] == [1, 0]
    assert found["logprob_gap"] == {"median": 0.25, "p90": 0.25, "tokens": 2}
    assert found["first_different_token_median"] == 1
    assert found["text"].startswith("2 of 3 answers are equal")


def test_prompts_that_differ_come_with_both_answers(ask):
    job = probe(line(0, "a"), line(1, "b"), line(2, None))

    (pair,) = ask(job)["pairs"]

    assert (pair["number"], pair["state"], pair["prompt"]) == (2, "different", "prompt 1")
    assert (pair["first_different_token"], pair["first_different_character"]) == (1, 1)
    assert (pair["deployment"]["answer"], pair["reference"]["answer"]) == ("a", "b")
    (failed,) = ask(job, show="failed")["pairs"]
    assert failed["reference"]["error"] == "HTTP 503"
    assert [one["number"] for one in ask(job, show="all")["pairs"]] == [1, 2, 3]


def test_a_page_of_prompts_names_the_next(ask):
    job = probe(*(line(index, "b") for index in range(51)))

    first = ask(job)

    assert (len(first["pairs"]), first["next"]) == (50, 50)
    second = ask(job, after=first["next"])
    assert ([one["number"] for one in second["pairs"]], second["next"]) == ([51], None)
    assert ask(job, after=10**9)["pairs"] == []


def test_a_probe_without_answers_has_no_share(ask):
    found = ask(probe(line(0, None)))

    assert (found["equal"], found["logprob_gap"], found["pairs"]) == (None, None, [])
    assert [one["repeated"] for one in found["engines"]] == [None, None]


def test_a_job_without_a_probe_is_not_found_and_a_removed_one_says_so(ask):
    ask(make_job(kind="evaluate"), 404)
    ask(make_job(kind="greedy-probe"), 404)
    job = probe(line(0, "a"))
    ask(job, 400, show="x")
    job.removed_at = now()
    job.save()

    assert ask(job, 410)["error"] == "removed"
