"""Check a data set in a folder, and write dataset.json: verify_dataset.py FOLDER --expected FILE

FILE is JSON: {"name", "files": [{"path": glob, "sort": …, "items": n or null}]}. Every path must
find files that are whole; what is in them is counted. A count that differs from the known one is
reported, not refused: partial sets are valid, and their users report how much they used.
"""

import argparse
import gzip
import hashlib
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path


def json_lines(path):
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip() and isinstance(json.loads(line), dict))


def packed_lines(path):
    """Lines in a gzip file, read to its end: one that is cut off has none."""
    count = 0
    with gzip.open(path, "rb") as file:
        for line in file:
            if count == 0 and not isinstance(json.loads(line), dict):
                raise ValueError("its first line is no JSON object")
            count += 1
    return count


def json_list(path):
    items = json.loads(path.read_bytes())
    if not isinstance(items, list):
        raise ValueError("it is no JSON list")
    return len(items)


def archive(path):
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()
        if damaged:
            raise ValueError(f"{damaged} in it is damaged")
        return len([name for name in file.namelist() if not name.endswith("/")])


# Format -> number of items in a whole file. Some files are only counted: they must not be empty.
SORTS = {
    "archive": archive,
    "files": lambda path: min(1, path.stat().st_size),
    "json": json_list,
    "jsonl": json_lines,
    "jsonl.gz": packed_lines,
    "text": lambda path: len(path.read_text(encoding="utf-8").splitlines()),
}


def check(folder, item):
    paths = sorted(path for path in folder.glob(item["path"]) if path.is_file())
    if not paths:
        sys.exit(f"error: {folder} holds no {item['path']}")
    count = 0
    for path in paths:
        name = path.relative_to(folder)
        try:
            here = SORTS[item["sort"]](path)
        except (ValueError, EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
            sys.exit(f"error: {name} ({path.stat().st_size:,} bytes) is not whole: {error}")
        if not here:
            sys.exit(f"error: {name} is empty")
        count += here
    known = item.get("items")
    note = "" if known in (None, count) else f", {known:,} are known"
    print(f"{item['path']}: {count:,}{note}", flush=True)
    return count


def size_of(folder):
    """(files, bytes) below a folder, without what download tools keep there for themselves."""
    sizes = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        sizes += [Path(top, name).lstat().st_size for name in names]
    return len(sizes), sum(sizes)


def checksum(folder, expected):
    """SHA-256 over the files of the set: path and content of each, in the order of their paths."""
    paths = {path for item in expected["files"] for path in folder.glob(item["path"])}
    whole = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.sha256()
            while piece := file.read(1 << 20):
                content.update(piece)
        whole.update(f"{path.relative_to(folder)}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def verify(folder, expected):
    if not folder.is_dir():
        sys.exit(f"error: there is no folder {folder}")
    counts = {item["path"]: check(folder, item) for item in expected["files"]}
    known = {item["path"]: item["items"] for item in expected["files"] if item.get("items")}
    files, size = size_of(folder)
    if not files:
        sys.exit(f"error: {folder} is empty")
    return {
        "name": expected["name"],
        "path": str(folder),
        "files": files,
        "bytes": size,
        "counts": counts,
        "known": known,
        "sha256": checksum(folder, expected),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--expected", type=Path, required=True)
    args = parser.parse_args()
    try:
        report = verify(args.folder, json.loads(args.expected.read_text(encoding="utf-8")))
    except OSError as error:
        sys.exit(f"error: {error}")
    Path("dataset.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1), flush=True)


if __name__ == "__main__":
    main()
