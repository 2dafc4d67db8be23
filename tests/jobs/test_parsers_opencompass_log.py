"""What OpenCompass prints, as it really printed it."""

from __future__ import annotations

import pytest

from jobs.errors import ParseError
from jobs.parsers.opencompass_log import (
    dict_of,
    parse_console,
    parse_dry_run,
    parse_inference,
    parse_scoring,
)
from tests.jobs.target import DATA

OLD, NEW, FAILED = (DATA / f"opencompass-{name}" for name in ("0.4.1", "0.5.4", "0.5.4-failed"))
CONSOLE = OLD / "console"
R1_SETS = tuple(f"deepseek-r1-va16/{name}" for name in ("cluewsc-dev", "cluewsc-test", "math-500"))


def log(folder, stage, name):
    (path,) = folder.rglob(f"logs/{stage}/*/{name}.out")
    return path.name, path.read_bytes()


def read(path):
    return path.name, path.read_bytes()


@pytest.mark.parametrize("path", [CONSOLE / "dry.txt", NEW / "dryrun_stdout.txt"])
def test_a_dry_run_that_found_everything_says_its_tasks(path):
    assert parse_dry_run(*read(path)).tasks == 1


def test_a_dry_run_names_what_is_missing():
    with pytest.raises(ParseError, match=r"\./data/math/ does not exist; urllib\.error\.URLError"):
        parse_dry_run(*read(CONSOLE / "dry_missing.txt"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no whole dry run"),
        ((CONSOLE / "dry.txt").read_bytes()[:100], "no whole dry run"),
        ((CONSOLE / "run.txt").read_bytes(), "not a dry run"),
    ],
)
def test_what_is_no_dry_run_is_refused(content, says):
    with pytest.raises(ParseError, match=says):
        parse_dry_run("console", content)


def test_the_console_counts_what_was_launched():
    console = parse_console(*read(CONSOLE / "run.txt"))

    assert console.folder == "outputs/default/20261124_140927"
    assert (console.launched, console.failed) == ({"infer": 1, "eval": 3}, ())


def test_the_console_names_tasks_that_failed_and_where_the_reason_is():
    old, new = (
        parse_console(*read(CONSOLE / "run_fail.txt")),
        parse_console(*read(FAILED / "stdout.txt")),
    )

    (task,) = old.failed
    assert (task.stage, task.names) == ("infer", R1_SETS)
    assert task.log.endswith("20261124_140746/logs/infer/deepseek-r1-va16/cluewsc-dev.out")
    assert [(each.stage, len(each.names)) for each in new.failed] == [
        *(("infer", 2), ("eval", 1), ("eval", 1)),
    ]


def test_a_console_that_ends_within_a_failure_still_tells_it():
    content = (CONSOLE / "run_fail.txt").read_bytes()
    cut = content.index(b" fail, see") + len(b" fail, see")

    assert parse_console("console", content[:cut]).failed[0].log == ""


def test_another_program_s_console_is_refused():
    with pytest.raises(ParseError, match="Current exp folder"):
        parse_console("console", (DATA / "pip" / "install.log").read_bytes())


def test_a_task_that_asks_is_followed_set_by_set():
    path, content = log(OLD, "infer", "cluewsc-dev")
    seen = []
    for end in range(0, len(content), 50):
        try:
            state = parse_inference(path, content[:end])
        except ParseError:
            continue
        if (state.current, state.batches_done) not in seen:
            seen.append((state.current, state.batches_done))

    dev, test, maths = R1_SETS
    assert seen[0] == ("", 0)
    assert [done for name, done in seen if name == dev] == [0, 1, 3, 4, 5]
    assert next(done for name, done in seen if name == test) == 0
    assert seen[-1] == (maths, 2)
    assert (test, 9) in seen


def test_how_far_it_is_counts_whole_sets_and_batches():
    path, content = log(OLD, "infer", "cluewsc-dev")
    sizes = dict(zip(R1_SETS, (20, 33, 8), strict=True))
    cut = content.index(b"4/9 [")

    early = parse_inference(path, content[: cut + 5])

    assert early.questions_done(sizes, {R1_SETS[0]}) == 20 + 15
    whole = parse_inference(path, content)
    assert whole.questions_done(sizes, set(R1_SETS)) == 61
    assert (whole.elapsed_s, whole.problem) == (7.18, "")


def test_the_bars_of_the_new_one_are_told_apart():
    state = parse_inference(*log(NEW, "infer", "basic_mcq"))

    assert (state.current, state.batches_done, state.batches_total) == (
        "smollm2-q8/basic_qa",
        10,
        10,
    )


def test_a_task_that_broke_says_why():
    state = parse_inference(*log(FAILED, "infer", "basic_mcq"))

    assert state.elapsed_s is None
    assert state.problem.startswith("requests.exceptions.ConnectionError: HTTPSConnectionPool(")


def test_the_score_of_a_set_is_read_through_numpy_s_words():
    scoring = parse_scoring(*log(OLD, "eval", "cluewsc-test"))

    assert scoring.name == "deepseek-r1-va16/cluewsc-test"
    assert (scoring.values, scoring.problem) == ({"accuracy": 69.6969696969697}, "")


def test_a_set_without_predictions_is_told_by_both_generations():
    line = b"11/24 14:08:27 - OpenCompass - INFO - Task [m/gsm8k]: No predictions found.\n"

    assert parse_scoring("x.out", line).problem == "No predictions found."
    new = parse_scoring(*log(FAILED, "eval", "basic_qa"))
    assert new.problem.startswith("FileNotFoundError: Prediction files not found")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no log"),
        (b"hello\n", "no log"),
        (log(OLD, "eval", "math-500")[1][:90], "cut off"),
    ],
)
def test_what_no_task_wrote_is_refused(content, says):
    with pytest.raises(ParseError, match=says):
        parse_scoring("x.out", content)


@pytest.mark.parametrize("content", [b"", b"Loading\n", (CONSOLE / "dry.txt").read_bytes()])
def test_what_no_asking_task_wrote_is_refused(content):
    with pytest.raises(ParseError, match="no 'Task"):
        parse_inference("x.out", content)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{'accuracy': 50.0}", {"accuracy": 50.0}),
        ("{'a': np.float64(1.5), 'b': np.int64(2), 'c': 'x', 'd': True}", {"a": 1.5, "b": 2.0}),
        ("No predictions found.", {}),
        ("[1]", {}),
        ("{'a': __import__('os')}", {}),
        ("", {}),
    ],
)
def test_only_numbers_of_a_printed_object_are_read(text, found):
    assert dict_of(text) == found
