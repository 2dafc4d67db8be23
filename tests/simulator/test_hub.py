"""Downloads: names, sizes that fit the index, checksums, progress, and going on after a kill."""

import hashlib
import json
import signal
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from tests.waiting import until

R1 = "deepseek-ai/DeepSeek-R1"
SMALL = 8000  # bytes; only shards are larger
QWEN = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"


def hub_command(tool: str, repo: str, folder: str) -> tuple[str, ...]:
    return {
        "hf": ("hf", "download", repo, "--local-dir", folder),
        "huggingface-cli": ("huggingface-cli", "download", repo, "--local-dir", folder),
        "hfd.sh": ("hfd.sh", repo, "-x", "10", "--local-dir", folder),
        "modelscope": ("modelscope", "download", "--model", repo, "--local_dir", folder),
    }[tool]


@pytest.mark.parametrize("tool", ["hf", "huggingface-cli", "hfd.sh", "modelscope"])
def test_each_tool_brings_all_shards_of_the_index_whole(host, tool):
    done = host.run(*hub_command(tool, R1, "DeepSeek-R1"))

    folder = host.workspace / "DeepSeek-R1"
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    shards = sorted(set(index["weight_map"].values()))
    assert done.returncode == 0, done.stderr
    assert (len(shards), shards[0]) == (163, "model-00001-of-000163.safetensors")
    sizes = [_data_bytes(folder / name) for name in shards]
    assert sum(sizes) == index["metadata"]["total_size"]
    assert json.loads((folder / "config.json").read_text())["kv_lora_rank"] == 512
    assert (folder / "tokenizer.json").is_file()


def _data_bytes(path: Path) -> int:
    """Bytes of the tensors of a safetensors file, which must be as long as its header says."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert len(content) == 8 + length + max(ends)
    return max(ends)


def test_a_download_has_the_hubs_checksums_and_brings_nothing_again(host):
    first = host.run(*hub_command("hf", QWEN, "w")).stderr
    name = "model-00001-of-000002.safetensors"
    note = host.workspace / f"w/.cache/huggingface/download/{name}.metadata"

    digest = hashlib.sha256((host.workspace / "w" / name).read_bytes()).hexdigest()
    assert note.read_text().splitlines()[1] == digest
    assert "\rFetching 10 files: 100%|██████████| 10/10 [" in first
    assert "/7.62G [" in first  # of the true file, not of ours
    assert "Downloading '" not in host.run(*hub_command("hf", QWEN, "w")).stderr


def test_progress_is_drawn_anew_after_a_carriage_return(host):
    hfd = host.run(*hub_command("hfd.sh", QWEN, "b")).stdout
    modelscope = host.run(*hub_command("modelscope", QWEN, "c")).stderr

    assert "\r[#000006 " in hfd
    assert "Download completed successfully. Repo directory: " in hfd
    bar = "\rDownloading [model-00001-of-000002.safetensors]: 100%|██████████| 7.62G/7.62G ["
    assert bar in modelscope


@pytest.mark.parametrize("tool", ["hf", "hfd.sh", "modelscope"])
def test_a_killed_download_goes_on_where_it_was(host, tool):
    command = hub_command(tool, QWEN, "w")
    folder = host.workspace / "w"
    with host.started(*command, env={"STANDIN_SPEED": "1"}) as slow:
        until(lambda: _parts(folder))
        slow.popen.send_signal(signal.SIGKILL)
        slow.wait()
    for part in _parts(folder):
        with part.open("r+b") as file:
            file.write(b"\xff")  # to recognise it after the second run

    done = host.run(*command)

    kept = [path for path in folder.glob("*.safetensors") if path.read_bytes()[:1] == b"\xff"]
    assert done.returncode == 0, done.stderr
    assert len(kept) >= 1
    assert _parts(folder) == []
    assert len(list(folder.glob("*.safetensors"))) == 2


def _parts(folder: Path) -> list[Path]:
    """Shards that came in part."""
    patterns = ("**/*.incomplete", "**/*.aria2", "**/._____temp/*.safetensors")
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    return [path for path in paths if _size(path) > SMALL]


def _size(path: Path) -> int:
    """Size of a file; 0 when it is gone: a complete part gets its own name."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("hf download nobody/nothing", 1, "Repository Not Found for url: "),
        ("hfd.sh nobody/nothing", 1, "Failed to fetch metadata. HTTP status code: 404."),
        ("modelscope download --model nobody/nothing", 1, "does not exist!"),
        (f"hf download {QWEN} --nope", 2, "error: unrecognized arguments: --nope"),
        (f"hfd.sh {QWEN} -x 11", 1, "threads (-x) must be 1-10"),
        (f"hfd.sh {QWEN} --nope", 1, "Unknown option: --nope"),
        ("modelscope download --nope x", 2, "error: unrecognized arguments: --nope"),
        ("wget", 1, "wget: missing URL"),
        ("wget https://example.invalid/x.zip", 4, "wget: unable to resolve host address ‘example."),
    ],
)
def test_what_is_unknown_to_a_tool_is_refused_in_its_words(host, command, code, message):
    done = host.run(*command.split())

    assert (done.returncode, message in done.stdout + done.stderr) == (code, True), done.stderr


def test_a_token_opens_a_gated_repository(host):
    host.faults("gated_repo")

    shut = host.run(*hub_command("hf", QWEN, "w"))
    hfd = host.run(*hub_command("hfd.sh", QWEN, "v"))
    opened = host.run(*hub_command("hf", QWEN, "w"), env={"HF_TOKEN": "hf_x"})

    assert shut.returncode == 1
    assert "GatedRepoError: 401 Client Error." in shut.stderr
    assert "Access to model deepseek-ai/DeepSeek-R1-Distill-Qwen-7B is restricted." in shut.stderr
    assert "--hf_username and --hf_token is not passed" in hfd.stdout
    assert opened.returncode == 0


def test_data_sets_of_the_guide_are_there_in_their_formats(host):
    name = "en/c4-train.00000-of-01024.json.gz"
    more = ("--repo-type", "dataset", "--local-dir", "c4")
    host.run("hf", "download", "allenai/c4", name, *more)
    folder = "https://hf-mirror.com/datasets/yahma/alpaca-cleaned/resolve/main"
    host.run("wget", "-q", f"{folder}/alpaca_data_cleaned.json")

    assert (host.workspace / "c4" / name).read_bytes()[:2] == b"\x1f\x8b"
    assert json.loads((host.workspace / "alpaca_data_cleaned.json").read_text())[0]["output"] == "1"


def test_archives_are_unpacked_into_what_opencompass_reads(opencompass_data, host):
    core = "https://github.com/open-compass/opencompass/releases/download/0.2.2.rc1/"

    fetched = host.run("wget", f"{core}OpenCompassData-core-20240207.zip")

    data = opencompass_data
    assert "‘OpenCompassData-core-20240207.zip’ saved [163000000/163000000]" in fetched.stderr
    cluewsc = ("FewCLUE/cluewsc/dev_few_all.json", "FewCLUE/cluewsc/test_public.json")
    texts = [(data / name).read_text() for name in (*cluewsc, "math/test_prm800k_500.jsonl")]
    assert [len(text.splitlines()) for text in texts] == [159, 976, 500]
    tests = list((data / "mmlu/test").glob("*_test.csv"))
    assert (len(tests), sum(len(path.read_text().splitlines()) for path in tests)) == (57, 14042)


def test_the_sonnet_of_the_guides_version_has_518_lines(host):
    url = "https://raw.githubusercontent.com/vllm-project/vllm/v0.7.2/benchmarks/sonnet.txt"

    assert host.run("wget", "--continue", "--directory-prefix", "s", url).returncode == 0
    assert len((host.workspace / "s/sonnet.txt").read_text().splitlines()) == 518
