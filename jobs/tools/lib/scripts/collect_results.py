"""Pack the result files below a folder: collect_results.py FOLDER --inside ROOT [--without PATH]…

Writes collected.tar.gz, whose paths begin with the folder's own name, and collected.json. Other
formats, hidden files, links and files above a limit are left out, with the reason. Too many files,
or too many bytes in all, end the script without an archive: a part of a run must not look whole.
"""

import argparse
import io
import json
import os
import stat
import sys
import tarfile
from collections import Counter
from pathlib import Path

ARCHIVE, REPORT = "collected.tar.gz", "collected.json"
# What the importer of the dashboard reads.
FORMATS = (
    *(".json", ".jsonl", ".csv", ".md", ".txt", ".log", ".out", ".yaml", ".yml"),
    "benchmark_data.db",  # single requests of EvalScope
)
MOST_FILES = 3000
MOST_NAMES = 100_000
LARGEST_FILE = 100 * 1000 * 1000
MOST_BYTES = 500 * 1000 * 1000
DEEPEST = 8
LONGEST_PATH = 280
SHOWN = 20  # names per reason in the log
REASONS = {
    "format": "no format of results",
    "hidden": "hidden",
    "link": "a link, which is not followed",
    "special": "no regular file",
    "jobs": "folder of jobs or environments",
    "depth": f"more than {DEEPEST} folders deep",
    "size": f"more than {LARGEST_FILE / 1e6:.0f} MB",
    "name": f"a name with unusual characters, or a path over {LONGEST_PATH} characters",
    "unreadable": "not readable",
}
# Left out of each folder: no loss for an import.
USUAL = ("format", "hidden")


class Collected:
    """Files in the archive so far, and what was left out, by reason."""

    def __init__(self, archive):
        self.archive = archive
        self.files = self.bytes = self.names = 0
        self.left_out = Counter()

    def leave(self, path, reason):
        """Count a file or folder that is left out; name the first ones of each reason."""
        self.left_out[reason] += 1
        if self.left_out[reason] <= SHOWN:
            shown = path if path.isprintable() else ascii(path)
            print(f"left out: {shown}: {REASONS[reason]}")

    def add(self, path, content, changed_at):
        self.files += 1
        self.bytes += len(content)
        if self.files > MOST_FILES:
            sys.exit(f"error: more than {MOST_FILES:,} result files. Choose a folder further down.")
        if self.bytes > MOST_BYTES:
            size = f"{MOST_BYTES / 1e6:.0f} MB"
            sys.exit(f"error: more than {size} of result files. Choose a folder further down.")
        member = tarfile.TarInfo(path)
        member.size, member.mtime = len(content), max(0, int(changed_at))
        try:
            self.archive.addfile(member, io.BytesIO(content))
        except OSError as error:
            sys.exit(f"error: {ARCHIVE} cannot be written: {error}")
        print(f"{path} ({len(content):,} bytes)")


def is_plain(path):
    """False for a path that an archive for Windows, a terminal or an import reads otherwise."""
    is_short = len(path) <= LONGEST_PATH
    return path.isprintable() and "\\" not in path and path[1:2] != ":" and is_short


def identity(status):
    """Device and number: one folder may have several paths."""
    return status.st_dev, status.st_ino


def walk(found, folder, path, without, depth=1):
    """Collect the files of an open folder and those below, by name. No link is followed."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            found.names += 1
            if found.names > MOST_NAMES:
                sys.exit(f"error: more than {MOST_NAMES:,} names. Choose a folder further down.")
            names.append(entry.name)
    for name in sorted(names):
        below = f"{path}/{name}"
        if name.startswith(".") or name in ("__pycache__", "__MACOSX"):
            found.leave(below, "hidden")
            continue
        try:
            kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(kind):
                enter(found, folder, name, below, without, depth)
            elif stat.S_ISLNK(kind):
                found.leave(below, "link")
            elif not stat.S_ISREG(kind):
                found.leave(below, "special")
            elif not name.lower().endswith(FORMATS):
                found.leave(below, "format")
            elif not is_plain(below):
                found.leave(below, "name")
            else:
                take(found, folder, name, below)
        except OSError:
            found.leave(below, "unreadable")


def enter(found, parent, name, path, without, depth):
    """Collect the files below a folder, unless it is too deep or one of the host's own."""
    if depth == DEEPEST:
        found.leave(path, "depth")
        return
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        if identity(os.fstat(folder)) in without:
            found.leave(path, "jobs")
        else:
            walk(found, folder, path, without, depth + 1)
    finally:
        os.close(folder)


def take(found, folder, name, path):
    """Read one file. A file that grows or was replaced meanwhile is no larger than the limit."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            found.leave(path, "special")
            return
        content = b"" if status.st_size > LARGEST_FILE else file.read(LARGEST_FILE + 1)
    if max(status.st_size, len(content)) > LARGEST_FILE:
        found.leave(path, "size")
    else:
        found.add(path, content, status.st_mtime)


def place_of(folder, root, without):
    """Return the folder with its links followed: below ROOT and in none of the others."""
    real, top = Path(os.path.realpath(folder)), Path(os.path.realpath(root))
    if not real.is_dir():
        sys.exit(f"error: there is no folder {folder}")
    if real == top or not real.is_relative_to(top):
        sys.exit(f"error: {folder} leads to {real}, which is not below {top}")
    for path in without:
        if real.is_relative_to(os.path.realpath(path)):
            sys.exit(f"error: {folder} leads to {real}, a folder of jobs or environments")
    return real


def collect(folder, root, without):
    place = place_of(folder, root, without)
    own = {identity(path.stat()) for path in without if path.is_dir()}
    part = Path(f"{ARCHIVE}.part")
    top = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with tarfile.open(part, "w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as archive:
            found = Collected(archive)
            walk(found, top, place.name, own)
    finally:
        os.close(top)
    if not found.files:
        formats = ", ".join(FORMATS)
        sys.exit(f"error: {place} has no result file to collect. Formats: {formats}")
    part.replace(ARCHIVE)
    for reason, count in found.left_out.items():
        if count > SHOWN:
            print(f"left out: {count - SHOWN:,} more: {REASONS[reason]}")
    usual = sum(found.left_out[reason] for reason in USUAL)
    return {
        "folder": str(place),
        "files": found.files,
        "bytes": found.bytes,
        "left_out": sum(found.left_out.values()) - usual,
        "other_files": usual,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--inside", type=Path, required=True)
    parser.add_argument("--without", type=Path, action="append", default=[])
    args = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    try:
        report = collect(args.folder, args.inside, args.without)
    except OSError as error:
        sys.exit(f"error: {error}")
    Path(REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    counts = f"{report['files']:,} files, {report['bytes']:,} bytes"
    print(f"collected: {counts}; left out: {report['left_out'] + report['other_files']:,}")


if __name__ == "__main__":
    main()
