"""Real runs of OpenCompass 0.4.1 and 0.5.4, one with only failed tasks."""

import json

import pytest

from jobs.base.errors import ParseError
from jobs.tools.opencompass.reading import (
    HEAD,
    Judged,
    OpenCompassRun,
    parse,
    parse_csv,
    parse_markdown,
    parse_predictions,
    parse_results,
    parse_text,
)
from tests.jobs.lib.target import DATA, files_below

OLD, NEW = DATA / "opencompass-0.4.1", DATA / "opencompass-0.5.4" / "workdir"
FAILED = DATA / "opencompass-0.5.4-failed" / "workdir"
READERS = {"csv": parse_csv, "md": parse_markdown, "txt": parse_text}
R1 = "deepseek-r1-va16"


def summary(folder, suffix):
    (path,) = folder.glob(f"*/summary/*.{suffix}")
    return path.name, path.read_bytes()


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        (OLD, f"{R1}: cluewsc-dev 5ab83b 50.0, cluewsc-test 5ab83b 69.7, math-500 11c4b5 0.0"),
        (NEW, "smollm2-q8: basic_mcq d890be 30.0, basic_qa 359d58 0.0"),
        (FAILED, "smollm2-q8: basic_mcq  None, basic_qa  None"),
    ],
    ids=["0.4.1", "0.5.4", "failed"],
)
def test_a_summary_says_the_same_in_each_of_its_formats(suffix, folder, wanted):
    scores = READERS[suffix](*summary(folder, suffix))

    (model,) = {one.model for one in scores}
    sets = ", ".join(f"{one.dataset} {one.version} {one.value}" for one in scores)
    assert f"{model}: {sets}" == wanted


def test_a_run_has_all_decimals_of_its_results():
    run = parse(files_below(OLD))

    assert (run.stamp, run.models) == ("20261124_140927", (R1,))
    (score,) = [one for one in run.scores if one.dataset == "cluewsc-test"]
    assert (score.value, score.text) == (69.6969696969697, "69.70")


def means_of(path, content, model):
    return OpenCompassRun("", parse_csv(path, content)).means(model)


def test_without_predictions_the_known_sizes_weigh():
    averages = means_of(*summary(OLD, "csv"), R1)

    assert averages.questions == 159 + 976 + 500
    assert averages.weighted == pytest.approx((159 * 0.5 + 976 * 0.697) / 1635)


def test_sets_of_unknown_size_have_only_the_mean_over_sets():
    averages = means_of(*summary(NEW, "csv"), "smollm2-q8")

    assert (averages.weighted, averages.questions) == (None, None)
    assert averages.metrics == {"accuracy_macro": pytest.approx(0.15)}


def test_a_metric_that_is_no_share_is_in_no_mean():
    rows = b"dataset,version,metric,mode,m\nmmlu,-,naive_average,gen,85.0\nx,abc123,bleu,gen,3.0\n"

    assert means_of("x.csv", rows, "m") is None
    assert parse(files_below(FAILED)).means("smollm2-q8") is None


def test_the_same_prompt_is_known_by_its_hash():
    scores = parse(files_below(OLD)).scores + parse(files_below(NEW)).scores

    assert [s.is_as_published for s in scores] == [True, True, True, None, None]
    (other,) = parse_csv("x", b"dataset,version,metric,mode,m\ngsm8k,abcdef,accuracy,gen,1.0\n")
    assert other.is_as_published is False


def test_two_models_are_two_columns():
    heading = b"--- Exam ---,-,-,-,-,-\n"
    rows = b"x,abc123,accuracy,gen,1.00,2.00\ny,-,-,-,-,4.00\n"

    scores = parse_csv("x.csv", b"dataset,version,metric,mode,a,b\n" + heading + rows)

    assert [(s.model, s.dataset, s.value) for s in scores] == [
        *(("a", "x", 1.0), ("a", "y", None), ("b", "x", 2.0), ("b", "y", 4.0)),
    ]


HEAD_LINE = ",".join((*HEAD, "m")).encode() + b"\n"


@pytest.mark.parametrize(
    ("suffix", "content", "says"),
    [
        ("csv", b"", "empty"),
        ("csv", b"\xff\xfe", "no text"),
        ("csv", b"a,b\n1,2\n", "begins with"),
        ("csv", HEAD_LINE.replace(b",m", b"") + b"x,y,z,w\n", "begins with"),
        ("csv", HEAD_LINE, "no rows"),
        ("csv", summary(OLD, "csv")[1][:-9], "cells"),
        ("csv", HEAD_LINE + b"x,abc123,accuracy,gen,many\n", "no score"),
        ("csv", HEAD_LINE + b",abc123,accuracy,gen,1.0\n", "has no set name"),
        ("md", b"", "no table"),
        ("md", b"| a | b |\n|--|--|\n| 1 | 2 |\n", "no table"),
        ("md", summary(OLD, "md")[1][:-12], "cells"),
        ("txt", b"", "empty"),
        ("txt", summary(OLD, "txt")[1][:900], "cut off"),
        ("txt", b"hello\n", "no summary"),
    ],
)
def test_a_summary_that_is_torn_empty_or_foreign_is_refused(suffix, content, says):
    with pytest.raises(ParseError, match=says):
        READERS[suffix](f"summary.{suffix}", content)


@pytest.mark.parametrize("suffix", ["md", "txt"])
def test_another_format_stands_in_for_a_lost_csv(suffix):
    files = {
        path: content
        for path, content in files_below(OLD).items()
        if "summary" not in path or path.endswith(suffix)
    }

    assert parse(files).scores == parse(files_below(OLD)).scores


def test_the_newest_of_several_runs_and_summaries_counts():
    files = {f"out/{path}": content for path, content in files_below(OLD).items()}
    files |= {f"out/{path}": content for path, content in files_below(NEW).items()}
    files["out/20261124_142027/summary/summary_20261124_150000.csv"] = (
        HEAD_LINE + b"basic_mcq,d890be,accuracy,gen,30.00\n"
    )

    run = parse(files)

    assert (run.stamp, [s.dataset for s in run.scores]) == ("20261124_142027", ["basic_mcq"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("results", "cluewsc-dev", b'{"accuracy": 51.0}'), "two runs"),
        (("results", "cluewsc-dev", b'{"accuracy":'), "not JSON"),
        (("predictions", "math-500", b""), "empty"),
    ],
)
def test_a_run_that_is_torn_or_mixed_is_refused(change, says):
    folder, name, content = change
    path = f"20261124_140927/{folder}/{R1}/{name}.json"

    with pytest.raises(ParseError, match=says):
        parse(files_below(OLD) | {path: content})


def test_a_run_without_its_summary_or_folder_is_refused():
    files = {path: text for path, text in files_below(OLD).items() if "summary" not in path}

    with pytest.raises(ParseError, match="no summary"):
        parse(files)
    with pytest.raises(ParseError, match="no folder"):
        parse({})


def test_a_file_that_still_grows_is_not_read_as_whole():
    files = files_below(OLD)
    files[f"20261124_140927/predictions/{R1}/tmp_gsm8k.json"] = b'{"0": {"origin'

    assert (R1, "tmp_gsm8k") not in parse(files).predictions


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"accuracy": 50.0}', 50.0),
        ('{"accuracy": "np.float64(50.0)"}', 50.0),
        ('{"accuracy": "np.int64(2)", "x": true, "y": "nan"}', 2.0),
        ('{"accuracy": 50, "details": {}}', 50.0),
    ],
)
def test_a_result_is_a_number_or_numpy_s_text_of_one(text, value):
    assert parse_results("x.json", text.encode()).values == {"accuracy": value}
    assert parse_results("x.json", b'{"error": "predictions differ in length"}').values == {}
    assert parse_results("x.json", b'{"accuracy": NaN, "details": {}}').values == {}


def test_details_say_which_answers_were_right():
    run = parse(files_below(NEW))

    choice = run.results["smollm2-q8", "basic_mcq"]
    assert sum(one.correct for (one,) in choice.judged) == 6
    assert [one.extracted for (one,) in choice.judged[:3]] == ["B", "A", "C"]
    free = run.results["smollm2-q8", "basic_qa"]
    assert {one.correct for (one,) in free.judged} == {False}  # none equals the one beside it
    assert len(free.judged) == 20


@pytest.mark.parametrize(("score", "verdicts"), [(50.0, (True, False)), (100.0, (None, None))])
def test_answers_are_compared_only_where_that_makes_the_score(score, verdicts):
    details = {
        str(n): {"predictions": answer, "references": "A"} for n, answer in enumerate(["A", "B"])
    }
    text = json.dumps({"accuracy": score, "details": {"type": "GEN", **details}})

    judged = parse_results("x.json", text.encode()).judged
    assert tuple(one.correct for (one,) in judged) == verdicts


def test_a_prompt_is_text_or_messages_with_roles():
    old = parse(files_below(OLD)).predictions[R1, "cluewsc-dev"][0]
    new = parse(files_below(NEW)).predictions["smollm2-q8", "basic_mcq"][0]

    assert old.question.startswith("第0句话")
    assert (old.reasoning, old.answer, old.expected) == ("reason", "答案是A", "A")
    assert new.question.startswith("Question: What is the capital of France?\nA. Paris")
    assert (new.answer, new.expected) == ("B. Rome", "A")


def test_a_prompt_of_several_messages_names_who_says_what():
    prompt = [{"role": "HUMAN", "prompt": "1+1?"}, {"role": "BOT", "prompt": "2"}]
    row = {"origin_prompt": prompt, "prediction": ["3", "4"], "gold": None}

    first, second = parse_predictions("x.json", json.dumps({"0": row}).encode())

    assert (first.question, first.answer, first.expected) == ("HUMAN: 1+1?\n\nBOT: 2", "3", "")
    assert (second.index, second.sample, second.answer) == (0, 1, "4")
    several = json.dumps({str(index): row for index in (10, 9, 0)}).encode()
    assert [one.index for one in parse_predictions("x.json", several)][::2] == [0, 9, 10]


def test_each_sample_of_a_question_has_a_verdict():
    details = {
        "0": {"pred": ["B", "A"], "parsed": ["B", "A"], "correct": [False, True]},
        "1": {"pred": ["C", "C"], "parsed": ["C", "C"], "correct": [True, True]},
    }
    result = parse_results("x.json", json.dumps({"accuracy": 75.0, "details": details}).encode())

    # All questions, then all again: the third prompt is the second answer to the first question.
    judged, sample = result.of(2, 0, 4)
    assert (judged.correct, judged.extracted, sample) == (True, "A", 1)
    # Or both answers under one prompt.
    judged, sample = result.of(0, 1, 2)
    assert (judged.correct, judged.extracted, sample) == (True, "A", 1)
    assert result.of(0, 0, 3) == (Judged(), 0)


def test_parts_of_a_set_that_several_workers_left_are_one():
    files = files_below(OLD)
    folder = f"20261124_140927/predictions/{R1}"
    rows = list(json.loads(files.pop(f"{folder}/math-500.json")).values())
    for number, part in enumerate((rows[:3], rows[3:])):
        numbered = {str(index): row for index, row in enumerate(part)}
        files[f"{folder}/math-500_{number}.json"] = json.dumps(numbered).encode()

    run = parse(files)

    assert run.predictions == parse(files_below(OLD)).predictions
    assert run.means(R1).questions == 61


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_results, text) for text in ("", "[]", "{}", '{"details": []}', "{")),
        (parse_results, '{"accuracy": "many"}'),
        (parse_results, '{"accuracy": "__import__(\'os\')"}'),
        *((parse_predictions, text) for text in ("", "[]", '{"0": 1}')),
        (parse_predictions, '{"0": {"prediction": "x"}}'),
        (parse_predictions, '{"a": {"origin_prompt": ""}}'),
    ],
)
def test_files_of_another_tool_are_refused(parse, text):
    with pytest.raises(ParseError):
        parse("x.json", text.encode())
