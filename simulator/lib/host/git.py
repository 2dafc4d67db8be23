"""``git``: clones two known repositories, made up; the machine's own git does everything else."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from simulator.lib import programs, sonnet, world
from simulator.lib.hub import web

VERSION = "2.39.5"
_WHO = ("-c", "user.name=standin", "-c", "user.email=standin@example.invalid")
_CPU = """FROM ubuntu:22.04 AS cpu-test-1
ENV CCACHE_DIR=/root/.cache/ccache
RUN --mount=type=cache,target=/var/cache/apt \\
    apt-get update -y && apt-get install -y git curl gcc-12 g++-12 libnuma-dev python3 python3-pip
WORKDIR /workspace
COPY requirements-cpu.txt requirements-cpu.txt
RUN pip install intel-openmp intel_extension_for_pytorch==2.5.0
RUN pip install -v -r requirements-cpu.txt
FROM cpu-test-1 AS build
WORKDIR /workspace/vllm
COPY ./ .
RUN VLLM_TARGET_DEVICE=cpu python3 setup.py bdist_wheel && pip install dist/*.whl
WORKDIR /workspace/
ENTRYPOINT ["python3", "-m", "vllm.entrypoints.openai.api_server"]
"""
_BENCHMARK = f'"""Made up ({world.MARK}); the image has one that runs."""\n'


def _vllm() -> dict[str, str]:
    benchmarks = {f"benchmarks/{name}": _BENCHMARK for name in programs.SCRIPTS}
    return {
        "Dockerfile.cpu": _CPU,
        "requirements-cpu.txt": "torch==2.5.1+cpu\n",
        "setup.py": "from setuptools import setup\n\nsetup(name='vllm')\n",
        "benchmarks/sonnet.txt": sonnet.text(),
        **benchmarks,
    }


def _opencompass() -> dict[str, str]:
    return {
        "setup.py": "from setuptools import setup\n\nsetup(name='opencompass')\n",
        "opencompass/__init__.py": "__version__ = '0.4.1'\n",
        "opencompass/configs/README.md": f"Made up ({world.MARK}).\n",
        ".gitignore": "data/\noutputs/\ntmp/\n",
    }


# Repository -> (tag, the files at that tag, the files of its newest state)
REPOSITORIES = {
    "vllm-project/vllm": ("v0.7.2", _vllm, {"docker/Dockerfile.cpu": _CPU}),
    "open-compass/opencompass": (
        "0.4.1",
        _opencompass,
        {"opencompass/__init__.py": "__version__ = '0.5.4'\n"},
    ),
}


def main(argv: Sequence[str]) -> int:
    """Run ``git``; its exit code."""
    if argv[:1] == ["--version"]:
        world.out(f"git version {VERSION}")
        return 0
    if argv[:1] != ["clone"]:
        web.hand_over("git", argv)
        world.err("git: not found")
        return 127
    return _clone(argv[1:])


def _clone(argv: Sequence[str]) -> int:
    operands, branch, rest = [], "", list(argv)
    while rest:
        word = rest.pop(0)
        if word in ("-b", "--branch", "--depth"):
            value = rest.pop(0) if rest else ""
            branch = value if word != "--depth" else branch
        elif not word.startswith("-"):
            operands.append(word)
    if not operands:
        world.err("fatal: You must specify a repository to clone.")
        return 129
    url = operands[0]
    name = url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    target = operands[1] if len(operands) > 1 else name
    folder = world.real(target)
    if folder.is_dir() and any(folder.iterdir()):
        world.err(
            f"fatal: destination path '{target}' already exists and is not an empty directory."
        )
        return 128
    world.err(f"Cloning into '{target}'...")
    key = next((k for k in REPOSITORIES if url.removesuffix(".git").rstrip("/").endswith(k)), None)
    if key is None:
        host = urlsplit(url).hostname or url
        world.err(f"fatal: unable to access '{url}/': Could not resolve host: {host}")
        return 128
    world.sleep(60)
    _make(folder, url, *REPOSITORIES[key])
    if branch:
        return _git(folder, "checkout", "-q", branch).returncode
    return 0


def _make(folder: Path, url: str, tag: str, make: object, newest: dict[str, str]) -> None:
    """A true repository of two commits, so that any other git command works in it."""
    files: dict[str, str] = make()  # type: ignore[operator]
    folder.mkdir(parents=True, exist_ok=True)
    _git(folder, "init", "-q", "-b", "main")
    _write(folder, files)
    _git(folder, "add", "-A", "-f")
    _git(folder, *_WHO, "commit", "-q", "-m", f"{tag} ({world.MARK})")
    _git(folder, "tag", tag)
    for name in files:
        if name == "Dockerfile.cpu":
            (folder / name).unlink()  # it moved into docker/ later
    _write(folder, newest)
    _git(folder, "add", "-A", "-f")
    _git(folder, *_WHO, "commit", "-q", "-m", f"Newest ({world.MARK})")
    _git(folder, "remote", "add", "origin", url)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _git(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """The machine's own git, without any setting of the person who runs it."""
    path = os.pathsep.join(
        entry
        for entry in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if Path(entry or ".").resolve() != world.BIN
    )
    env = {
        **os.environ,
        "PATH": path,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    return subprocess.run(["git", *argv], cwd=folder, env=env, check=False, text=True)
