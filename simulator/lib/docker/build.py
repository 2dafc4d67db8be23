"""``docker build``: reads the Dockerfile and prints BuildKit's plain progress; nothing is built."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from simulator.lib import world
from simulator.lib.docker import images
from simulator.lib.docker.wire import DaemonError

_STEP = re.compile(r"^\s*([A-Za-z]+)\s+(.*)$", re.S)
_SHOWN = ("RUN", "COPY", "ADD", "WORKDIR")
RUN_S = 55  # of the made-up world, each RUN
SIZE = 9_800_000_000


def instructions(text: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments) of a Dockerfile, continued lines joined."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\s*\n", " ", plain)
    parsed = []
    for line in joined.splitlines():
        match = _STEP.match(line)
        if match:
            parsed.append((match[1].upper(), " ".join(match[2].split())))
    return parsed


def build(
    context: Path, dockerfile: str, tags: list[str], say: Callable[[str], None], *, cached: bool
) -> None:
    """Go through the Dockerfile, a numbered block an instruction, and keep the image.

    Raises:
        DaemonError: BuildKit's own words for what is missing.
    """
    path = Path(dockerfile) if Path(dockerfile).is_absolute() else context / dockerfile
    say('#0 building with "default" instance using docker driver\n')
    say(f"#1 [internal] load build definition from {path.name}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        say("#1 transferring dockerfile: 2B done\n#1 DONE 0.0s")
        raise DaemonError(
            f"failed to solve: failed to read dockerfile: open {path.name}: "
            "no such file or directory"
        ) from None
    say(f"#1 transferring dockerfile: {len(text) / 1000:.2f}kB done\n#1 DONE 0.0s\n")
    steps = instructions(text)
    stages = _stages(steps)
    _metadata([args for name, args in steps if name == "FROM"], stages, say)
    say(
        "#3 [internal] load build context\n#3 transferring context: 24.31MB 0.3s done\n"
        "#3 DONE 0.3s\n"
    )
    number = 3
    shown = [(name, args) for name, args in steps if name in _SHOWN]
    for at, (name, args) in enumerate(shown, start=1):
        number += 1
        say(f"#{number} [{at + 1}/{len(shown) + 1}] {name} {args}"[:200])
        _one(number, name, args, context, say, cached=cached)
    _export(number + 1, tags, text, say)


def _stages(steps: list[tuple[str, str]]) -> set[str]:
    names = set()
    for name, args in steps:
        tokens = args.split()
        if name == "FROM" and len(tokens) >= 3 and tokens[-2].upper() == "AS":
            names.add(tokens[-1])
    return names


def _metadata(froms: list[str], stages: set[str], say: Callable[[str], None]) -> None:
    if not froms:
        raise DaemonError("failed to solve: file with no instructions")
    for args in froms:
        base = next(word for word in args.split() if not word.startswith("--"))
        if base in stages or base == "scratch":
            continue
        named = images.full(base)
        say(f"#2 [internal] load metadata for docker.io/library/{named}")
        world.sleep(2)
        if images.find(base) is None and named not in images.BASES:
            raise DaemonError(
                f"failed to solve: {base}: failed to resolve source metadata for "
                f"docker.io/library/{named}: pull access denied, repository does not exist or "
                "may require authorization: server message: insufficient_scope: authorization "
                "failed"
            )
        say("#2 DONE 1.9s\n")


def _one(
    number: int, name: str, args: str, context: Path, say: Callable[[str], None], *, cached: bool
) -> None:
    if name in ("COPY", "ADD") and "--from" not in args:
        paths = [word.strip('",[]') for word in args.split() if not word.startswith("--")]
        for source in paths[:-1]:
            if not any(context.glob(source.removeprefix("./").removeprefix("/") or "*")):
                raise DaemonError(
                    "failed to solve: failed to compute cache key: failed to calculate checksum "
                    f'of ref {world.MARK}: "/{source}": not found'
                )
    if cached:
        say(f"#{number} CACHED\n")
        return
    seconds = RUN_S if name == "RUN" else 1
    if name == "RUN":
        for share in (0.2, 0.5, 0.9):
            world.sleep(seconds * 0.3)
            say(f"#{number} {seconds * share:.2f} {_noise(args, share)}")
        if world.fault("disk_full"):
            raise DaemonError(
                f'failed to solve: process "/bin/sh -c {args[:60]}" did not complete successfully: '
                "write /var/lib/docker/overlay2: no space left on device"
            )
    world.sleep(seconds * 0.1)
    say(f"#{number} DONE {seconds:.1f}s\n")


def _noise(args: str, share: float) -> str:
    if "pip" in args:
        return "Collecting torch==2.5.1+cpu" if share < 0.5 else "Installing collected packages"
    if "apt" in args:
        return "Get:1 http://archive.ubuntu.com/ubuntu jammy InRelease [270 kB]"
    return f"{world.MARK}: {args[:60]}"


def _export(number: int, tags: list[str], text: str, say: Callable[[str], None]) -> None:
    digest = hashlib.sha256(text.encode()).hexdigest()
    say(f"#{number} exporting to image\n#{number} exporting layers")
    world.sleep(30)
    say(f"#{number} exporting layers 29.8s done\n#{number} writing image sha256:{digest} done")
    for tag in tags:
        vllm = "0.7.2" if "vllm" in tag else ""
        images.keep(tag, vllm=vllm, size=SIZE)
        say(f"#{number} naming to docker.io/library/{images.full(tag)} done")
    say(f"#{number} DONE 30.1s")
