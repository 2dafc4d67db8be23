from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from jobs import logstore
from jobs.queries.jobs.log_excerpts import Quote, headline, headline_in, line_of, telling_lines
from jobs.queries.jobs.progress import last_arrival

KEY = "job/17"


@pytest.fixture
def log():
    return lambda text: logstore.store().append(KEY, 0, text.encode())


def test_lines_about_an_error_are_quoted_with_their_numbers(log):
    log(
        "starts\n"
        "\x1b[31mERROR\x1b[0m: no route\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3\n'
        "ValueError: no <b>\n"
        "cleaning up\n"
    )

    assert telling_lines(KEY) == [
        Quote(2, "ERROR: no route"),
        Quote(3, "Traceback (most recent call last):"),
        Quote(5, "ValueError: no <b>"),
    ]


def test_a_repeated_error_is_quoted_once(log):
    log("ERROR a\nERROR b\n" + "ERROR a\n" * 50)

    assert telling_lines(KEY) == [Quote(2, "ERROR b"), Quote(52, "ERROR a")]


def test_without_an_error_the_last_lines_are_quoted(log):
    """Neither frames of tables nor bars of progress nor the empty lines between."""
    log(
        "zero\none\ntwo\n\n┌────┬───┐\n│ p50 │ - │\n└────┴───┘\n"
        "\rProcessing:  50%|███   | 6/12 [00:09]\x1b[A\n\n"
        "\r        \r\x1b[A\x1b[A2026 INFO saved\n\x1b[0m\n"
    )

    assert telling_lines(KEY) == [Quote(2, "one"), Quote(3, "two"), Quote(10, "2026 INFO saved")]
    assert telling_lines(KEY, or_last=False) == []


def test_a_long_log_s_end_has_true_line_numbers(log):
    log("ERROR long ago\n" + "x" * 99 + "\n" + f"{'y' * 99}\n" * 2000 + "the end\n")

    quotes = telling_lines(KEY)

    assert quotes[-1] == Quote(2003, "the end")
    assert all(quote.text != "ERROR long ago" for quote in quotes)


EARLIER = "ERROR: no cache, made anew\n"


ROUTE, CLEANING = "ERROR: no route\ncleaning\n", "ERROR: of the cleaning\n"


@pytest.mark.parametrize(
    ("text", "since", "until", "quotes"),
    [
        (
            *(f"{EARLIER}done\n{ROUTE}{CLEANING}", 5, 5 + len(ROUTE)),
            [(3, "ERROR: no route"), (1, EARLIER.strip()), (5, CLEANING.strip())],
        ),
        (
            *(f"{EARLIER}working\nnot enough beans\n", 0, None),
            [(2, "working"), (3, "not enough beans"), (1, EARLIER.strip())],
        ),
        (f"{EARLIER}done\n", 5, None, [(1, EARLIER.strip())]),  # a silent step
        # An early step is read at its end.
        (
            *(f"{EARLIER}{CLEANING}" + f"{'y' * 99}\n" * 2000, 0, len(CLEANING)),
            [(2, CLEANING.strip())],
        ),
    ],
    ids=["errors", "no error", "silent", "early"],
)
def test_of_a_step_its_own_lines_come_before_those_of_others(log, text, since, until, quotes):
    log(text)
    part = len(EARLIER) + since, None if until is None else len(EARLIER) + until

    found = telling_lines(KEY, part=part)

    # After an early step, some of the last two thousand lines may come.
    assert [one for one in found if "yyy" not in one.text] == [Quote(*one) for one in quotes]


def test_only_the_present_run_of_a_server_is_quoted(log):
    log("Error: first run\n")
    size = logstore.store().size(KEY)

    assert telling_lines(KEY, part=(size, None), elsewhere=False) == []

    logstore.store().append(KEY, size, b"second run\n")
    assert telling_lines(KEY, part=(size, None), elsewhere=False) == [Quote(2, "second run")]


def test_a_line_is_quoted_by_its_number(log):
    log("one\n\x1b[31mtwo\x1b[0m\nthree")

    assert line_of(KEY, 2) == [Quote(2, "two")]
    assert line_of(KEY, 3) == [Quote(3, "three")]
    assert line_of(KEY, 4) == []


def test_a_job_without_a_log_has_nothing_to_quote():
    assert telling_lines(KEY) == []
    assert line_of(KEY, 1) == []
    assert last_arrival(KEY) is None


def test_a_log_has_the_time_of_its_last_bytes(log):
    before = now()
    log("one\n")

    assert before - timedelta(milliseconds=1) <= last_arrival(KEY) <= now()


DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "vllm-0.7.2/benchmark_serving_no_result_dir.txt",
            "FileNotFoundError: [Errno 2] No such file or directory: 'nodir/r.json'",
        ),
        (
            "vllm-0.32/vllm_serve_no_think_tokens_crash.log",
            "RuntimeError: DeepSeekR1ReasoningParser reasoning parser could not locate think "
            "start/end tokens in the tokenizer!",
        ),
        (
            "opencompass-0.4.1/console/dry_missing.txt",
            "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
        ),
        (
            "llama.cpp/xllamacpp_missing_model.log",
            "RuntimeError: Failed to init server, please check the input params.",
        ),
    ],
)
def test_the_headline_of_a_real_log_is_what_was_raised(log, file, expected):
    log((DATA / file).read_text())

    assert headline(KEY).text == expected


def test_a_headline_does_not_point_at_another_line(log):
    log(
        "ValueError: no free memory\n"
        "(Engine pid=7) WARNING 11-24 OSError: gone on without it\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
        "subprocess.CalledProcessError: Command 'x' returned 1.\n"
    )

    assert headline(KEY) == Quote(1, "ValueError: no free memory")


@pytest.mark.parametrize(
    "line",
    [
        "vllm bench serve: error: argument --dataset-name: invalid choice: 'sonnet'",
        "ls: cannot access '/test/nope': No such file or directory",
        "fatal: not a git repository (or any of the parent directories): .git",
        *("Error: 无法打开文件", "fatal: 不是 git 仓库", "ERROR：模型加载失败", "FATAL: 内存不足"),
    ],
)
def test_the_refusal_of_a_program_is_quoted_whole(line):
    assert headline_in(f"starts\n{line}\nbye\n") == line


def test_a_log_without_an_error_has_no_headline(log):
    log("starts\nINFO no errors found\nbye\n")

    assert headline(KEY) is None
    assert headline_in("bye\n") == ""
    assert headline_in("x\nOSError: gone\n") == "OSError: gone"
