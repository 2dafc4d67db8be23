"""``wget`` and ``curl`` for the archives of the guide; addresses of this machine are real."""

import argparse
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from simulator.lib import options, sonnet, world
from simulator.lib.hub import datasets, repos, transfer
from simulator.lib.hub.files import RepoFile

_RESOLVE = re.compile(r"/(?:(datasets)/)?([\w.-]+/[\w.-]+)/resolve/[\w.-]+/(.+)")
_WGET = """
str  --output-document,-O --directory-prefix,-P --tries,-t --timeout,-T --header --user-agent,-U
str  --output-file,-o --limit-rate --progress --waitretry
flag --continue,-c --quiet,-q --no-verbose,-nv --no-check-certificate --show-progress
flag --no-clobber,-nc --content-disposition
"""
_CURL = """
str  --output,-o --continue-at,-C --retry --retry-delay --max-time,-m --connect-timeout --header,-H
str  --write-out,-w --user-agent,-A
flag --remote-name,-O --location,-L --fail,-f --silent,-s --show-error,-S --insecure,-k
flag --progress-bar,-# --head,-I
"""


def known(url: str) -> RepoFile | None:
    """The file behind an address of the guide; None: no answer there."""
    parts = urlsplit(url)
    name = parts.path.rpartition("/")[2]
    if name == "OpenCompassData-core-20240207.zip":
        return RepoFile(name, 163_000_000, datasets.opencompass_core, large=True)
    if name == "math.zip" and "opencompass" in parts.netloc:
        return RepoFile(name, 3_700_000, datasets.math, large=True)
    if name == "sonnet.txt":
        poem = sonnet.text().encode()
        return RepoFile(name, len(poem), lambda: poem)
    if name == "hfd.sh":
        script = f"#!/bin/sh\nexec '{world.BIN / 'hfd.sh'}' \"$@\"\n".encode()
        return RepoFile(name, 13_000, lambda: script)
    match = _RESOLVE.fullmatch(parts.path)
    if match is None:
        return None
    repo = repos.find(match[2], dataset=bool(match[1]))
    matches = [f for f in repo.files if f.path == match[3]] if repo else []
    return matches[0] if matches else None


def is_here(url: str) -> bool:
    """True for an address of this machine: the true program asks there."""
    host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    return host in ("localhost", "0.0.0.0", "::1") or host.startswith("127.")


def _ask_here(program: str, argv: Sequence[str]) -> None:
    """Hand over when this machine itself is asked, whatever else the command line says."""
    addresses = [word for word in argv if "://" in word or word.startswith("127.")]
    if addresses and all(map(is_here, addresses)):
        hand_over(program, argv)


def hand_over(program: str, argv: Sequence[str]) -> None:
    """Become the machine's own program of that name, if it has one."""
    path = os.pathsep.join(
        entry
        for entry in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if Path(entry or ".").resolve() != world.BIN
    )
    executable = shutil.which(program, path=path)
    if executable:
        os.execv(executable, [program, *argv])


def wget(argv: Sequence[str]) -> int:
    """Run ``wget``; its exit code."""
    _ask_here("wget", argv)
    parser = options.Plain("wget", refusal="wget: {}\nUsage: wget [OPTION]... [URL]...", code=2)
    parser.add_argument("urls", nargs="*")
    args = options.add(parser, _WGET).parse_args(argv)
    if not args.urls:
        world.err("wget: missing URL\nUsage: wget [OPTION]... [URL]...")
        return 1
    codes = [_wget_one(url, args) for url in args.urls]
    return max(codes)


def _wget_one(url: str, args: argparse.Namespace) -> int:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    host = urlsplit(url).hostname or url
    say = (lambda text="", end="\n": None) if args.quiet else world.err
    say(f"--{now}--  {url}")
    file = known(url)
    if file is None:
        say(f"Resolving {host} ({host})... failed: Name or service not known.")
        world.err(f"wget: unable to resolve host address ‘{host}’")
        return 4
    target = _wget_target(url, args)
    say(
        f"Resolving {host} ({host})... 192.0.2.10\nConnecting to {host} ({host})|192.0.2.10|:443"
        "... connected.\nHTTP request sent, awaiting response... 200 OK"
    )
    say(f"Length: {file.real_bytes} ({_short(file.real_bytes)}) [application/octet-stream]")
    if args.__dict__["continue"] and target.is_file() and _whole(target, file):
        say("\n    The file is already fully retrieved; nothing to do.\n")
        return 0
    say(f"Saving to: ‘{target}’\n")
    began = time.monotonic()
    dots = _Dots(file, say)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not args.__dict__["continue"]:
        target.unlink(missing_ok=True)
    try:
        transfer.bring(file, target.with_name(target.name), target, on_bytes=dots)
    except OSError as error:
        say(f"\n\n{target}: {error.strerror}\n\nCannot write to ‘{target}’ ({error.strerror}).")
        return 3
    rate = file.real_bytes / max(world.since(began), 1e-3) / 1e6
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    say(f"\n\n{now} ({rate:.1f} MB/s) - ‘{target}’ saved [{file.real_bytes}/{file.real_bytes}]\n")
    return 0


def _wget_target(url: str, args: argparse.Namespace) -> Path:
    if args.output_document:
        return world.real(args.output_document)
    name = urlsplit(url).path.rpartition("/")[2]
    folder = world.real(args.directory_prefix or ".")
    target, number = folder / name, 0
    while target.exists() and not args.__dict__["continue"]:
        number += 1
        target = folder / f"{name}.{number}"
    return target


class _Dots:
    """wget's progress where no terminal is: a line of dots for each piece."""

    def __init__(self, file: RepoFile, say: object) -> None:
        self._file, self._say = file, say
        self._bytes = 0

    def __call__(self, real_bytes: int) -> None:
        self._bytes += real_bytes
        share = 100 * self._bytes // max(1, self._file.real_bytes)
        dots = " ".join(["." * 10] * 5)
        self._say(f"{self._bytes // 1024:6d}K {dots} {share:3d}% 1.12G 1s")  # type: ignore[operator]


def curl(argv: Sequence[str]) -> int:
    """Run ``curl``; its exit code."""
    _ask_here("curl", argv)
    parser = options.Plain(
        "curl",
        refusal="curl: {}\ncurl: try 'curl --help' or 'curl --manual' for more information",
        code=2,
    )
    parser.add_argument("urls", nargs="*")
    args, unknown = options.add(parser, _CURL).parse_known_args(argv)
    if unknown or not args.urls:
        hand_over("curl", argv)
    for url in args.urls:
        file = known(url)
        if file is None:
            world.err(f"curl: (6) Could not resolve host: {urlsplit(url).hostname or url}")
            return 6
        if not args.output and not args.remote_name:
            world.err("curl: (23) Failure writing output to destination")
            return 23
        target = world.real(args.output or file.path.rpartition("/")[2])
        if not args.continue_at:
            target.unlink(missing_ok=True)
        try:
            transfer.bring(file, target, target, on_bytes=lambda real_bytes: None)
        except OSError:
            world.err("curl: (23) Failure writing output to destination")
            return 23
    return 0


def _whole(target: Path, file: RepoFile) -> bool:
    return target.stat().st_size == len(file.make())


def _short(size: float) -> str:
    for unit in ("", "K", "M"):
        if size < 1024:
            return f"{size:.0f}{unit}" if size >= 10 or not unit else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}G"
