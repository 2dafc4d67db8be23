"""Prepare datasets: the guide's commands corrected, and a check that reads every file."""

import gzip
import hashlib
import io
import json
import zipfile

import pytest

from jobs.kinds import KINDS
from jobs.readings import read_outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import EXACT

KIND = KINDS["prepare-datasets"]
DATA = "/nfs/a {b} space/datasets"
plans = plans_of(KIND.name)


def commands(**raw):
    return {s.name: s.argv for s in plans.run(**raw).steps}


def test_a_dataset_of_a_hub_is_downloaded_file_by_file():
    argv = commands(dataset="c4")["download"]

    assert argv[argv.index("--") + 1 :] == (
        *("hf", "download", "allenai/c4"),
        *("en/c4-train.00000-of-01024.json.gz", "en/c4-validation.00000-of-00008.json.gz"),
        *("--repo-type", "dataset", "--local-dir", f"{DATA}/c4", "--max-workers", "8"),
    )


def test_archives_go_on_and_overwrite_without_a_question():
    put_right, printed = commands(dataset="opencompass"), commands(dataset="opencompass", **EXACT)

    assert put_right["download-core"][:2] == ("wget", "-c")
    assert put_right["unpack-core"] == ("unzip", "-o", "OpenCompassData-core-20240207.zip")
    assert printed["unpack-core"] == ("unzip", "OpenCompassData-core-20240207.zip")
    assert put_right["unpack-math"] == printed["unpack-math"]


def test_a_dataset_is_promised_with_its_folder():
    product = plans.product(dataset="c4")

    assert (product["type"], product["name"], product["path"]) == ("dataset", "c4", f"{DATA}/c4")
    assert product["details"] == {"calibrates": True}


# -- the check itself -----------------------------------------------------------------------------


def lines(count):
    return "".join(json.dumps({"n": n}) + "\n" for n in range(count)).encode()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


GOOD = {
    "c4": {
        "en/c4-train.00000-of-01024.json.gz": gzip.compress(lines(5)),
        "en/c4-validation.00000-of-00008.json.gz": gzip.compress(lines(2)),
    },
    "ceval": {"ceval-exam.zip": zipped(a=b"1", b=b"2")},
    "alpaca": {"alpaca_data_cleaned.json": json.dumps([{"n": 1}] * 3).encode()},
    "sharegpt": {"ShareGPT_V3_unfiltered_cleaned_split.json": b'[{"id": "1"}]'},
    "sonnet": {"sonnet.txt": b"one\ntwo\n"},
    "opencompass": {
        "FewCLUE/cluewsc/dev_few_all.json": lines(159),
        "FewCLUE/cluewsc/test_public.json": lines(976),
        "math/test_prm800k_500.jsonl": lines(500),
        **{f"mmlu/{split}/{n}_{split}.csv": b"x" for split in ("dev", "test") for n in range(57)},
    },
}


@pytest.fixture
def host(tmp_path):
    return Runner(tmp_path)


def filled(host, name, files):
    below = "opencompass/data" if name == "opencompass" else f"datasets/{name}"
    folder = host.root / "a {b} space" / below
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return host.step("prepare-datasets", {"dataset": name, "source": "folder"}, "verify")


@pytest.mark.parametrize("name", GOOD)
def test_a_whole_dataset_is_registered_with_its_counts(host, name):
    done = filled(host, name, GOOD[name])

    assert done.returncode == 0, done.stderr
    outcome = read_outcome(KIND, KIND.Params(dataset=name), None, host.outputs())
    assert outcome.product["files"] == len(GOOD[name])
    assert outcome.product["bytes"] == sum(map(len, GOOD[name].values()))
    assert all(outcome.product["details"]["counts"].values())


def test_what_a_tool_keeps_for_itself_is_no_part_of_it(host):
    kept = {".cache/huggingface/download/a.metadata": b"commit"}

    filled(host, "sonnet", {**GOOD["sonnet"], **kept})

    assert (host.left("dataset.json")["files"], host.left("dataset.json")["bytes"]) == (1, 8)


def test_a_dataset_is_known_by_the_checksum_of_its_files(host):
    def checksum(files):
        filled(host, "sonnet", files)
        done = read_outcome(KIND, KIND.Params(dataset="sonnet"), None, host.outputs())
        return done.product["details"]["sha256"]

    first = checksum(GOOD["sonnet"])

    content = hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert first == hashlib.sha256(f"sonnet.txt\0{content}\n".encode()).hexdigest()
    assert checksum({**GOOD["sonnet"], "note.md": b"kept beside it"}) == first
    assert checksum({"sonnet.txt": b"one\ntwo!\n"}) != first


def test_the_set_of_the_published_table_is_whole(host):
    filled(host, "opencompass", GOOD["opencompass"])

    outcome = read_outcome(KIND, KIND.Params(dataset="opencompass"), None, host.outputs())

    assert outcome.message.id == "dataset:there"


def test_a_partial_dataset_is_reported(host):
    filled(host, "c4", GOOD["c4"])

    message = read_outcome(KIND, KIND.Params(dataset="c4"), None, host.outputs()).message

    assert message.id == "dataset:differs"
    assert (message.args["items"], message.args["known"]) == (5, 356_317)


@pytest.mark.parametrize(
    ("name", "path", "data", "reason"),
    [
        ("c4", "en/c4-train.00000-of-01024.json.gz", None, "holds no en/c4-train"),
        ("c4", "en/c4-train.00000-of-01024.json.gz", gzip.compress(lines(9))[:-9], "not whole"),
        ("c4", "en/c4-train.00000-of-01024.json.gz", b"<html>", "not whole"),
        ("c4", "en/c4-train.00000-of-01024.json.gz", gzip.compress(b"[1]\n"), "no JSON object"),
        ("ceval", "ceval-exam.zip", zipped(a=b"1" * 99)[:-30], "not whole"),
        ("alpaca", "alpaca_data_cleaned.json", b'[{"n": 1}', "not whole"),
        ("alpaca", "alpaca_data_cleaned.json", b"{}", "no JSON list"),
        ("alpaca", "alpaca_data_cleaned.json", b"[]", "is empty"),
        ("sonnet", "sonnet.txt", b"", "is empty"),
        ("opencompass", "math/test_prm800k_500.jsonl", None, "holds no math/"),
        ("opencompass", "mmlu/test/3_test.csv", b"", "mmlu/test/3_test.csv is empty"),
    ],
)
def test_a_dataset_that_is_not_whole_is_refused_with_the_reason(host, name, path, data, reason):
    files = {**GOOD[name], path: data}

    done = filled(host, name, {p: content for p, content in files.items() if content is not None})

    assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
    assert not (host.work / "dataset.json").exists()
