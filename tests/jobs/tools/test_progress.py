"""Progress of a job, from real logs of real tools."""

import pytest

from jobs.readings import progress_of
from jobs.services.intake.streams import TAIL_BYTES
from tests.jobs.lib.target import DATA

LOGS = {
    "tensors": ("compile", DATA / "llama.cpp" / "quantise.log"),
    "packages": ("prepare", DATA / "pip" / "install.log"),
    "levels": ("benchmark", DATA / "evalscope-1.14-perf" / "logs" / "levels.log"),
    "sets": ("evaluate-opencompass", DATA / "opencompass-0.4.1" / "console" / "followed.txt"),
    "questions": ("evaluate", DATA / "evalscope-1.14-eval" / "logs" / "limit16.log"),
}


def along(kind, path, steps=200):
    """Return the progress after each of ``steps`` chunks of a log, without None."""
    log = path.read_bytes()
    ends = [len(log) * step // steps for step in range(1, steps + 1)]
    progress = [progress_of(kind, log[max(0, end - TAIL_BYTES) : end]) for end in ends]
    return [item for item in progress if item is not None]


def figures(kind, log):
    progress = progress_of(kind, log)
    return progress and (progress["done"], progress["total"], progress["unit"])


@pytest.mark.parametrize(("kind", "path"), LOGS.values(), ids=LOGS)
def test_progress_never_goes_back(kind, path):
    shares = [item["done"] / item["total"] for item in along(kind, path)]

    assert shares == sorted(shares)
    assert len(set(shares)) > 4
    assert shares[-1] == 1


def test_unscored_sets_are_not_full_progress():
    kind, path = LOGS["sets"]
    log = path.read_bytes()
    scoring = log.index(b"launch OpenICLEval")
    bar = b"| 6/13 ["
    ends = (scoring, log.index(bar, scoring) + len(bar))

    shares = [progress_of(kind, log[:end])["done"] for end in ends]

    assert shares == [95.0, pytest.approx(95 + 5 * 6 / 13, abs=0.1)]


def test_pip_reports_packages_of_a_list():
    kind, path = LOGS["packages"]
    log = path.read_bytes()

    assert figures(kind, log[: log.index(b"(line 38)") + 9]) == (38, 76, "packages")


def test_pip_reports_megabytes_of_one_package():
    log = (DATA / "pip" / "download.log").read_bytes()
    download, _, unpacking = log.partition(b"Successfully downloaded")

    assert figures("prepare", download) == (92.9, 92.9, "MB")
    assert figures("prepare", download + unpacking) == (98.4, 98.4, "MB")


def test_progress_counts_ended_and_current_runs():
    log = LOGS["levels"][1].read_bytes()
    end = log.index(b"2/4 [", log.index(b"Processing[parallel_2_number_4]")) + len(b"2/4 [")

    assert figures("benchmark", log[:end]) == (50.0, 100, "%")


def test_a_serving_benchmark_counts_requests():
    log = (DATA / "vllm-0.7.2" / "benchmark_serving_ok.txt").read_bytes()

    assert figures("benchmark-online", log[: log.index(b"5/20 [") + 6]) == (5, 20, "requests")
    assert progress_of("benchmark-online", log)["done"] == 20


def test_requests_that_warm_up_are_not_those_of_the_run():
    log = b"Warming up with 2 requests...\n\r100%|x| 2/2 [00:01<00:00]\nStarting main benchmark run"

    assert progress_of("benchmark-online", log) is None
    assert progress_of("benchmark-online", log + b"...\n\r 10%|x| 1/10 [")["total"] == 10


@pytest.mark.parametrize(
    ("kind", "line", "wanted"),
    [
        (
            "deploy-vllm",
            "Loading safetensors checkpoint shards:  25% Completed | 41/163 [05:25<16:15,  7.",
            (41, 163, "shards"),
        ),
        (
            "benchmark-throughput",
            "Processed prompts:  10%|█ | 1/10 [00:20<03:00, 20.0s/it, est. speed input: 50.00 t",
            (10.0, 100, "%"),
        ),
        (
            "benchmark-latency",
            "Profiling iterations:  30%|███ | 3/10 [00:20<03:00, 20.0s/it]",
            (30.0, 100, "%"),
        ),
        ("benchmark-latency", "Bench iterations:  30%|███ | 3/10 [00:2", (30.0, 100, "%")),
        ("compile", "[ 272/ 272] output.weight", (272, 272, "tensors")),
        ("evaluate-evalscope", "Running[eval]:  30%|█| 3/10 [00:2", (30.0, 100, "%")),
        ("prepare-weights", "Fetching 163 files:  25%|██▌ | 41/163 [05:25<", (41, 163, "files")),
    ],
)
def test_the_bars_of_the_guide_s_tools_are_read(kind, line, wanted):
    early = line.replace("41/", "1/").replace(" 1/10", " 0/10").replace(" 3/", " 1/")

    assert figures(kind, f"{early}\r{line}".encode()) == wanted


WEIGHTS_BAR = "model.safetensors:  12%|█▏        | 430M/3.55G [00:10<01:12, 43.1MB/s]"
LAYERS = "".join(f"{number:012x}: Pulling fs layer\n" for number in range(4))


@pytest.mark.parametrize(
    ("kind", "log", "wanted"),
    [
        (
            "prepare-weights",
            f"{WEIGHTS_BAR}\r\x1b[Kdownloaded 812.5/15231.2 MB\nFetching 9 files:  20%|█ | 1/9 [",
            (812.5, 15231.2, "MB"),
        ),
        ("prepare-weights", f"a.json: 100%|█| 7.03M/7.03M [\r{WEIGHTS_BAR}", (430.0, 3550.0, "MB")),
        ("prepare-weights", "downloaded 9.0/9.0 MB\nchecked 3.0/9.0 MB\n", (3.0, 9.0, "MB")),
        ("prepare-datasets", "downloaded 1.5 MB\n", None),
        ("build-images", "Step 3/14 : RUN pip install\n ---> 12ab\n", (3, 14, "steps")),
        (
            "build-images",
            "#7 [base 3/9] RUN x\n#8 [build 4/9] COPY . .\n#8 DONE",
            (4, 9, "steps"),
        ),
        ("build-images", f"{LAYERS}000000000002: Pull complete\n", (1, 4, "layers")),
        ("compile-vacc", "decode [   7/  28] model.layers.6\n", (7, 28, "layers")),
        ("compile-vacc", "decode [  28/  28] x\nchecked 1.0/2.0 MB\n", (1.0, 2.0, "MB")),
    ],
)
def test_preparing_and_compiling_for_vacc_report_progress(kind, log, wanted):
    assert figures(kind, log.encode()) == wanted


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
def test_without_reports_there_is_no_progress(kind, tail):
    assert progress_of(kind, tail) is None
