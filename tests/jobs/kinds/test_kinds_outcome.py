"""Outcomes of kinds from real tool outputs, successful and failed."""

import json
from operator import itemgetter
from pathlib import Path

import pytest

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG
from jobs.tools.evalscope import eval_reading
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DATA, files_below

PERF, EVAL = DATA / "evalscope-1.14-perf", DATA / "evalscope-1.14-eval"


benchmark, evaluation = (plans_of(name).outcome_of for name in ("benchmark", "evaluate"))


def test_weights_are_registered_as_they_were_found():
    outputs = {"weights.json": (DATA / "pip" / "weights.json").read_bytes()}

    outcome = plans_of("prepare").outcome_of(outputs)

    assert outcome.message == Message(
        "prepare:weights", {"model": "SmolLM2-135M-Instruct", "size": "98.4 MB"}
    )
    assert outcome.product["bytes"] == 98362432
    assert outcome.product["precision"] == "Q4_1"


def test_an_environment_is_registered_with_its_versions():
    outputs = {"versions.json": (DATA / "pip" / "versions.json").read_bytes()}

    outcome = plans_of("prepare").outcome_of(outputs, what="environment", environment="evalscope")

    assert outcome.product["versions"]["evalscope"] == "1.14.1"
    assert outcome.message.args["version"] == "1.14.1"
    assert outcome.message.args["packages"] == len(outcome.product["versions"])


def test_an_artifact_is_registered_with_size_and_checksum():
    outputs = {"artifact.json": (DATA / "llama.cpp" / "artifact.json").read_bytes()}

    outcome = plans_of("compile").outcome_of(outputs)

    assert outcome.message == Message(
        "compile:made", {"label": "Q8_0 from Q4_1", "size": "144.8 MB"}
    )
    assert set(outcome.product) == {"path", "bytes", "sha256"}
    assert outcome.product["bytes"] == 144811072


@pytest.mark.parametrize("kind", ["deploy", "deploy-build-in", "deploy-vllm"])
def test_a_deployment_says_how_long_it_took(kind):
    message = plans_of(kind).outcome_of({"ready.json": b'{"seconds": 61.25}'}).message

    assert message == Message("deploy:ready", {"seconds": 61.25})


def test_a_benchmark_stands_for_its_fastest_point():
    measured = benchmark(files_below(PERF / "levels"), output_tokens=16).measured

    assert [concurrency for concurrency, _ in measured.points] == [1, 2, 4]
    assert measured.metrics == measured.points[2][1] | {
        **{"requests_all": 12.0, "failed_requests_all": 0.0}
    }
    assert measured.metrics["output_tokens_per_s"] == 46.5383
    assert (measured.type, measured.tool) == ("benchmark", "evalscope 1.14.1")
    assert measured.what == "everyday → 16 tok"
    assert {name for _, metrics in measured.points for name in metrics} <= set(METRICS)


def test_few_and_failed_requests_are_named_beside_the_number():
    files = files_below(PERF / "disconnected")

    measured = benchmark(files, concurrency=(2, 8), requests=24).measured

    assert list(measured.remarks) == [
        Message("benchmark:failed_requests", {"failed": 4, "total": 24, "concurrency": 2}),
        Message("benchmark:few_requests", {"requests": 24}),
        Message("benchmark:not_measured", {"concurrency": "8"}),
    ]


def test_a_benchmark_whose_tool_saw_no_token_has_failed():
    files = files_below(PERF / "levels")
    for path in [path for path in files if path.endswith("benchmark_summary.json")]:
        summary = json.loads(files[path])
        files[path] = json.dumps({**summary, "Output Throughput (tok/s)": 0.0}).encode()

    outcome = benchmark(files, output_tokens=16)

    assert outcome.failure == Message("benchmark:no_token")


def test_a_benchmark_without_a_stream_names_what_it_lacks():
    files = files_below(PERF / "levels")
    whole = {"Stream Requests": 0, "Non-Stream Requests": 20}
    for path in [path for path in files if path.endswith("benchmark_summary.json")]:
        files[path] = json.dumps({**json.loads(files[path]), **whole}).encode()

    measured = benchmark(files, output_tokens=16).measured

    assert Message("benchmark:no_stream") in measured.remarks
    assert "ttft_mean_ms" not in measured.metrics


def test_a_benchmark_in_which_no_request_completed_has_failed():
    outcome = benchmark(files_below(PERF / "nobody"), concurrency=(1, 2))

    assert outcome.failure == Message("benchmark:no_request", {"failed": 6})
    assert outcome.measured is None


def test_an_evaluation_keeps_every_question_with_its_answer():
    measured = evaluation(files_below(EVAL / "limit16")).measured

    assert measured.metrics["accuracy"] == sum(a["score"] for a in measured.answers) / 16
    assert measured.metrics["questions"] == len(measured.answers) == 16
    assert measured.answers[0] == {
        "subset": "choice_en",
        "question": "Which of these is a fruit?\nA) Carrot\nB) Apple\nC) Potato\nD) Onion",
        "expected": "B",
        "answer": "A) Carrot\n\nThe correct answer is D) Onion.",
        "score": 0.0,
        "detail": {
            "id": "choice-fruit",
            "category": "general",
            "latency_s": 1.3856399539999984,
            "input_tokens": 66,
            "output_tokens": 16,
            "prompt": "Which of these is a fruit?\nA) Carrot\nB) Apple\nC) Potato\nD) Onion\n"
            "Answer with the letter of the right choice only.",
        },
        "question_id": "choice-fruit",
        "sample": 0,
        "extracted": "D",
        "reasoning": "",
        "finish": "",
        "status": "",
    }
    assert (measured.what, measured.tool) == ("basics (16)", "evalscope 1.14.1")
    assert set(measured.metrics) <= set(METRICS)


def test_accuracy_is_stored_by_part_too():
    metrics = evaluation(files_below(EVAL / "limit16")).measured.metrics

    parts = {name: metrics[f"accuracy_{name}"] for name in ("short", "choice", "en", "zh")}
    assert parts == {"short": 8 / 13, "choice": 0.0, "en": 8 / 14, "zh": 0.0}


def test_few_questions_and_cut_answers_stand_by_the_number():
    remarks = evaluation(files_below(EVAL / "limit16"), max_tokens=32).measured.remarks

    cut = sum(
        json.loads(line)["messages"][-1]["perf_metrics"]["output_tokens"] >= 32
        for path in (EVAL / "limit16").rglob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    assert list(remarks) == [
        Message("evaluate:cut_guess", {"cut": cut, "total": 16, "max_tokens": 32}),
        Message("evaluate:few_questions", {"questions": 16}),
    ]


def test_the_end_of_an_answer_is_stored_where_evalscope_wrote_it():
    measured = evaluation(files_below(EVAL / "finished"), max_tokens=24).measured

    ended = [answer["finish"] for answer in measured.answers]
    assert (ended.count("length"), ended.count("stop"), len(ended)) == (8, 16, 24)
    assert Message("evaluate:cut", {"cut": 8, "total": 24, "max_tokens": 24}) in measured.remarks
    by_id = {answer["question_id"]: answer for answer in measured.answers}
    assert by_id["short-root-49"]["detail"]["rule"] == "number"
    assert by_id["short-root-49"]["extracted"] == "17"
    assert measured.tool == "evalscope 1.14.1, rules 2"


def with_scores(folder, **changed):
    """The files of a run in which the scores of one set are ``changed``, and their number."""
    outputs = files_below(folder)
    path = "eval/reviews/model/choice_letters_choice_en.jsonl"
    lines = [json.loads(line) for line in outputs[path].splitlines()]
    for line in lines:
        line["sample_score"]["score"] |= changed
    outputs[path] = "\n".join(map(json.dumps, lines)).encode()
    return outputs, len(lines)


def test_questions_without_a_score_are_kept_and_not_counted():
    outputs, count = with_scores(EVAL / "finished", status="excluded")

    measured = evaluation(outputs).measured

    left_out = [answer for answer in measured.answers if answer["status"]]
    assert [answer["status"] for answer in left_out] == ["excluded"] * count
    assert measured.metrics["questions"] == 24 - count


def without_answers(outputs, path, places):
    """The files of a run in which the requests of these lines of reviews failed."""
    lines = outputs[path].splitlines(keepends=True)
    gone = [json.loads(lines[place]) for place in places]
    outputs[path] = b"".join(line for n, line in enumerate(lines) if n not in places)
    benchmark, _, subset = Path(path).stem.partition("_answers_")
    report = f"eval/reports/model/{benchmark}_answers.json"
    data = json.loads(outputs[report])
    for part in (data["execution_summary"], data["execution_summary"]["subsets"][subset]):
        part["succeeded"] -= len(places)
        part["errored"] += len(places)
    outputs[report] = json.dumps(data).encode()
    return [line["sample_score"]["sample_metadata"]["id"] for line in gone]


def test_a_failed_request_is_a_row_of_the_answers():
    outputs = files_below(EVAL / "finished")
    path = "eval/reviews/model/short_answers_short_en.jsonl"
    asked = [json.loads(line) for line in outputs[path].splitlines()]
    kept = [
        one["sample_score"]["sample_metadata"] for one in sorted(asked, key=itemgetter("index"))
    ]
    records = [one["record"] | {"id": one["id"], "category": one["category"]} for one in kept]
    failed = without_answers(outputs, path, [2, 5])
    rows = eval_reading.parse(outputs).scored
    own = [row for row in rows if row.subset == "short_en"]

    named = eval_reading.named(rows, {"short_en": records}, 1)

    assert len(rows) == len(named) == 24
    assert [row.index for row in own] == list(range(len(own)))
    lacking = [row for row in named if row.status == "error"]
    assert [row.question_id for row in lacking] == failed
    assert all(row.question and row.expected and row.score is None for row in lacking)


def test_an_evaluation_in_which_nothing_was_scored_has_failed():
    outcome = evaluation(files_below(EVAL / "nobody"))

    assert outcome.failure == Message("evaluate:no_question", {"questions": 10})
    assert outcome.measured is None


def test_questions_without_a_score_are_named_beside_the_number():
    outputs = files_below(EVAL / "limit16")
    path = "eval/reviews/model/choice_letters_choice_en.jsonl"
    outputs[path] = b"".join(outputs[path].splitlines(keepends=True)[1:])

    remarks = evaluation(outputs).measured.remarks

    assert remarks[0] == Message("evaluate:unscored", {"unscored": 1, "total": 16})


def test_answers_without_a_text_are_counted_once_by_their_flags():
    outputs, _count = with_scores(EVAL / "limit16", prediction="")

    measured = evaluation(outputs).measured

    assert measured.metrics["unanswered"] == 3
    assert "evaluate:empty" not in {remark.id for remark in measured.remarks}


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        ("prepare", {}),
        ("prepare", {"weights.json": b"[]"}),
        ("prepare", {"weights.json": b"{}"}),
        ("compile", {"artifact.json": b"half a fi"}),
        ("compile", {"artifact.json": b'{"type": "Q8_0"}'}),
        ("deploy", {"ready.json": b"{}"}),
        ("benchmark", {}),
        ("evaluate", {}),
        ("evaluate-evalscope", {LOG: b"reports/model/x.json"}),
        ("evaluate-opencompass", {LOG: b"20261124_140927"}),
    ],
)
def test_what_cannot_be_read_is_a_parse_error(kind, outputs):
    with pytest.raises(ParseError):
        plans_of(kind).outcome_of(outputs)
