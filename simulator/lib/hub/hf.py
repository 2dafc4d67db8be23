"""``hf`` and ``huggingface-cli``: the download command of huggingface_hub."""

import argparse
import base64
import hashlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulator.lib import bars, options, world
from simulator.lib.hub import files, repos, transfer
from simulator.lib.hub.files import RepoFile

VERSION = "0.36.0"
_LOCK = threading.Lock()

_DOWNLOAD = """
choice --repo-type=model{model,dataset,space}
str    --revision --cache-dir --local-dir --local-dir-use-symlinks --token
list   --include --exclude
flag   --force-download --resume-download --quiet --dry-run
int    --max-workers=8
"""


def main(argv: Sequence[str], program: str) -> int:
    """Run ``program`` with these arguments; its exit code."""
    args = _parser(program).parse_args(argv)
    if args.command == "version":
        world.out(f"huggingface_hub version: {VERSION}")
        return 0
    if args.command == "env":
        world.out(f"- huggingface_hub version: {VERSION}\n- ENDPOINT: {_endpoint()}")
        return 0
    return _download(args)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(program, usage=f"{program} <command> [<args>]")
    commands = parser.add_subparsers(
        help=f"{program} command helpers", dest="command", required=True
    )
    download = commands.add_parser("download", help="Download files from the Hub")
    download.add_argument("repo_id", type=str, help="ID of the repo to download from.")
    download.add_argument("filenames", type=str, nargs="*")
    options.add(download, _DOWNLOAD)
    commands.add_parser("env", help="Print information about the environment.")
    commands.add_parser("version", help="Print information about the hf version.")
    return parser


def _download(args: argparse.Namespace) -> int:
    dataset = args.repo_type == "dataset"
    token = args.token or os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    repo = repos.find(args.repo_id, dataset=dataset)
    if repo is None:
        return _refuse("RepositoryNotFoundError", _not_found(args.repo_id, dataset))
    if repo.gated and not token:
        return _refuse("GatedRepoError", _gated(repo.id, dataset))
    wanted = transfer.chosen(repo.files, args.include or (), args.exclude or ())
    if args.filenames:
        wanted = [f for f in repo.files if f.path in args.filenames]
    folder = world.real(args.local_dir) if args.local_dir else _cache(repo.id, dataset)
    if args.dry_run:
        return _dry_run(wanted, folder)
    try:
        _fetch(wanted, folder, workers=args.max_workers, quiet=args.quiet)
    except OSError as error:
        return _refuse("OSError", f"[Errno {error.errno}] {error.strerror}: {error.filename!r}")
    world.out(str(folder))
    return 0


def _fetch(wanted: Sequence[RepoFile], folder: Path, *, workers: int, quiet: bool) -> None:
    """Several files at a time; each leaves a note of its hash, as huggingface_hub does."""
    total = len(wanted)
    began = time.monotonic()
    done = 0
    large = max(1, sum(file.large for file in wanted))

    def show() -> None:
        if not quiet:
            text = bars.line(f"Fetching {total} files", done, total, world.since(began))
            world.err("\r" + text, end="")

    def one(file: RepoFile) -> None:
        nonlocal done
        _one(file, folder, quiet=quiet, share=1 / min(max(1, workers), large))
        with _LOCK:
            done += 1
            show()

    show()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        list(pool.map(one, transfer.arriving(wanted)))
    if not quiet:
        done = total
        show()
        world.err()


def _one(file: RepoFile, folder: Path, *, quiet: bool, share: float) -> None:
    notes = folder / ".cache/huggingface/download"
    hashed = base64.urlsafe_b64encode(hashlib.sha1(file.path.encode()).digest()).decode()
    part = notes / f"{hashed}.{file.sha256}.incomplete"
    target = folder / file.path
    if not (target.is_file() and target.stat().st_size == len(file.make())) and not quiet:
        world.err(f"Downloading '{file.path}' to '{part}'")
    state = {"bytes": 0.0}
    began = time.monotonic()

    def on_bytes(real_bytes: int) -> None:
        state["bytes"] += real_bytes
        if file.large and not quiet:
            name = file.path if len(file.path) <= 40 else f"(…){file.path[-36:]}"
            text = bars.line(
                name, state["bytes"], file.real_bytes, world.since(began), unit="B", sizes=True
            )
            with _LOCK:
                world.err("\r" + text, end="")

    if transfer.bring(file, part, target, on_bytes=on_bytes, share=share) and not quiet:
        world.err(f"\nDownload complete. Moving file to {target}")
    note = notes / f"{file.path}.metadata"
    note.parent.mkdir(parents=True, exist_ok=True)
    etag = file.sha256 if file.large else hashlib.sha1(file.make()).hexdigest()
    note.write_text(f"{files.COMMIT}\n{etag}\n{time.time()}\n", encoding="utf-8")


def _dry_run(wanted: Sequence[RepoFile], folder: Path) -> int:
    missing = [f for f in wanted if not (folder / f.path).is_file()]
    size = sum(f.real_bytes for f in missing)
    world.out(
        f"[dry-run] Will download {len(missing)} files (out of {len(wanted)}) "
        f"totalling {bars.number(size)}."
    )
    world.out("File".ljust(48) + " Bytes to download")
    world.out("-" * 48 + " " + "-" * 17)
    for file in wanted:
        there = (folder / file.path).is_file()
        world.out(f"{file.path:<48} {'-' if there else bars.number(file.real_bytes)}")
    return 0


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _cache(repo: str, dataset: bool) -> Path:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    sort = "datasets" if dataset else "models"
    return home / "hub" / f"{sort}--{repo.replace('/', '--')}" / "snapshots" / files.COMMIT


def _not_found(repo: str, dataset: bool) -> str:
    url = f"{_endpoint()}/api/{'datasets' if dataset else 'models'}/{repo}/revision/main"
    return (
        f"401 Client Error. (Request ID: {world.MARK})\n\nRepository Not Found for url: {url}.\n"
        "Please make sure you specified the correct `repo_id` and `repo_type`.\n"
        "If you are trying to access a private or gated repo, make sure you are authenticated.\n"
        "Invalid username or password."
    )


def _gated(repo: str, dataset: bool) -> str:
    url = f"{_endpoint()}/{'datasets/' if dataset else ''}{repo}/resolve/{files.COMMIT}/config.json"
    return (
        f"401 Client Error. (Request ID: {world.MARK})\n\nCannot access gated repo for url {url}.\n"
        f"Access to {'dataset' if dataset else 'model'} {repo} is restricted. You must have access "
        "to it and be authenticated to access it. Please log in."
    )


def _refuse(sort: str, message: str) -> int:
    """A Python program that ends with an exception."""
    where = "huggingface_hub.errors." if sort != "OSError" else ""
    world.err("Traceback (most recent call last):")
    world.err(f'  File "{sys.argv[0]}", line 8, in <module>\n    sys.exit(main())')
    world.err(f"{where}{sort}: {message}")
    return 1
