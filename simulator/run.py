"""Runs a command on a made-up VACC host: ``run.py FOLDER [--dies N] -- COMMAND [ARGUMENT ...]``.

Builds root and workspace below FOLDER, starts the stand-in docker's daemon beside the command, and
takes the containers and the daemon away when the command ends.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator import furnish, root
from simulator.lib import world
from simulator.lib.docker import wire

REGISTRY = "registry.example"
START_S = 300.0  # a machine may do much else
STOP_S = 20.0


def environment(folder: Path) -> dict[str, str]:
    """Variables that make a process one of the made-up host below ``folder``: PATH and settings."""
    conda = folder / "root" / root.CONDA / "bin"
    source = folder / "workspace/build_in/source_code"
    return {
        "PATH": os.pathsep.join((str(world.BIN), str(conda), os.environ.get("PATH", os.defpath))),
        "STANDIN_STATE": str(folder / "state"),
        "STANDIN_ROOT": str(folder / "root"),
        "HOST_ROOT": str(folder / "root"),
        "HOST_WORKSPACE": str(folder / "workspace"),
        "HOST_MODIFICATION_DIR": str(source),
        "HOST_REGISTRY": REGISTRY,
    }


@contextmanager
def host(folder: Path, dies: int = root.DIES) -> Iterator[dict[str, str]]:
    """The environment of a made-up host whose docker answers, until the end of the block."""
    for name in ("state", "workspace"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    root.build(folder / "root", dies)
    furnish.workspace(folder / "workspace")
    env = {**os.environ, **environment(folder)}
    with (folder / "state/dockerd.log").open("ab") as log:
        daemon = subprocess.Popen(
            [str(world.BIN / "dockerd")],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for(daemon, env)
        yield env
    finally:
        left = _docker(env, "ps", "-a", "-q").split()
        if left:
            _docker(env, "rm", "-f", *left)
        daemon.terminate()
        try:
            daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()


def _wait_for(daemon: subprocess.Popen[bytes], env: dict[str, str]) -> None:
    os.environ["STANDIN_STATE"] = env["STANDIN_STATE"]
    deadline = time.monotonic() + START_S
    while not wire.answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd did not start; see {env['STANDIN_STATE']}/dockerd.log")
        time.sleep(0.05)


def _docker(env: dict[str, str], *args: str) -> str:
    command = [str(world.BIN / "docker"), *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def main() -> int:
    """Run the command of the command line; its exit code."""
    argv = sys.argv[1:]
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(description="Run a command on a made-up VACC host.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dies", type=int, default=root.DIES)
    args = parser.parse_args(argv[:cut])
    command = argv[cut + 1 :]
    if not command:
        parser.error("no command after --")
    with host(args.folder.resolve(), args.dies) as env:
        child = subprocess.Popen(command, env=env)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: child.send_signal(got))
        code = child.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
