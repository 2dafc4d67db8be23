"""Containers: a folder each, which outlives the daemon; what may be done with them."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.lib import programs, sonnet, world
from simulator.lib.docker import images, packages, processes, wire
from simulator.lib.docker.wire import DaemonError

Container = dict[str, Any]
_LOCK = threading.RLock()
STOP_S = 10.0
# A script of the image; it may be changed there, as people do to import the vendor's plug-in first.
_SCRIPT = f"""import sys

sys.path.insert(0, {str(world.LIB.parents[1])!r})

from simulator.lib import programs

sys.exit(programs.run("{{}}", sys.argv[1:]))
"""


def _home(key: str) -> Path:
    return wire.folder() / "containers" / key


def every() -> list[Container]:
    """All containers, the newest first."""
    specs = []
    for path in (wire.folder() / "containers").glob("*/container.json"):
        with contextlib.suppress(OSError, ValueError):
            specs.append(json.loads(path.read_text(encoding="utf-8")))
    return sorted(specs, key=lambda item: -item["created"])


def find(name: str) -> Container:
    """The container of that name or id.

    Raises:
        DaemonError: there is none.
    """
    for item in every():
        if item["name"] == name or (name and item["id"].startswith(name)):
            return item
    raise DaemonError(f"No such container: {name}")


def running(name: str) -> Container:
    """The running container of that name or id.

    Raises:
        DaemonError: there is none, or it has ended.
    """
    item = find(name)
    if item["state"] != "running":
        raise DaemonError(f"container {item['id']} is not running")
    return item


def _save(item: Container) -> None:
    home = _home(item["id"])
    if home.is_dir():  # else it was removed
        world.write(home / "container.json", json.dumps(item, indent=1))


def create(asked: Mapping[str, Any]) -> Container:
    """Make a container and start its first process.

    Raises:
        DaemonError: the name is taken, a port is, or there is no such image or program.
    """
    image = images.find(asked["image"])
    assert image is not None  # the caller has pulled it
    key = secrets.token_hex(32)
    with _LOCK:
        for other in every():
            if other["name"] == asked["name"]:
                raise DaemonError(
                    f'Conflict. The container name "/{other["name"]}" is already in use by '
                    f'container "{other["id"]}". You have to remove (or rename) that container '
                    "to be able to reuse that name."
                )
        _free_ports(asked, key)
        home = _home(key)
        (home / "rootfs").mkdir(parents=True)
        item: Container = {
            **{name: asked[name] for name in ("name", "argv", "env", "labels", "mounts", "ports")},
            **{name: asked[name] for name in ("network", "privileged", "rm", "settings", "tty")},
            "id": key,
            "image": image["ref"],
            "image_id": image["id"],
            "vllm": image["vllm"],
            "workdir": asked["workdir"] or ("/workspace" if image["vllm"] else "/"),
            "rootfs": str(home / "rootfs"),
            "created": time.time(),
            "state": "created",
            "exit_code": 0,
        }
        _furnish(item)
        _save(item)
    return _start(item)


def _free_ports(asked: Mapping[str, Any], key: str) -> None:
    for host_port in asked["ports"].values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if world.fault("port_busy"):
                    raise OSError
                probe.bind(("0.0.0.0", int(host_port)))
            except OSError:
                raise DaemonError(
                    "driver failed programming external connectivity on endpoint "
                    f"{asked['name']} ({key}): failed to bind port 0.0.0.0:{host_port}/tcp: Error "
                    f"starting userland proxy: listen tcp4 0.0.0.0:{host_port}: bind: address "
                    "already in use"
                ) from None


def _furnish(item: Container) -> None:
    """The few files that the image has of its own."""
    rootfs = Path(item["rootfs"])
    for _, source in item["mounts"]:
        Path(source).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "root", item["workdir"].lstrip("/")):
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    if item["vllm"]:
        benchmarks = rootfs / processes.BENCHMARKS.lstrip("/")
        benchmarks.mkdir(parents=True, exist_ok=True)
        (benchmarks / "sonnet.txt").write_text(sonnet.text(), encoding="utf-8")
        if item["vllm"].startswith("0.7"):
            for script in programs.SCRIPTS:
                (benchmarks / script).write_text(_SCRIPT.format(script), encoding="utf-8")
        packages.furnish(rootfs / packages.FOLDER, item["vllm"])


def _start(item: Container) -> Container:
    env = processes.environment(item, {})
    try:
        argv = processes.command(item["argv"], env, terminal=item["tty"])
    except processes.NotFoundError as error:
        shutil.rmtree(_home(item["id"]), ignore_errors=True)
        raise DaemonError(
            "failed to create task for container: failed to create shim task: OCI runtime create "
            "failed: runc create failed: unable to start container process: exec: "
            f'"{error}": executable file not found in $PATH: unknown'
        ) from None
    pid = processes.start(argv, env, _folder(item, item["workdir"]), _home(item["id"]) / "main")
    item |= {"state": "running", "pid": pid, "started": time.time()}
    item["ticks"] = processes.start_ticks(pid)
    _save(item)
    threading.Thread(target=_watch, args=(item,), daemon=True).start()
    return item


def _folder(item: Container, inside: str) -> Path:
    env = processes.environment(item, {"STANDIN_CWD": inside})
    folder = world.outside(inside, env)
    return folder if folder.is_dir() else Path(item["rootfs"])


def _watch(item: Container) -> None:
    """Wait for the first process to end: the container ends with it."""
    code = processes.wait(item["pid"], item["ticks"])
    processes.kill_inside(item["id"])
    with _LOCK:
        item |= {"state": "exited", "exit_code": code, "finished": time.time()}
        _save(item)
        if item["rm"]:
            # A follower still reads the end of its output; then the folder is removed.
            later = threading.Timer(1.0, shutil.rmtree, (_home(item["id"]), True))
            later.daemon = True
            later.start()
            (_home(item["id"]) / "container.json").unlink(missing_ok=True)


def adopt() -> None:
    """Go on watching what an earlier daemon left running."""
    for item in every():
        if item["state"] == "running":
            threading.Thread(target=_watch, args=(item,), daemon=True).start()


def execute(name: str, argv: Sequence[str], more: Mapping[str, str], workdir: str) -> Path:
    """Start a further process; the path of its output without ``.out`` and ``.err``.

    Raises:
        DaemonError: no such container or program, or the folder is not there.
    """
    item = running(name)
    inside = workdir or item["workdir"]
    env = processes.environment(item, {**item["settings"], **more, "STANDIN_CWD": inside})
    folder = world.outside(inside, env)
    if not folder.is_dir():
        raise DaemonError(
            "OCI runtime exec failed: exec failed: unable to start container process: chdir to "
            f'cwd ("{inside}") set in config.json failed: no such file or directory: unknown'
        )
    try:
        command = processes.command(argv, env, terminal=False)
    except processes.NotFoundError as error:
        raise DaemonError(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: "
            f'"{error}": executable file not found in $PATH: unknown'
        ) from None
    logs = _home(item["id"]) / "exec" / secrets.token_hex(4)
    pid = processes.start(command, env, folder, logs)
    ticks = processes.start_ticks(pid)
    threading.Thread(target=_collect, args=(logs, pid, ticks), daemon=True).start()
    return logs


def _collect(logs: Path, pid: int, ticks: str) -> None:
    code = processes.wait(pid, ticks)
    with contextlib.suppress(OSError):
        world.write(logs.with_suffix(".code"), str(code))


def exit_code(logs: Path) -> int | None:
    """Exit code of a further process; None while it runs."""
    try:
        return int(logs.with_suffix(".code").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None if logs.parent.is_dir() else 137


def logs_of(item: Container) -> Path:
    """Path of the first process's output without ``.out`` and ``.err``."""
    return _home(item["id"]) / "main"


def ended(item: Container) -> int | None:
    """Exit code of a container; None while it runs."""
    for other in every():
        if other["id"] == item["id"]:
            return None if other["state"] == "running" else int(other["exit_code"])
    return int(item["exit_code"]) if item["state"] == "exited" else 137


def signal_to(item: Container, number: int) -> None:
    """Send a signal to the first process."""
    if processes.is_running(item["pid"], item["ticks"]):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(item["pid"], number)


def stop(item: Container, seconds: float) -> None:
    """SIGTERM, then SIGKILL; returns when it has ended."""
    # A shell with a terminal does not mind SIGTERM: docker waits its ten seconds for it.
    if item["argv"][0] not in processes.SHELLS:
        signal_to(item, signal.SIGTERM)
    deadline = time.monotonic() + max(seconds / world.speed(), 0.05)
    while processes.is_running(item["pid"], item["ticks"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    kill(item)


def kill(item: Container) -> None:
    """SIGKILL to all its processes; returns when the container counts as ended."""
    processes.kill_inside(item["id"])
    deadline = time.monotonic() + 5
    while ended(item) is None and time.monotonic() < deadline:
        time.sleep(0.02)


def remove(item: Container, *, force: bool) -> None:
    """Take it away with its files.

    Raises:
        DaemonError: it runs, and -f is missing.
    """
    if item["state"] == "running":
        if not force:
            raise DaemonError(
                f'cannot remove container "/{item["name"]}": container is running: '
                "stop the container before removing or force remove"
            )
        kill(item)
    # Writes into the folder wait: a file left of it would count as a container.
    with _LOCK:
        shutil.rmtree(_home(item["id"]), ignore_errors=True)
