"""``hfd.sh``: hf-mirror's download script, which drives aria2c or wget."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulator.lib import world
from simulator.lib.hub import repos, transfer
from simulator.lib.hub.files import RepoFile

RED, GREEN, YELLOW, PLAIN = "\033[0;31m", "\033[0;32m", "\033[1;33m", "\033[0m"
USAGE = """Usage:
  hfd <REPO_ID> [--include include_pattern1 include_pattern2 ...] \
[--exclude exclude_pattern1 exclude_pattern2 ...] [--hf_username username] [--hf_token token] \
[--tool aria2c|wget] [-x threads] [-j jobs] [--dataset] [--local-dir path] [--revision rev]"""


@dataclass
class Asked:
    """Values of the command line."""

    repo: str = ""
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    user: str = ""
    token: str = ""
    tool: str = "aria2c"
    threads: int = 4
    jobs: int = 5
    dataset: bool = False
    folder: str = ""
    revision: str = "main"


class UsageError(Exception):
    """An argument that the script does not take."""


def main(argv: Sequence[str]) -> int:
    """Run it; its exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        world.out(USAGE)
        return 1
    try:
        asked = parse(argv)
    except UsageError as error:
        world.out(f"{RED}{error}{PLAIN}")
        return 1
    folder = world.real(asked.folder or asked.repo.rpartition("/")[2])
    repo = repos.find(asked.repo, dataset=asked.dataset)
    notes = folder / ".hfd"
    notes.mkdir(parents=True, exist_ok=True)
    if (notes / "repo_metadata.json").is_file():
        world.out(f"{GREEN}Using cached metadata: {notes / 'repo_metadata.json'}{PLAIN}")
    else:
        world.out(f"{YELLOW}Fetching repo metadata...{PLAIN}")
        world.sleep(3)
        if repo is None:
            world.out(f"{RED}[Error] Failed to fetch metadata. HTTP status code: 404.{PLAIN}")
            return 1
        meta = {"id": repo.id, "gated": "manual" if repo.gated else False, "note": world.MARK}
        (notes / "repo_metadata.json").write_text(json.dumps(meta), encoding="utf-8")
    if repo is None:
        return 1
    if repo.gated and not (asked.user and asked.token):
        world.out(
            f"{RED}The repository requires authentication, but --hf_username and --hf_token is not "
            f"passed. Please get token from https://huggingface.co/settings/tokens.\nExiting."
            f"{PLAIN}"
        )
        return 1
    return _fetch(asked, repo.files, folder)


def parse(argv: Sequence[str]) -> Asked:
    """Read the arguments as the script does: patterns go on until the next option.

    Raises:
        UsageError: an option that it does not know, or a number out of its range.
    """
    asked = Asked(repo=argv[0])
    rest = list(argv[1:])
    names = {
        "--hf_username": "user",
        "--hf_token": "token",
        "--tool": "tool",
        "--local-dir": "folder",
        "--revision": "revision",
    }
    while rest:
        word = rest.pop(0)
        if word in ("--include", "--exclude"):
            patterns = asked.include if word == "--include" else asked.exclude
            while rest and not rest[0].startswith("-"):
                patterns.append(rest.pop(0))
        elif word == "--dataset":
            asked.dataset = True
        elif word in names and rest:
            setattr(asked, names[word], rest.pop(0))
        elif word in ("-x", "-j") and rest:
            name = "threads" if word == "-x" else "jobs"
            setattr(asked, name, _one_to_ten(word, rest.pop(0)))
        else:
            raise UsageError(f"[Error] Unknown option: {word}")
    if asked.tool not in ("aria2c", "wget"):
        raise UsageError(f"[Error] Invalid tool. Use 'aria2c' or 'wget', not {asked.tool}")
    if "/" not in asked.repo:
        raise UsageError("[Error] Repo ID must be in the format 'org/repo'")
    return asked


def _one_to_ten(name: str, text: str) -> int:
    sort = "threads" if name == "-x" else "concurrent downloads"
    if not text.isdigit() or not 1 <= int(text) <= 10:
        raise UsageError(f"[Error] {sort} ({name}) must be 1-10")
    return int(text)


def _fetch(asked: Asked, files: Sequence[RepoFile], folder: Path) -> int:
    wanted = transfer.chosen(files, asked.include, asked.exclude)
    base = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    where = f"{base}/{'datasets/' if asked.dataset else ''}{asked.repo}/resolve/{asked.revision}"
    listing = folder / ".hfd" / f"{asked.tool}_urls.txt"
    if listing.is_file():
        world.out(f"{GREEN}Resume from file list: {listing}{PLAIN}")
    else:
        world.out(f"{YELLOW}Generating file list...{PLAIN}")
        lines = [f"{where}/{f.path}\n out={f.path}\n gid={n:016x}\n" for n, f in enumerate(wanted)]
        listing.write_text("\n".join(lines), encoding="utf-8")
    world.out(f"{YELLOW}Starting download with {asked.tool} to {folder}...{PLAIN}")
    for number, file in enumerate(transfer.arriving(wanted)):
        part = folder / f"{file.path}.aria2"
        progress = _Progress(number, file, asked.threads)
        try:
            transfer.bring(file, part, folder / file.path, on_bytes=progress)
        except OSError as error:
            world.out(
                f"\n[ERROR] CUID#{7 + number} - Download aborted. URI={where}/{file.path}\n"
                f"Exception: [AbstractDiskWriter.cc:460] errNum=28 errorCode=9 "
                f"Failed to write into the file {part}, cause: {error.strerror}"
            )
            world.out(f"{RED}Download encountered errors.{PLAIN}")
            return 1
        progress.end(folder / file.path)
    world.out(f"{GREEN}Download completed successfully. Repo directory: {folder}{PLAIN}")
    return 0


class _Progress:
    """aria2c's line for one file, redrawn after a carriage return."""

    def __init__(self, number: int, file: RepoFile, threads: int) -> None:
        self._gid, self._file, self._threads = f"{number:06x}", file, threads
        self._bytes = 0
        self._began = time.monotonic()

    def __call__(self, real_bytes: int) -> None:
        self._bytes += real_bytes
        total = max(1, self._file.real_bytes)
        seconds = max(world.since(self._began), 1e-3)
        speed = self._bytes / seconds
        left = int((total - self._bytes) / speed) if speed else 0
        world.out(
            f"\r[#{self._gid} {_size(self._bytes)}/{_size(total)}({100 * self._bytes // total}%) "
            f"CN:{self._threads} DL:{_size(int(speed))} ETA:{max(0, left)}s]",
            end="",
        )

    def end(self, path: Path) -> None:
        """The line that says that the file is there."""
        now = time.strftime("%m/%d %H:%M:%S")
        world.out(f"\n{now} [NOTICE] Download complete: {path}")


def _size(count: int) -> str:
    """aria2's own way: 1.2GiB, 512KiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f}{unit}" if unit == "B" or value >= 100 else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}GiB"
