"""Processes of a container: plain ones, found by a mark in their environment."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.lib import world
from simulator.lib.docker import packages

MARK = "STANDIN_CONTAINER"
BENCHMARKS = "/workspace/vllm/benchmarks"
# Programs of the machine that may run "inside": they get true paths for those of the container.
BORROWED = frozenset(
    (
        "cat",
        "cp",
        "date",
        "df",
        "du",
        "echo",
        "env",
        "false",
        "find",
        "free",
        "grep",
        "head",
        "hostname",
        "id",
        "ls",
        "lscpu",
        "mkdir",
        "mv",
        "nproc",
        "ps",
        "rm",
        "sed",
        "sleep",
        "stat",
        "tail",
        "test",
        "touch",
        "true",
        "uname",
        "wc",
        "which",
    )
)
SHELLS = ("bash", "sh", "/bin/bash", "/bin/sh")


class NotFoundError(Exception):
    """No program of that name is in the image."""


def command(argv: Sequence[str], env: Mapping[str, str], *, terminal: bool) -> list[str]:
    """Return the command on this machine for ``argv`` in a container with that environment.

    Raises:
        NotFoundError: the image has no such program.
    """
    name = argv[0]
    if name in SHELLS:
        return _shell(argv, terminal=terminal)
    if name in ("python", "python3"):
        return _python(argv, env)
    if name == "vllm" and env.get("STANDIN_VLLM_VERSION"):
        return [sys.executable, str(world.BIN / name), *argv[1:]]
    base = name.rpartition("/")[2]
    if base in BORROWED and (program := shutil.which(base)):
        return [program, *(_outside(word, env) for word in argv[1:])]
    raise NotFoundError(name)


def _shell(argv: Sequence[str], *, terminal: bool) -> list[str]:
    """A shell waits for someone to type while it has a terminal, and ends at once without."""
    if len(argv) == 1:
        return ["sleep", "infinity"] if terminal else ["true"]
    return [sys.executable, "-c", "import sys; sys.exit('bash: not in this stand-in')"]


def _python(argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """The image's python3: ``-c``, or a script, of its own or of a mounted folder."""
    args = list(argv[1:])
    while args and args[0] in ("-u", "-B"):
        args.pop(0)
    if not args or args[0].startswith("-"):
        return [sys.executable, *args]
    return [sys.executable, _outside(args[0], env), *args[1:]]


def _outside(word: str, env: Mapping[str, str]) -> str:
    return str(world.outside(word, env)) if word.startswith("/") else word


def start(argv: Sequence[str], env: Mapping[str, str], cwd: Path, logs: Path) -> int:
    """Start a process in a session of its own that writes to ``logs.out`` and ``logs.err``."""
    logs.parent.mkdir(parents=True, exist_ok=True)
    with logs.with_suffix(".out").open("ab") as out, logs.with_suffix(".err").open("ab") as err:
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    _CHILDREN[popen.pid] = popen
    return popen.pid


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def wait(pid: int, ticks: str) -> int:
    """Wait for a process to end; its exit code as in docker (128 + signal)."""
    child = _CHILDREN.get(pid)
    if child is not None:
        code = child.wait()
        _CHILDREN.pop(pid, None)
        return 128 - code if code < 0 else code
    while is_running(pid, ticks):  # of an earlier daemon: it is no child of this one
        time.sleep(0.1)
    return 137


def start_ticks(pid: int) -> str:
    """Start of a process in the kernel's ticks; "" when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def is_running(pid: int, ticks: str) -> bool:
    """True while the very process that had these ticks runs."""
    return bool(ticks) and start_ticks(pid) == ticks


def inside(container: str) -> list[int]:
    """All processes of a container, with any parent."""
    mark = f"{MARK}={container}".encode()
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    pids.append(int(entry.name))
    return [pid for pid in pids if start_ticks(pid)]


def kill_inside(container: str, seconds: float = 5.0) -> None:
    """End all processes of a container, as the kernel does when its first process ends."""
    deadline = time.monotonic() + seconds
    while (left := inside(container)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def environment(container: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process in ``container``; ``more`` has the last word.

    Nothing of the caller's comes in, as with a true container; the stand-ins' own settings do.
    """
    cwd = more.get("STANDIN_CWD") or container["workdir"]
    return {
        "PATH": f"{world.BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": f"{container['rootfs']}/{packages.FOLDER}",
        "HOSTNAME": container["id"][:12],
        **container["settings"],
        MARK: container["id"],
        "STANDIN_IMAGE": container["image"],
        "STANDIN_VLLM_VERSION": container["vllm"],
        "STANDIN_MOUNTS": json.dumps(container["mounts"]),
        "STANDIN_ROOTFS": container["rootfs"],
        "STANDIN_NETWORK": container["network"],
        "STANDIN_PORTS": json.dumps(container["ports"]),
        "STANDIN_PRIVILEGED": "1" if container["privileged"] else "",
        **container["env"],
        **more,
        "STANDIN_CWD": cwd,
    }
