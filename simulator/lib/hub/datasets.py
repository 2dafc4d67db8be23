"""Data sets of the guide, made up: the right names and formats, a few dozen rows."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterable

from simulator.lib import questions, world
from simulator.lib.hub.files import RepoFile

ROWS = 40


def _lines(rows: Iterable[object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of these files, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2024, 2, 7, 0, 0, 0)), data)
    return buffer.getvalue()


def _c4(part: str) -> bytes:
    rows = [
        {
            "text": f"{world.MARK.capitalize()} page {part}{i}. " + questions.prose(i, 200),
            "timestamp": "2019-04-25T12:57:54Z",
            "url": f"https://example.invalid/{part}/{i}",
        }
        for i in range(ROWS)
    ]
    return _gzip(_lines(rows))


def _ceval() -> bytes:
    header = "id,question,A,B,C,D,answer\n"
    files = {}
    for subset in ("computer_network", "operating_system", "computer_architecture"):
        for split in ("dev", "val", "test"):
            rows = [
                f"{i},{i} + {i + 2} = ?,{2 * i},{2 * i + 1},{2 * i + 2},{2 * i + 3},C\n"
                for i in range(20)
            ]
            files[f"{split}/{subset}_{split}.csv"] = (header + "".join(rows)).encode()
    return zipped(files)


def _alpaca() -> bytes:
    rows = [
        {"instruction": f"Add {i} and {i + 1}.", "input": "", "output": f"{2 * i + 1}"}
        for i in range(ROWS)
    ]
    return json.dumps(rows, indent=2).encode()


def sharegpt() -> bytes:
    """Conversations as ShareGPT_V3 has them."""
    rows = [
        {
            "id": f"{world.MARK}_{i}",
            "conversations": [
                {"from": "human", "value": questions.prose(i, 20 + 7 * i % 150)},
                {"from": "gpt", "value": questions.prose(1000 + i, 40 + 11 * i % 200)},
            ],
        }
        for i in range(200)
    ]
    return json.dumps(rows).encode()


def opencompass_core() -> bytes:
    """``OpenCompassData-core-20240207.zip``: a folder ``data/``."""
    files = {"data/README.md": f"Made up ({world.MARK}).\n".encode()}
    for name, count in questions.CLUEWSC.items():
        rows = [questions.cluewsc(name, i).row for i in range(count)]
        files[f"data/FewCLUE/cluewsc/{name}.json"] = _lines(rows)
    for subset, total in questions.MMLU_SUBSETS.items():
        for split, count in (("dev", 5), ("test", total), ("val", 2)):
            lines = [questions.mmlu(subset, split, i).csv for i in range(count)]
            files[f"data/mmlu/{split}/{subset}_{split}.csv"] = "".join(lines).encode()
    return zipped(files)


def math() -> bytes:
    """``math.zip``: it is unpacked into ``data/``."""
    rows = [questions.math(i).row for i in range(questions.MATH)]
    return zipped({"math/test_prm800k_500.jsonl": _lines(rows)})


def repositories() -> dict[str, tuple[RepoFile, ...]]:
    """Repository id -> its files."""
    return {
        "allenai/c4": (
            RepoFile(
                "en/c4-train.00000-of-01024.json.gz", 319_000_000, lambda: _c4("train"), large=True
            ),
            RepoFile(
                "en/c4-validation.00000-of-00008.json.gz",
                40_500_000,
                lambda: _c4("validation"),
                large=True,
            ),
        ),
        "ceval/ceval-exam": (RepoFile("ceval-exam.zip", 1_550_000, _ceval, large=True),),
        "yahma/alpaca-cleaned": (
            RepoFile("alpaca_data_cleaned.json", 44_300_000, _alpaca, large=True),
        ),
        "anon8231489123/ShareGPT_Vicuna_unfiltered": (
            RepoFile(
                "ShareGPT_V3_unfiltered_cleaned_split.json", 673_000_000, sharegpt, large=True
            ),
        ),
    }
