"""Compile for VACC: vamc's YAML against the vendor's two, refusals, required outputs."""

from dataclasses import replace

import pytest
import yaml

from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.kinds.lib.base import AssetRef
from jobs.readings import read_outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import CURRENT, EXACT, QWEN_7B_NAME, vacc_host

KIND = KINDS["compile-vacc"]
SPACE = "/nfs/a {b} space"

# The values of hf_ds_r1_distill_fp16.yaml; checkpoint and workspace are the host's own.
VENDOR = {
    "name": "DeepSeek-R1-Distill-Qwen-7B-fp16-tp4-1024-2048",
    "frontend": {
        "checkpoint": f"{SPACE}/weights/{QWEN_7B_NAME}",
        "type": "huggingface",
        "shape": {"input_ids": [[1024], [2048]]},
        "model_kwargs": {"b2s": True, "tp": 4, "model_arch": "vacc"},
    },
    "backend": {
        "type": "tvm_vacc",
        "dtype": "fp16",
        "merge_params": True,
        "compile": {"data_type": 0, "gather_data_vccl_dsp_enable": True},
    },
    "workspace": {"path": f"{SPACE}/vacc_deploy", "workers": 4},
}
# And those of hf_ds_r1_distill_int8.yaml where they differ.
VENDOR_INT8 = {
    **VENDOR,
    "name": "DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048",
    "frontend": {**VENDOR["frontend"], "quantize": {"type": "w8a16_gptq"}},
    "backend": {**VENDOR["backend"], "dtype": "int8"},
}


def with_weights(model_id, **fields):
    """The host with weights of one model, key 9."""
    data = {"model_id": model_id, "precision": "bf16", "path": f"/nfs/weights/{model_id}", **fields}
    return replace(vacc_host(), weights=(AssetRef("weights", model_id, id=9, data=data),))


plans = plans_of(KIND.name)
planned, note_ids = plans.planned, plans.ids


def config(target=None, **raw):
    (item,) = [f for f in planned(target, **raw).files if f.name.endswith(".yaml")]
    return yaml.safe_load(item.text)


def compiling(target=None, **raw):
    return next(step for step in planned(target, **raw).steps if step.name == "compile")


@pytest.mark.parametrize("exact", [EXACT, {}, CURRENT])
def test_untouched_the_file_has_the_values_of_the_vendor_s(exact):
    assert config(precision="fp16", **exact) == VENDOR
    assert config(precision="int8", **exact) == VENDOR_INT8


def test_verbatim_writes_the_file_where_the_guide_has_it_and_otherwise_among_the_job_s():
    plan = planned(precision="int8", **EXACT)

    place = "build_in/build/hf_ds_r1_distill_int8.yaml"
    assert compiling(precision="int8", **EXACT).argv == ("vamc", "compile", f"./{place}")
    assert [item.at for item in plan.files if item.at] == [f"{{job_dir}}/work/{place}"]
    argv = compiling(precision="int8").argv
    assert argv == ("vamc", "compile", "{job_dir}/files/hf_ds_r1_distill_int8.yaml")


EVERYTHING = {
    "precision": "int8",
    "name": "mine",
    "max_input": 2048,
    "max_length": 4096,
    "tp": 2,
    "b2s": False,
    "align_qkv": "on",
    "quantization": "w16kv8",
    "calibration": "5",
    "samples": 64,
    "device": "cuda:1",
    "true_sequential": True,
    "vacc_files": False,
    "frontend_dtype": "float16",
    "merge_params": False,
    "remove_params": True,
    "data_type": 1,
    "gather_data": False,
    "workers": 8,
    "env_recheck": True,
    "save_log": True,
    "enable_ir": True,
    "transformers": "4.40.0",
    "huggingface_hub": "0.23.0",
}
EVERYTHING_WRITTEN = {
    "name": "mine",
    "frontend": {
        "checkpoint": VENDOR["frontend"]["checkpoint"],
        "type": "huggingface",
        "dtype": "float16",
        "shape": {"input_ids": [[2048], [4096]]},
        "model_kwargs": {"b2s": False, "tp": 2, "align_qkv": True},
        "quantize": {
            "type": "w16kv8",
            "device": "cuda:1",
            "calib_args": {"true_sequential": True},
        },
    },
    "backend": {
        "type": "tvm_vacc",
        "dtype": "int8",
        "merge_params": False,
        "remove_params": True,
        "compile": {"data_type": 1, "gather_data_vccl_dsp_enable": False},
    },
    "dataset": {
        "type": "huggingface",
        "name": "c4",
        "path": f"{SPACE}/datasets/c4",
        "nsamples": 64,
        "seqlen": 1024,
    },
    "workspace": {
        "path": f"{SPACE}/vacc_deploy",
        "workers": 8,
        "env_recheck": True,
        "pyenv": {"transformers": "4.40.0", "huggingface-hub": "0.23.0"},
        "save_log": True,
        "enable_ir": True,
    },
}


def test_every_field_of_the_form_reaches_the_file():
    elsewhere = {"stack", "as_in_guide", "weights", "sample_tokens", "stack_size"}

    assert set(EVERYTHING) == set(KIND.Params.model_fields) - elsewhere
    assert config(**EVERYTHING) == EVERYTHING_WRITTEN


def test_a_sample_may_have_another_length():
    made = config(precision="int8", calibration="5", sample_tokens=256)

    assert made["dataset"]["seqlen"] == 256


def test_calibration_data_is_for_int8_only():
    assert "dataset" not in config(calibration="5")
    assert set(KIND.inputs(KIND.Params(weights="1", calibration="5"), vacc_host())) == {"weights"}
    int8 = KIND.Params(weights="1", precision="int8", calibration="5")
    assert set(KIND.inputs(int8, vacc_host())) == {"weights", "dataset"}


@pytest.mark.parametrize(
    ("model_id", "tp", "aligned"),
    [
        ("deepseek-r1-distill-qwen-1.5b", 4, True),
        ("deepseek-r1-distill-qwen-7b", 4, None),
        ("deepseek-r1-distill-qwen-7b", 8, True),
        ("deepseek-r1-distill-llama-8b", 8, None),
    ],
)
def test_kv_heads_that_dies_cannot_share_are_aligned(model_id, tp, aligned):
    target = with_weights(model_id)

    made = config(target, weights="9", tp=tp)["frontend"]["model_kwargs"]

    assert made.get("align_qkv") is aligned
    assert ("guide:align_qkv_set" in note_ids(target, weights="9", tp=tp)) == bool(aligned)


@pytest.mark.parametrize("exact", [EXACT, {}])
def test_a_compile_says_that_it_replaces_what_is_in_its_folder(exact):
    path = f"{SPACE}/vacc_deploy/DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048"
    there = AssetRef("artifact", "int8", id=3, data={"path": path})
    target = replace(vacc_host(), artifacts=(there,))

    assert "guide:folder_replaced" in note_ids(target, precision="int8", **exact)
    assert "guide:folder_replaced" not in note_ids(target, precision="fp16", **exact)
    if not exact:
        assert "guide:folder_replaced" not in note_ids(target, precision="int8", name="c-eval")


@pytest.mark.parametrize(
    ("model_id", "fails"),
    [("deepseek-r1-distill-qwen-1.5b", True), ("deepseek-r1-distill-qwen-7b", False)],
)
def test_verbatim_notes_that_an_unaligned_split_fails(model_id, fails):
    notes = note_ids(with_weights(model_id), weights="9", **EXACT)

    assert ("guide:align_qkv_fails" in notes) == fails
    assert "limit:align_qkv" not in notes


@pytest.mark.parametrize(
    ("model_id", "size"),
    [
        ("deepseek-r1-distill-qwen-14b", None),
        ("deepseek-r1-distill-qwen-32b", "256"),
        ("deepseek-r1-distill-llama-70b", "256"),
    ],
)
def test_large_models_are_compiled_with_more_stack(model_id, size):
    raw = {"weights": "9", "tp": 8, "precision": "int8"}

    step = compiling(with_weights(model_id), **raw)

    assert dict(step.env).get("VACC_STACK_SIZE") == size
    assert ("guide:stack_size_set" in note_ids(with_weights(model_id), **raw)) == bool(size)


def test_verbatim_notes_what_would_fail():
    target = with_weights("deepseek-r1-distill-qwen-32b")
    raw = {"weights": "9", "max_length": 2040, **EXACT}

    assert compiling(target, **raw).env == ()
    assert {"limit:stack_size", "limit:multiple"} <= set(note_ids(target, **raw))


def test_what_is_there_is_checked_before_hours_of_work():
    checks = {check.name: dict(check.args) for check in planned().checks}

    assert checks["modification"] == {"path": "{weights.path}"}
    assert checks["tool"]["name"] == "vamc"
    assert int(checks["disk"]["bytes"]) == 2 * 15231233024
    assert "modification" not in {c.name for c in planned(weights="2", tp=8).checks}


def test_an_artifact_is_promised_with_its_shape():
    product = plans.product(precision="int8")

    assert product["path"] == f"{SPACE}/vacc_deploy/{VENDOR_INT8['name']}"
    assert (product["label"], product["toolchain"]) == ("int8 tp4 1024/2048", "vamc")
    details = {name: product["details"][name] for name in ("tp", "max_input", "max_total")}
    assert details == {"tp": 4, "max_input": 1024, "max_total": 2048}


# -- the look at the result ------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path):
    runner = Runner(tmp_path)
    runner.folder = tmp_path / "a {b} space/vacc_deploy" / VENDOR["name"]
    return runner


def made(host, **files):
    for name, data in files.items():
        (host.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (host.folder / name).write_bytes(data)


def look(host, name):
    return host.step("compile-vacc", {"weights": "1"}, name)


def test_a_result_is_registered_with_size_and_checksum(host):
    look(host, "note")
    made(host, **{"prefill_1024_rank0/mod.so": b"code", "tokenizer/tokenizer.json": b"{}"})
    beside = host.folder.parent / f"{VENDOR['name']}-none-dynamic-vacc"
    beside.mkdir()
    (beside / f"{VENDOR['name']}_deploy.json").write_text("{}")

    done = look(host, "verify")

    assert done.returncode == 0, done.stderr
    outcome = read_outcome(KIND, KIND.Params(weights="1"), None, host.outputs())
    assert outcome.message == Message(
        "compile:made", {"label": "fp16 tp4 1024/2048", "size": "6 B"}
    )
    assert (outcome.product["path"], outcome.product["bytes"]) == (str(host.folder), 6)
    details = outcome.product["details"]
    assert details["tokenizer"] == f"{host.folder}/tokenizer"
    assert details["deploy_config"].endswith(f"{VENDOR['name']}_deploy.json")
    assert (details["tp"], details["files"]) == (4, 2)


def test_what_an_earlier_run_left_is_no_result_unless_it_is_written_over(host):
    look(host, "note")
    nothing = look(host, "verify")
    assert (nothing.returncode, "made no folder" in nothing.stderr) == (1, True)
    made(host, **{"mod.so": b"old", "mod.params": b"same"})
    look(host, "note")
    left = look(host, "verify")
    assert (left.returncode, "wrote nothing new" in left.stderr) == (1, True)

    (host.folder / "mod.so").unlink()
    made(host, **{"mod.so": b"new"})

    assert look(host, "verify").returncode == 0
    assert (host.left("artifact.json")["new_files"], host.left("artifact.json")["files"]) == (1, 2)


def test_the_checksum_is_of_names_and_contents(host):
    sums = set()
    for files in ({"a": b"12"}, {"b": b"12"}, {"a": b"13"}, {"a": b"1", "b": b"2"}):
        look(host, "note")
        made(host, **files)
        look(host, "verify")
        sums.add(host.left("artifact.json")["sha256"])
        for path in host.folder.iterdir():
            path.unlink()

    assert len(sums) == 4
