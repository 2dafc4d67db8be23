"""Workloads of benchmarks: the included ones, and what a file must have."""

import pytest

from jobs.catalog.files import load_by_id
from jobs.catalog.presets import WORKLOADS, Workload
from jobs.kinds import KINDS

BASE = """
- id: mine
  name: Mine
  purpose: A test.
  takes: A minute.
"""


def load(tmp_path, text):
    file = tmp_path / "workloads.yaml"
    file.write_text(BASE + text)
    return load_by_id(file, Workload)


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
