"""Damaged and hostile files: refused in words, or harmless."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from jobs.base.bounds import GZIP_MEMBERS, ZIP_DIRECTORY_BYTES
from jobs.base.errors import LaunchError
from jobs.imports import MOST_FILES, read_paths, read_uploads, recognise

DATA = Path(__file__).parents[2] / "data"
SERVE = json.loads((DATA / "vllm-0.32/bench/serve_random_chat.json").read_text())
LIMIT = 1_000_000


def refusal(content: bytes, name: str = "result.json"):
    found = recognise({name: content})
    assert found.readings == ()
    return found.refusals[0].reason


def changed(**values: object) -> bytes:
    return json.dumps(SERVE | values).encode()


def refused_upload(content: bytes, name: str = "x.zip") -> str:
    with pytest.raises(LaunchError) as raised:
        read_uploads([(name, content)], limit_bytes=LIMIT)
    assert raised.value.field == "files"
    return str(raised.value)


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return target.getvalue()


def tarred(**files: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("completed", "many"),
        ("completed", -1),
        ("completed", 1.5),
        ("duration", None),
        ("max_concurrency", "four"),
        ("max_concurrency", 0),
        ("request_rate", "fast"),
    ],
)
def test_a_damaged_key_is_named_with_its_file(key, value):
    reason = refusal(changed(**{key: value}))

    assert reason.id == "import:damaged"
    assert "result.json" in reason.args["reason"]
    assert key in reason.args["reason"]


@pytest.mark.parametrize(
    "value", [10**400, 10**300, 1e300, -5.0, 2e15, float("nan"), float("inf"), "fast", [1], True]
)
def test_a_figure_that_nothing_can_reach_is_named_and_left_out(value):
    (reading,) = recognise({"result.json": changed(output_throughput=value)}).readings

    (remark,) = [one for one in reading.measured.remarks if one.id == "figures:no_number"]
    assert remark.args["file"] == "result.json"
    assert remark.args["figures"].startswith("output_throughput = ")
    assert len(remark.args["figures"]) < 70
    assert "output_tokens_per_s" not in reading.measured.metrics
    assert reading.measured.metrics["requests_per_s"] == SERVE["request_throughput"]


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"request_goodput": 99.0}, "figures:goodput"),
        ({"request_throughput": 99.0}, "figures:rate"),
        ({"spec_decode_acceptance_rate": 120.0}, "figures:no_share"),
        ({"spec_decode_acceptance_rate": "high"}, "figures:no_number"),
    ],
    ids=str,
)
def test_a_figure_is_left_out_with_its_own_cause(values, cause):
    (reading,) = recognise({"a.json": changed(**values)}).readings

    (remark,) = [one for one in reading.measured.remarks if one.id.startswith("figures:")]
    ((key, value),) = values.items()
    assert (remark.id, remark.args["figures"]) == (cause, f"{key} = {value}")


def test_a_concurrency_outside_the_database_is_refused():
    reason = refusal(changed(max_concurrency=10**12))

    assert (reason.id, reason.args["metric"]) == ("import:implausible", "concurrency")


@pytest.mark.parametrize("cut", [1, 40, 400, 4000])
def test_a_truncated_file_is_refused(cut):
    content = json.dumps(SERVE).encode()

    assert refusal(content[: len(content) - cut]).id == "import:damaged"


def test_deep_json_is_refused():
    head = b'{"completed": 1, "num_prompts": 1, "duration": 1, "request_rate": 1, '
    for content in (b"[" * 200_000, head + b'"output_throughput": ' + b'{"a":' * 200_000):
        assert refusal(content).id in ("import:unknown", "import:damaged")


def test_wrong_types_inside_are_no_crash():
    wild = [None, [], {}, "x", 1e308, [[[]]], {"a": 1}]
    files = {
        "guidellm": DATA / "guidellm-0.8/out.json",
        "aiperf": DATA / "aiperf-0.13/profile_export_aiperf.json",
        "lm-eval": DATA / "lm-eval-0.4/results_2026-11-24T14-16-53.395895.json",
        "evalscope": DATA / "evalscope-1.14-eval/capture/reports/smollm2/general_mcq.json",
        "serve": DATA / "vllm-0.32/bench/serve_random_chat.json",
        "latency": DATA / "vllm-0.32/bench/latency.json",
    }
    for name, path in files.items():
        data = json.loads(path.read_text())
        for key in data:
            for value in wild:
                found = recognise({f"{name}.json": json.dumps(data | {key: value}).encode()})
                assert found.readings or found.refusals


def test_long_texts_and_control_characters_are_bounded():
    sample = {"doc_id": 1, "target": "\x1b[31mA\x00", "filtered_resps": ["x" * 2_000_000]}
    row = json.dumps(
        sample | {"filter": "letter", "exact_match": 1.0, "resps": [["y" * 2_000_000]]}
    )
    results = (DATA / "lm-eval-0.4/results_2026-11-24T14-16-53.395895.json").read_bytes()

    (reading,) = recognise({"results.json": results, "samples.jsonl": row.encode()}).readings

    (answer,) = reading.measured.answers
    assert len(answer["answer"]) <= 400_000
    assert len(answer["extracted"]) <= 400_000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_files_of_windows_are_read(encoding):
    text = (DATA / "vllm-0.7.2/benchmark_serving_ok.txt").read_text()

    (reading,) = recognise({"log.txt": text.encode(encoding)}).readings

    assert reading.measured.metrics["output_tokens_per_s"] == 500.15


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\xfa" * 50, b"\x00" * 100, "中文".encode("gbk"), b"{"]
)
def test_other_bytes_are_not_recognised(content):
    assert refusal(content, "any.bin").id == "import:unknown"


def test_an_archive_is_unpacked():
    content = json.dumps(SERVE).encode()
    for name, packed in (("a.zip", zipped(run__a=content)), ("a.tgz", tarred(run__a=content))):
        assert read_uploads([(name, packed)], limit_bytes=LIMIT) == {"run/a": content}
    streams = gzip.compress(content[:100]) + gzip.compress(content[100:])
    for packed in (gzip.compress(content), streams):
        assert read_uploads([("a.json.gz", packed)], limit_bytes=LIMIT) == {"a.json": content}


def test_an_archive_that_grows_above_the_limit_is_refused():
    huge = b"0" * (LIMIT + 1)

    assert "IMPORT_LIMIT" in refused_upload(zipped(a=huge))
    assert "IMPORT_LIMIT" in refused_upload(zipped(a=huge[:-2], b=huge[:-2]))
    assert "IMPORT_LIMIT" in refused_upload(tarred(a=huge), "a.tar.gz")
    assert "IMPORT_LIMIT" in refused_upload(gzip.compress(b"0" * 40_000_000), "a.gz")
    assert "IMPORT_LIMIT" in refused_upload(huge, "a.json")


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "C:\\a", "..\\a"])
def test_a_path_outside_is_refused(name):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, b"x")

    assert "leads outside" in refused_upload(target.getvalue())


def test_a_damaged_archive_is_refused():
    packed, tar = zipped(a=b"x" * 1000), tarred(a=b"x" * 1000)

    for content, name in (
        (packed[:-30], "a.zip"),
        (packed[:40] + b"\0" * 20 + packed[60:], "a.zip"),
        (tar[:-20], "a.tgz"),
        (b"\x1f\x8bnonsense", "a.gz"),
        (b"PK\x03\x04nonsense", "a.zip"),
        (b"Rar!\x1a\x07", "a.rar"),
    ):
        assert refused_upload(content, name)


def test_too_many_files_are_refused():
    names = {f"f{number}": b"x" for number in range(MOST_FILES + 1)}

    assert str(MOST_FILES) in refused_upload(zipped(**names))


def test_a_long_list_of_files_is_refused_unread():
    packed = zipped(a=b"x")
    at = packed.rfind(b"PK\x05\x06") + 12
    claimed = (ZIP_DIRECTORY_BYTES + 1).to_bytes(4, "little")

    assert str(MOST_FILES) in refused_upload(packed[:at] + claimed + packed[at + 4 :])


def test_a_file_of_many_gzip_members_is_refused():
    empty = gzip.compress(b"")

    assert f"more than {GZIP_MEMBERS} members" in refused_upload(empty * (GZIP_MEMBERS + 1))


def test_links_and_devices_of_a_tar_are_left_out():
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        file = tarfile.TarInfo("file")
        file.size = 1
        archive.addfile(file, io.BytesIO(b"x"))

    assert read_uploads([("a.tar", target.getvalue())], limit_bytes=LIMIT) == {"file": b"x"}


def test_a_link_in_a_folder_is_not_followed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "link").symlink_to("/etc/passwd")
    (tmp_path / "run" / "a.txt").write_text("x")

    files = read_paths([tmp_path / "run"], limit_bytes=LIMIT)

    assert files == {"run/a.txt": b"x"}


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(LaunchError, match="nothere: No such file"):
        read_paths([tmp_path / "nothere"], limit_bytes=LIMIT)


def test_uploads_with_one_name_are_both_kept():
    files = read_uploads([("a.json", b"1"), ("a.json", b"2")], limit_bytes=LIMIT)

    assert files == {"a.json": b"1", "2/a.json": b"2"}
