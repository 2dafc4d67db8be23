"""Prepare weights: its commands, its check on real safetensors files, its outcome."""

import hashlib
import json
import struct

import pytest

from jobs.base.messages import Message
from jobs.base.numbers import size_text
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.readings import read_outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import QWEN_7B, R1, vacc_host, vacc_values

KIND = KINDS["prepare-weights"]
FOLDER = "/nfs/a {b} space/weights/DeepSeek-R1-Distill-Qwen-7B"
INDEX = "model.safetensors.index.json"
SHARDS = ("model-00001-of-000002.safetensors", "model-00002-of-000002.safetensors")
plans = plans_of(KIND.name)
planned = plans.planned


def download(**raw):
    """The command of the tool itself, and its environment."""
    step = plans.run(**raw).steps[0]
    return list(step.argv[step.argv.index("--") + 1 :]), dict(step.env)


def test_weights_come_from_the_guide_s_mirror_by_default():
    assert download() == (
        [
            *("hf", "download", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"),
            *("--local-dir", FOLDER, "--max-workers", "8"),
        ],
        {"HF_ENDPOINT": "https://hf-mirror.com"},
    )


def test_every_tool_is_asked_in_its_own_words():
    folder = "/nfs/a {b} space/weights/DeepSeek-R1"
    repo = "deepseek-ai/DeepSeek-R1"

    hfd, _ = download(model=R1, source="hfd", connections=10, revision="main")
    scope, env = download(model=R1, source="modelscope", connections=4)

    assert hfd == ["hfd.sh", repo, "-x", "10", "--local-dir", folder, "--revision", "main"]
    assert scope == [
        *("modelscope", "download", "--model", repo),
        *("--local_dir", folder, "--max-workers", "4"),
    ]
    assert env == {}


def test_a_host_with_the_old_name_of_the_tool_is_asked_by_it():
    target = vacc_host({"tools": [{"name": "huggingface-cli"}]})

    plan = KIND.plan(KIND.Params(), target)

    assert "huggingface-cli" in plan.steps[0].argv
    assert dict(plan.checks[0].args)["name"] == "huggingface-cli"


def test_a_token_is_in_the_environment_only():
    command, env = download(token="HF_TOKEN")
    secret = vacc_values(vacc_host())["secret:HF_TOKEN"]

    assert env["HF_TOKEN"] == secret
    assert not any(secret in word for word in command)


def test_a_folder_that_is_there_is_only_checked():
    target = vacc_host({"workspace": "/nfs"})
    raw = {"source": "folder", "folder": "/nfs/models/r1"}

    plan = KIND.plan(KIND.Params(**raw), target)

    assert [step.name for step in plan.steps] == ["verify"]
    assert [check.name for check in plan.checks] == ["path"]
    assert KIND.product(KIND.Params(**raw), target)["path"] == "/nfs/models/r1"


def test_room_is_checked_before_a_download():
    disk = next(check for check in planned(model=R1).checks if check.name == "disk")

    assert int(dict(disk.args)["bytes"]) == MODELS[R1].source.bytes
    assert dict(disk.args)["resumes"]


# -- the check itself -----------------------------------------------------------------------------


def shard(tensors, dtype="BF16", cut=0):
    """A safetensors file of these tensors, 64 bytes each."""
    header = {"__metadata__": {"format": "pt"}}
    for number, name in enumerate(tensors):
        offsets = [64 * number, 64 * number + 64]
        header[name] = {"dtype": dtype, "shape": [32], "data_offsets": offsets}
    text = json.dumps(header).encode()
    whole = struct.pack("<Q", len(text)) + text + bytes(64 * len(tensors))
    return whole[: len(whole) - cut]


@pytest.fixture
def host(tmp_path):
    """A host with whole weights of the 7B distill, two tensors in each of two shards."""
    runner = Runner(tmp_path)
    folder = tmp_path / FOLDER.removeprefix("/nfs/")
    folder.mkdir(parents=True)
    names = {SHARDS[0]: ["a", "b"], SHARDS[1]: ["c", "d"]}
    for name, tensors in names.items():
        (folder / name).write_bytes(shard(tensors))
    weight_map = {tensor: name for name, tensors in names.items() for tensor in tensors}
    index = {"metadata": {"total_size": 256}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index))
    config = MODELS[QWEN_7B].architecture.config_values()
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16"}))
    runner.folder = folder
    return runner


def verified(host, **raw):
    return host.step("prepare-weights", raw, "verify")


def test_whole_weights_are_registered_as_they_were_found(host):
    done = verified(host)

    assert done.returncode == 0, done.stderr
    sizes = sum((host.folder / name).stat().st_size for name in SHARDS)
    assert f"checked {sizes / 1e6:.1f}/{sizes / 1e6:.1f} MB" in done.stdout
    outcome = read_outcome(KIND, KIND.Params(), None, host.outputs())
    assert outcome.message == Message(
        "weights:read",
        {"model": "DeepSeek-R1-Distill-Qwen-7B", "size": size_text(sizes), "shards": 2},
    )
    assert outcome.product["path"] == str(host.folder)
    assert (outcome.product["bytes"], outcome.product["precision"]) == (sizes, "bf16")
    assert outcome.product["details"]["shards"] == 2


def test_the_checksum_of_all_changes_with_any_of_them(host):
    verified(host)
    before = host.left("weights.json")["sha256"]
    whole = (host.folder / SHARDS[1]).read_bytes()
    (host.folder / SHARDS[1]).write_bytes(whole[:-1] + b"x")

    verified(host)

    assert host.left("weights.json")["sha256"] != before


def test_without_checksums_sizes_are_checked(host):
    done = verified(host, checksums=False)

    assert done.returncode == 0
    assert "checked 0" not in done.stdout
    outcome = read_outcome(KIND, KIND.Params(), None, host.outputs())
    assert outcome.message.id == "weights:measured"
    assert outcome.product["details"]["checked"] == "sizes"


def test_one_file_needs_no_index(host):
    (host.folder / INDEX).unlink()
    (host.folder / "model.safetensors").write_bytes(shard(["a"]))

    assert verified(host).returncode == 0
    assert host.left("weights.json")["shards"] == 1


def of_shard(content):
    return lambda folder: (folder / SHARDS[1]).write_bytes(content)


def of_another_precision(folder):
    for name, tensors in ((SHARDS[0], "ab"), (SHARDS[1], "cd")):
        (folder / name).write_bytes(shard(list(tensors), dtype="F32"))


def of_another_model(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 5120}))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"
ELSEWHERE = json.dumps({"weight_map": {"a": "../../secret.safetensors"}})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / SHARDS[1]).unlink(), f"{SHARDS[1]} is missing"),
        (of_shard(shard(["c", "d"], cut=1)), "it is cut off"),
        (of_shard(shard(["c", "d"])[:40]), "it is cut off"),
        (of_shard(POINTER), "is no safetensors file"),
        (of_shard(shard(["c"])), "lacks 1 tensors of the index, such as d"),
        (of_another_precision, "most weights are fp32, the catalogue says bf16"),
        (of_another_model, "config.json is not that of DeepSeek-R1-Distill-Qwen-7B: hidden_size"),
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / INDEX).unlink(), "the download is not complete"),
        (lambda folder: (folder / INDEX).write_text(ELSEWHERE), "names a file elsewhere"),
    ],
)
def test_weights_that_are_not_whole_are_refused_with_the_reason(host, spoil, reason):
    spoil(host.folder)

    done = verified(host)

    assert done.returncode == 1
    assert reason in done.stderr
    assert not (host.work / "weights.json").exists()


def test_the_hub_s_checksums_are_compared_with_the_files(host):
    notes = host.folder / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    right = hashlib.sha256((host.folder / SHARDS[0]).read_bytes()).hexdigest()
    (notes / f"{SHARDS[0]}.metadata").write_text(f"commit\n{right}\n0\n")

    assert verified(host).returncode == 0
    message = read_outcome(KIND, KIND.Params(), None, host.outputs()).message
    assert (message.id, message.args["compared"]) == ("weights:compared", 1)

    (notes / f"{SHARDS[1]}.metadata").write_text(f"commit\n{'0' * 64}\n0\n")
    done = verified(host)
    assert (done.returncode, "is damaged" in done.stderr) == (1, True)


# -- the download ---------------------------------------------------------------------------------


def test_a_download_reports_its_bytes_and_ends_as_its_tool_does(host):
    host.put("hf", f"#!/bin/sh\nhead -c 100 /dev/zero > '{host.folder}/part'\nexit 7\n")

    done = host.step("prepare-weights", {}, "download")

    assert done.returncode == 7
    assert "downloaded 0.0/0.0 MB" in done.stdout  # the index says 256 bytes


def test_a_tool_that_is_not_there_is_named(host):
    done = host.step("prepare-weights", {"source": "modelscope"}, "download")

    assert done.returncode == 127
    assert "modelscope cannot be run" in done.stderr
