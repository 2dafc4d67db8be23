"""``modelscope``: the download command of ModelScope's own client."""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from simulator.lib import bars, options, world
from simulator.lib.hub import repos, transfer
from simulator.lib.hub.files import RepoFile

VERSION = "1.26.0"
_DOWNLOAD = """
str    --model --dataset --revision --cache_dir --local_dir --token
choice --repo-type=model{model,dataset}
list   --include --exclude
int    --max-workers=8
"""


def main(argv: Sequence[str]) -> int:
    """Run it; its exit code."""
    parser = argparse.ArgumentParser(
        "ModelScope Command Line tool", usage="modelscope <command> [<args>]"
    )
    parser.add_argument("--version", action="version", version=f"ModelScope CLI {VERSION}")
    commands = parser.add_subparsers(help="modelscope commands helpers", dest="command")
    download = commands.add_parser("download")
    download.add_argument("repo_id", nargs="?")
    download.add_argument("files", nargs="*")
    options.add(download, _DOWNLOAD)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 1
    return _download(args)


def _download(args: argparse.Namespace) -> int:
    dataset = bool(args.dataset) or args.repo_type == "dataset"
    name = args.dataset or args.model or args.repo_id
    named = [args.repo_id, *args.files] if (args.model or args.dataset) else args.files
    named = [path for path in named if path]
    if not name:
        raise SystemExit("modelscope download: error: the following arguments are required: model")
    repo = repos.find(name, dataset=dataset)
    if repo is None:
        return _refuse(f"The request model: {name} does not exist!")
    token = args.token or os.environ.get("MODELSCOPE_API_TOKEN")
    if repo.gated and not token:
        return _refuse(f"No permission to access model {name}, please login first.")
    cache = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache/modelscope/hub")
    folder = world.real(args.local_dir) if args.local_dir else cache / "models" / name
    wanted = transfer.chosen(repo.files, args.include or (), args.exclude or ())
    if named:
        wanted = [f for f in repo.files if f.path in named]
    sort = "Dataset" if dataset else "Model"
    world.out(f"Downloading {sort} from https://www.modelscope.cn to directory: {folder.resolve()}")
    try:
        _fetch(wanted, folder)
    except OSError as error:
        return _refuse(f"[Errno {error.errno}] {error.strerror}: {error.filename!r}")
    world.out(f"\nSuccessfully Downloaded from {sort.lower()} {name}.\n")
    return 0


def _fetch(wanted: Sequence[RepoFile], folder: Path) -> None:
    with_total = f"Processing {len(wanted)} items"
    began = time.monotonic()
    for done, file in enumerate(transfer.arriving(wanted)):
        world.err("\r" + bars.line(with_total, done, len(wanted), world.since(began)), end="")
        part = folder / "._____temp" / file.path
        transfer.bring(file, part, folder / file.path, on_bytes=_Progress(file))
    world.err("\r" + bars.line(with_total, len(wanted), len(wanted), world.since(began), unit="it"))


class _Progress:
    """The bar of one file."""

    def __init__(self, file: RepoFile) -> None:
        self._file = file
        self._bytes = 0
        self._began = time.monotonic()

    def __call__(self, real_bytes: int) -> None:
        self._bytes += real_bytes
        text = bars.line(
            f"Downloading [{self._file.path}]",
            self._bytes,
            self._file.real_bytes,
            world.since(self._began),
            unit="B",
            sizes=True,
        )
        ended = "\n" if self._bytes >= self._file.real_bytes else ""
        world.err("\r" + text, end=ended)


def _refuse(message: str) -> int:
    world.err("Traceback (most recent call last):")
    world.err('  File "modelscope/cli/cli.py", line 70, in run_cmd\n    cmd.execute()')
    world.err(f"ValueError: {message}")
    return 1
