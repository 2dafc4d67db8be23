"""Files of imports: damaged in any way, they are read or refused, never an error."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from jobs.base.errors import LaunchError
from jobs.imports import read_uploads, recognise
from tests.fuzz.values import fuzz, mutated

DATA = Path(__file__).parents[1] / "data"
FILES = [
    DATA / "vllm-0.32/bench/serve_random_chat.json",
    DATA / "vllm-0.32/bench/latency.json",
    DATA / "aiperf-0.13/profile_export_aiperf.json",
    DATA / "lm-eval-0.4/results_2026-11-24T14-16-53.395895.json",
    DATA / "evalscope-1.14-eval/capture/reports/smollm2/general_mcq.json",
    DATA / "evalscope-1.14-perf/capture/parallel_4_number_20/benchmark_summary.json",
    DATA / "opencompass-0.4.1/20261124_140927/summary/summary_20261124_140927.csv",
    DATA / "vllm-0.7.2/benchmark_serving_ok.txt",
]


@fuzz
@given(data=st.data(), path=st.sampled_from(FILES))
def test_a_changed_value_is_read_or_refused(data, path):
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if content is None:
        text = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
        raw = bytes(text)
    else:
        raw = json.dumps(data.draw(mutated(content))).encode()

    found = recognise({path.name: raw})

    assert found.readings or found.refusals


@fuzz
@given(
    name=st.text(max_size=20),
    content=st.binary(max_size=400),
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b"]),
)
def test_any_upload_is_read_or_refused(name, content, head):
    try:
        files = read_uploads([(name, head + content)], limit_bytes=1000)
    except LaunchError as error:
        assert error.field == "files"
        return
    assert recognise(files).refusals
