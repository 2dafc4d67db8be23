"""How far a job is, read from the real logs of real tools."""

from __future__ import annotations

import pytest

from jobs.parsers.progress import TAIL_BYTES, progress_of
from tests.jobs.target import DATA

LOGS = {
    "tensors": ("compile", DATA / "llama.cpp" / "quantise.log"),
    "packages": ("prepare", DATA / "pip" / "install.log"),
    "levels": ("benchmark", DATA / "evalscope-1.14-perf" / "logs" / "levels.log"),
    "questions": ("evaluate", DATA / "evalscope-1.14-eval" / "logs" / "limit16.log"),
}


def along(kind, path, steps=200):
    """The progress after each of ``steps`` pieces of a log, without what told nothing."""
    log = path.read_bytes()
    ends = [len(log) * step // steps for step in range(1, steps + 1)]
    said = [progress_of(kind, log[max(0, end - TAIL_BYTES) : end]) for end in ends]
    return [item for item in said if item is not None]


@pytest.mark.parametrize(("kind", "path"), LOGS.values(), ids=LOGS)
def test_progress_never_goes_back(kind, path):
    shares = [item["done"] / item["total"] for item in along(kind, path)]

    assert shares == sorted(shares)
    assert len(set(shares)) > 4


@pytest.mark.parametrize(("kind", "path"), LOGS.values(), ids=LOGS)
def test_progress_ends_with_everything(kind, path):
    last = along(kind, path)[-1]

    assert last["done"] == last["total"]


def test_llama_cpp_tells_tensors():
    kind, path = LOGS["tensors"]

    assert along(kind, path)[-1] == {"done": 272, "total": 272, "unit": "tensors"}


def test_pip_tells_packages_of_a_list():
    kind, path = LOGS["packages"]
    log = path.read_bytes()

    half = progress_of(kind, log[: log.index(b"(line 38)") + 9])

    assert half == {"done": 38, "total": 76, "unit": "packages"}


def test_pip_tells_megabytes_of_one_package():
    log = (DATA / "pip" / "download.log").read_bytes()
    download, _, unpacking = log.partition(b"Successfully downloaded")

    assert progress_of("prepare", download) == {"done": 92.9, "total": 92.9, "unit": "MB"}
    assert progress_of("prepare", download + unpacking) == {
        "done": 98.4,
        "total": 98.4,
        "unit": "MB",
    }


def test_a_benchmark_counts_the_runs_that_ended_and_the_one_that_goes_on():
    log = LOGS["levels"][1].read_bytes()
    end = log.index(b"2/4 [", log.index(b"Processing[parallel_2_number_4]")) + len(b"2/4 [")

    assert progress_of("benchmark", log[:end]) == {"done": 50.0, "total": 100, "unit": "%"}


@pytest.mark.parametrize(
    ("kind", "tail"),
    [
        ("prepare", b""),
        ("deploy", b"[ 1/ 2] "),
        ("no-such", b"1/2 MB"),
        ("compile", b"loading"),
        ("evaluate", b"\xff\xfe half a \xe6"),
    ],
)
def test_where_nothing_is_told_there_is_no_progress(kind, tail):
    assert progress_of(kind, tail) is None
