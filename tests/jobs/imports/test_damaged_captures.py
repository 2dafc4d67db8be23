"""A damaged figure of a real output is refused or left out, and named with its key."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard.text.messages import message
from jobs.imports import Recognised, read_paths, recognise

DATA = Path(__file__).parents[2] / "data"


@dataclass(frozen=True)
class Capture:
    """``figures``: keys of single figures; ``swapped``: two percentiles; ``rate``: a rate;
    ``check``: its duration and count. Keys are divided by " | "; parts of a key by " > "."""

    folder: str
    file: str
    figures: str
    swapped: str = ""
    rate: str = ""
    check: str = ""

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}" if self.file else self.folder


LEVEL = "evalscope-1.14-perf/capture/parallel_4_number_20"
RUN = "benchmarks > 0"
FIRST = f"{RUN} > metrics > time_to_first_token_ms > successful"
JSON = (
    Capture(
        *("vllm-0.7.2/benchmark_serving_ok.json", ""),
        "duration | mean_ttft_ms | p99_itl_ms | output_throughput | completed",
        *("p90_ttft_ms | p99_ttft_ms", "output_throughput", "duration | total_output_tokens"),
    ),
    Capture(
        *("vllm-0.32/bench/serve_random_chat.json", ""),
        "duration | median_ttft_ms | request_throughput | total_output_tokens",
        *("p90_tpot_ms | p99_tpot_ms", "total_token_throughput", "duration | total_input_tokens"),
    ),
    Capture(
        *("vllm-0.32/bench/throughput.json", ""),
        "elapsed_time | tokens_per_second | requests_per_second | num_requests",
        rate="tokens_per_second",
        check="elapsed_time | total_num_tokens",
    ),
    Capture(
        *("vllm-0.32/bench/latency.json", "", "avg_latency | percentiles > 50 | latencies > 0"),
        "percentiles > 10 | percentiles > 99",
    ),
    Capture(
        *("guidellm-0.8", "out.json"),
        f"{RUN} > duration | {FIRST} > mean"
        f" | {RUN} > metrics > request_latency > successful > percentiles > p90"
        f" | {RUN} > requests > successful > 3 > inter_token_latency_ms",
        f"{FIRST} > percentiles > p50 | {FIRST} > percentiles > p99",
        f"{RUN} > metrics > output_tokens_per_second > successful > mean",
        f"{RUN} > duration",
    ),
    Capture(
        *("aiperf-0.13", "profile_export_aiperf.json"),
        "benchmark_duration > avg | request_latency > p99 | output_token_throughput > avg"
        " | request_count > avg",
        *("inter_token_latency > p50 | inter_token_latency > p99", "request_throughput > avg"),
        "benchmark_duration > avg | request_count > avg",
    ),
    Capture(
        *(LEVEL, "benchmark_summary.json"),
        "Test Duration (s) | Avg TTFT (ms) | Output Throughput (tok/s) | KV Cache Hit Rate (%)",
        rate="Req Throughput (req/s)",
        check="Test Duration (s)",
    ),
    Capture(
        *(LEVEL, "benchmark_percentile.json", "8 > Latency (s) | 9 > TTFT (ms)"),
        "5 > TTFT (ms) | 9 > TTFT (ms)",
    ),
    Capture(
        *("evalscope-1.14-eval/capture", "reports/smollm2/general_mcq.json"),
        "metrics > 0 > score | metrics > 0 > categories > 0 > subsets > 0 > num",
    ),
    Capture(
        *("lm-eval-0.4", "results_2026-11-24T14-16-53.395895.json"),
        "results > basic_gen > exact_match,letter",
    ),
)
CSV = (
    ("opencompass-0.4.1", "20261124_140927/summary/summary_20261124_140927.csv", "cluewsc-dev"),
    (
        "opencompass-0.5.4",
        "workdir/20261124_142027/summary/summary_20261124_142027.csv",
        "basic_qa",
    ),
)
ROWS = (
    ("vllm-0.7.2/benchmark_serving_ok.txt", "Mean TTFT (ms)"),
    ("vllm-0.7.2/benchmark_serving_ok.txt", "P99 ITL (ms)"),
    ("vllm-0.7.2/benchmark_serving_ok.txt", "Benchmark duration (s)"),
    ("vllm-0.7.2/benchmark_serving_no_result_dir.txt", "Output token throughput (tok/s)"),
    ("vllm-0.32/bench/serve_random_chat.stdout", "Request throughput (req/s)"),
    ("vllm-0.32/bench/latency.stdout", "50% percentile latency"),
)
NO_NUMBERS = ("fast", float("nan"), -5.0)


def imported(path: Path) -> Recognised:
    return recognise(read_paths([path], limit_bytes=100_000_000))


def said(found: Recognised) -> str:
    remarks = [remark for one in found.readings for remark in one.measured.remarks]
    told = [*remarks, *(one.reason for one in found.refusals)]
    return "\n".join(str(message(one.id, one.args)) for one in told)


def values(found: Recognised) -> Iterator[float]:
    for one in found.readings:
        for metrics in (one.measured.metrics, *(metrics for _c, metrics in one.measured.points)):
            yield from metrics.values()


def copy(capture: str, target: Path) -> Path:
    source = DATA / capture
    if source.is_dir():
        return Path(shutil.copytree(source, target / source.name))
    return Path(shutil.copy(source, target / source.name))


def damaged(capture: Capture, target: Path, change: Callable[[Any], None]) -> Recognised:
    path = copy(capture.folder, target)
    file = path / capture.file if capture.file else path
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return imported(path)


def at(data: Any, key: str) -> Any:
    for part in key.split(" > "):
        data = data[int(part) if isinstance(data, list) else part]
    return data


def put(data: Any, key: str, value: Any) -> None:
    place, _, last = key.rpartition(" > ")
    holder = at(data, place) if place else data
    holder[int(last) if isinstance(holder, list) else last] = value


def name_of(key: str) -> str:
    """The word of a message: the last part that is a name."""
    names = [part for part in key.split(" > ") if not part.isdigit() and part != "mean"]
    return names[-1]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=["text", "nan", "negative"])
@pytest.mark.parametrize(
    ("capture", "key"), [(one, key) for one in JSON for key in one.figures.split(" | ")], ids=str
)
def test_a_figure_without_a_number_is_named_and_not_taken(capture, key, value, tmp_path):
    found = damaged(capture, tmp_path, lambda data: put(data, key, value))

    assert name_of(key) in said(found)
    assert all(number >= 0 for number in values(found))
    if key == "mean_ttft_ms":
        assert "ttft_p99_ms" in found.readings[0].measured.metrics


@pytest.mark.parametrize("capture", [one for one in JSON if one.swapped], ids=str)
def test_swapped_percentiles_are_named_and_not_taken(capture, tmp_path):
    high, low = capture.swapped.split(" | ")
    taken: list[float] = []

    def swap(data: Any) -> None:
        taken.extend(at(data, key) for key in (high, low))
        put(data, high, taken[1])
        put(data, low, taken[0])

    found = damaged(capture, tmp_path, swap)

    assert "out of order" in said(found)
    assert all(str(value)[:12] in said(found) for value in taken)
    assert name_of(low) in said(found)
    assert not {round(value, 9) for value in taken} & {round(value, 9) for value in values(found)}


@pytest.mark.parametrize("capture", [one for one in JSON if one.rate], ids=str)
def test_a_rate_ten_times_its_count_is_named_and_not_taken(capture, tmp_path):
    wrong: list[float] = []

    def grow(data: Any) -> None:
        wrong.append(10 * at(data, capture.rate))
        put(data, capture.rate, wrong[0])

    found = damaged(capture, tmp_path, grow)

    assert name_of(capture.rate) in said(found)
    assert wrong[0] not in values(found)
    if found.readings:
        assert any(values(found))  # the other figures are


@pytest.mark.parametrize("value", [None, "fast"], ids=str)
@pytest.mark.parametrize(
    ("capture", "key"),
    [(one, key) for one in JSON for key in one.check.split(" | ") if key],
    ids=str,
)
def test_a_rate_without_its_count_or_duration_is_named_and_not_taken(capture, key, value, tmp_path):
    wrong: list[float] = []

    def grow(data: Any) -> None:
        wrong.append(10 * at(data, capture.rate))
        put(data, capture.rate, wrong[0])
        put(data, key, value)

    found = damaged(capture, tmp_path, grow)

    assert name_of(capture.rate if found.readings else key) in said(found)
    assert wrong[0] not in values(found)


@pytest.mark.parametrize(
    "capture", [one for one in JSON if one.figures.startswith("duration ")], ids=str
)
def test_a_duration_of_zero_is_named_and_not_taken(capture, tmp_path):
    found = damaged(capture, tmp_path, lambda data: put(data, "duration", 0))

    assert "duration = 0" in said(found)
    metrics = found.readings[0].measured.metrics
    assert "duration_s" not in metrics
    assert "ttft_p99_ms" in metrics


@pytest.mark.parametrize("value", ["fast", "nan", "-5.00", "140"])
@pytest.mark.parametrize(("folder", "file", "dataset"), CSV, ids=["0.4.1", "0.5.4"])
def test_a_score_without_a_share_is_named_and_refused(folder, file, dataset, value, tmp_path):
    path = copy(f"{folder}/{file}", tmp_path)  # in its folder, files of each set have the score too
    lines = path.read_text().splitlines()
    changed = [
        f"{line.rpartition(',')[0]},{value}" if line.startswith(f"{dataset},") else line
        for line in lines
    ]
    assert changed != lines
    path.write_text("\n".join(changed) + "\n")

    found = imported(path)

    assert found.readings == ()
    assert dataset in said(found)


@pytest.mark.parametrize("value", ["fast", "nan", "-5.00"])
@pytest.mark.parametrize(("file", "row"), ROWS)
def test_a_printed_row_without_a_number_is_named_and_not_taken(file, row, value, tmp_path):
    path = copy(file, tmp_path)
    before = path.read_text()
    after = re.sub(rf"({re.escape(row)}: +)[\d.]+", rf"\g<1>{value}", before)
    assert after != before
    path.write_text(after)

    found = imported(path)

    assert row in said(found)
    assert all(number >= 0 for number in values(found))


@pytest.mark.parametrize("capture", sorted({one.folder for one in JSON} | {row[0] for row in ROWS}))
def test_no_figure_of_a_real_output_is_left_out(capture, tmp_path):
    found = imported(copy(capture, tmp_path))

    assert found.readings
    assert "Not taken" not in said(found)
    assert "not taken" not in said(found)


def test_rates_of_a_log_without_a_duration_are_marked_as_not_checked(tmp_path):
    found = imported(copy("vllm-0.32/bench/throughput.stdout", tmp_path))

    assert any(values(found))
    assert "rates are not checked" in said(found)
