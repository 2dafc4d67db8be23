"""Faults by target: one context manager a fault. It begins the fault; its end undoes the fault.

A kill undoes itself, so that its end waits until the killed is back. All get the scene.
"""

import contextlib
import json
import os
import shutil
import signal
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import zstandard

from jobs.host.base import config as configs
from jobs.host.base import process
from jobs.host.base.client import Chunk, Client, Unreachable
from jobs.host.base.spool import Spool
from jobs.host.ship import Shipper
from tests.api import until
from tests.dashboard.lib.http_host import HttpHost
from tests.faults.proxy import Proxy
from tests.faults.viewers import Audience
from tests.faults.world import World
from tests.processes.lib.hostile import import_with_killed_readers

BACK_S = 120.0
BALLAST = "ballast"


@dataclass
class Scene:
    """A case as it goes: the job (0 before it is launched), its command's files, its viewers."""

    world: World
    counter: Path
    gate: Path
    job: int = 0
    audience: Audience | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def command_pid(self) -> int:
        return int(self.counter.read_text().split()[1])

    @property
    def gone(self) -> Path:
        """Place of the job's folder after it is gone for the host."""
        return self.world.host_folder / f"gone-{self.job}"

    @property
    def spool(self) -> Spool:
        return Spool(self.world.spool(self.job))


Fault = Callable[[Scene], contextlib.AbstractContextManager[None]]


# -- processes ---------------------------------------------------------------------------------


@contextlib.contextmanager
def kill_child(scene: Scene, name: str) -> Iterator[None]:
    """``kill -9`` a process of the dashboard; its supervisor brings it back."""
    stack = scene.world.stack
    killed = stack.kill(name)
    yield
    until(lambda: stack.children().get(name, killed) != killed, f"{name} is back", BACK_S)


@contextlib.contextmanager
def kill_readers(scene: Scene) -> Iterator[None]:
    """``kill -9`` the readers of the dashboard twice; a verdict is tried three times."""
    rounds = iter(range(2))

    def kill() -> None:
        readers = process.descendants(scene.world.stack.children()["web"])
        if readers and next(rounds, None) is not None:
            for pid in readers:
                process.send(pid, signal.SIGKILL)

    with _again_and_again(kill):
        yield


@contextlib.contextmanager
def kill_readers_of_an_import(scene: Scene) -> Iterator[None]:
    """``kill -9`` the readers of the dashboard at random while an import is read and stored."""
    import_with_killed_readers(scene.world)
    yield


@contextlib.contextmanager
def kill_on_host(scene: Scene, name: str) -> Iterator[None]:
    """``kill -9`` the host's agent or worker; its supervisor brings it back."""
    killed = scene.world.host_process(name)
    os.kill(killed, signal.SIGKILL)
    yield
    until(lambda: scene.world.host_process(name) not in (0, killed), f"{name} is back", BACK_S)


@contextlib.contextmanager
def kill_of_job(scene: Scene, which: str) -> Iterator[None]:
    """``kill -9`` the job's launcher or its command. No supervisor restarts these."""
    os.kill(pid_of_job(scene, which), signal.SIGKILL)
    yield


@contextlib.contextmanager
def stop(scene: Scene, pids: Callable[[Scene], Sequence[int]]) -> Iterator[None]:
    """SIGSTOP for as long as the fault lasts, then SIGCONT."""
    stopped = list(pids(scene))
    for pid in stopped:
        process.send(pid, signal.SIGSTOP)  # a connection may have ended meanwhile
    try:
        yield
    finally:
        for pid in stopped:
            process.send(pid, signal.SIGCONT)


def child(name: str) -> Callable[[Scene], Sequence[int]]:
    return lambda scene: [scene.world.stack.children()[name]]


def on_host(name: str) -> Callable[[Scene], Sequence[int]]:
    return lambda scene: [scene.world.host_process(name)]


def of_job(which: str) -> Callable[[Scene], Sequence[int]]:
    return lambda scene: [pid_of_job(scene, which)]


def supervisor_of_stack(scene: Scene) -> Sequence[int]:
    return [scene.world.stack.process.pid]


def database_processes(scene: Scene) -> Sequence[int]:
    return scene.world.database.pids()


@contextlib.contextmanager
def kill_stack(scene: Scene) -> Iterator[None]:
    """``kill -9`` the dashboard's supervisor: the kernel kills its children with it."""
    stack = scene.world.stack
    children = stack.children()
    stack.process.kill()
    stack.process.wait()
    until(lambda: not any(map(process.is_running, children.values())), "its children are gone")
    yield
    scene.world.restart_stack()


@contextlib.contextmanager
def kill_host_supervisor(scene: Scene) -> Iterator[None]:
    """Kill the host's supervisor: agent and worker go with it, launchers do not."""
    scene.world.kill_host_supervisor()
    yield
    scene.world.start_host()


@contextlib.contextmanager
def reboot_host(scene: Scene) -> Iterator[None]:
    """Every process of the host is gone at once, and it comes back in another boot."""
    world = scene.world
    world.kill_host_whole()
    world.boot_id.write_text(f"{os.urandom(8).hex()}\n")
    yield
    world.start_host()


@contextlib.contextmanager
def forget_claims(scene: Scene) -> Iterator[None]:
    """The agent is killed, and its files beside the spools are gone."""
    with kill_on_host(scene, "agent"):
        folder = scene.world.host_folder / "host"
        shutil.rmtree(folder / "claims", ignore_errors=True)
        (folder / "instance").unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def empty_valkey(scene: Scene) -> Iterator[None]:
    """Valkey is killed and comes back empty, with its users."""
    folder = scene.world.stack.data_dir / "valkey"
    with kill_child(scene, "valkey"):
        for path in {*folder.iterdir()} - {folder / "users.acl"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield


@contextlib.contextmanager
def spool_gone(scene: Scene) -> Iterator[None]:
    """The folder of the job is gone from the host's disk, with all that ran in it."""
    for pid in [pid_of_job(scene, "launcher"), pid_of_job(scene, "command")]:
        process.send(pid, signal.SIGKILL)
    scene.spool.path.rename(scene.gone)
    yield


# -- database ----------------------------------------------------------------------------------


@contextlib.contextmanager
def kill_database(scene: Scene) -> Iterator[None]:
    """``kill -9`` of all of PostgreSQL; it is started again when the fault ends."""
    scene.world.database.kill()
    yield
    scene.world.database.start()


@contextlib.contextmanager
def end_connections(scene: Scene) -> Iterator[None]:
    """Every connection is ended from the other side, as a restart of a pooler does."""
    for pid in scene.world.database.connections():
        process.send(pid, signal.SIGTERM)
    yield


@contextlib.contextmanager
def older_database(scene: Scene) -> Iterator[None]:
    """The database is what it was before the job was launched."""
    scene.world.database.put_back()
    yield


# -- network and pages -------------------------------------------------------------------------


def proxied(which: str, mode: str) -> Fault:
    """Fault of a network: "network" (host and dashboard), "notifications" (host's worker and
    Valkey) or "browsers" (pages and dashboard); see :class:`tests.faults.proxy.Proxy`."""
    return lambda scene: _proxy(getattr(scene.world, which), mode)


@contextlib.contextmanager
def _proxy(proxy: Proxy, mode: str) -> Iterator[None]:
    proxy.set(mode)
    try:
        yield
    finally:
        proxy.set("open")


def resets(which: str) -> Fault:
    """Connections of a network are reset, again and again."""
    return lambda scene: _again_and_again(getattr(scene.world, which).reset)


@contextlib.contextmanager
def pages_stop_reading(scene: Scene) -> Iterator[None]:
    """The pages keep their sockets and read nothing."""
    for viewer in scene.audience.viewers:
        viewer.paused = True
    try:
        yield
    finally:
        for viewer in scene.audience.viewers:
            viewer.paused = False


@contextlib.contextmanager
def pages_anew(scene: Scene) -> Iterator[None]:
    """The pages are closed and opened again: they know nothing."""
    for viewer in scene.audience.viewers:
        viewer.start_anew()
    yield


@contextlib.contextmanager
def _again_and_again(*works: Callable[[], None], every_s: float = 0.3) -> Iterator[None]:
    over = threading.Event()

    def repeat(work: Callable[[], None]) -> None:
        while not over.wait(every_s):
            work()

    threads = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


# -- disks and clocks --------------------------------------------------------------------------


@contextlib.contextmanager
def log_store_gone(scene: Scene) -> Iterator[None]:
    """The dashboard's folder of logs is gone, and all logs with it."""
    shutil.rmtree(scene.world.stack.data_dir / "logs")
    yield


@contextlib.contextmanager
def full_disk(scene: Scene, which: str) -> Iterator[None]:
    """The disk of "host" or "dashboard" has no byte left while the fault lasts."""
    world = scene.world
    folder = world.host_folder if which == "host" else world.stack.data_dir
    ballast = folder / BALLAST

    def fill() -> None:  # what others give back is taken too
        with contextlib.suppress(OSError), ballast.open("ab") as file:
            while file.write(bytes(65536)):
                file.flush()

    try:
        with _again_and_again(fill, every_s=0.05):
            until(lambda: shutil.disk_usage(folder).free == 0, "the disk is full", BACK_S)
            if which == "host" and not scene.gate.exists():  # its command gets the error, and ends
                pid = scene.command_pid
                until(lambda: not process.is_running(pid), "the command has ended", BACK_S)
            yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def clock(scene: Scene, which: str, seconds: float) -> Iterator[None]:
    """The clock of "host" or "dashboard" is stepped, and back when the fault ends."""
    file = scene.world.host_clock if which == "host" else scene.world.clock
    file.write_text(str(seconds))
    try:
        yield
    finally:
        file.write_text("0")


# -- chunks ------------------------------------------------------------------------------------


@contextlib.contextmanager
def two_shippers(scene: Scene) -> Iterator[None]:
    """Two more shippers send the same spool at the same time as the agent's own."""
    client = Client(_config(scene))
    shippers = [Shipper(scene.spool, client) for _ in range(2)]

    def ship(shipper: Shipper) -> None:
        with contextlib.suppress(Unreachable, FileNotFoundError):
            shipper.round()

    with _again_and_again(*(partial(ship, one) for one in shippers), every_s=0.01):
        yield


@contextlib.contextmanager
def replayed_chunks(scene: Scene) -> Iterator[None]:
    """Chunks of log and events that have arrived are sent once more."""
    client, meta, log = Client(_config(scene)), scene.spool.meta(), scene.spool.log.read_bytes()
    have = client.streams(meta).body
    events = scene.spool.events.read_bytes()[: have["events"]]
    parts = ((at, Chunk(log[at : at + 65536])) for at in (0, 65536))
    answers = [client.send(meta, "log", at, part).status for at, part in parts]
    answers.append(client.send(meta, "events", 0, Chunk(events)).status)
    _must_be(scene, answers, {409})
    yield


@contextlib.contextmanager
def reordered_chunks(scene: Scene) -> Iterator[None]:
    """Chunks from further on, and an end, come before the chunks between."""
    client, meta = Client(_config(scene)), scene.spool.meta()
    have = client.streams(meta).body
    early = {"type": "ended", "run": 1, "verdict": "succeeded", "log_bytes": 10**12, "outputs": []}
    early |= {"message_id": "", "seq": 99, "at": 0.0, "log_sha256": "0" * 64, "points_bytes": 0}
    line = Chunk(json.dumps(early).encode() + b"\n")
    answers = [client.send(meta, "log", 10**9, Chunk(b"from further on")).status]
    answers += [client.send(meta, "events", have["events"] + 5, line).status]
    answers += [client.send(meta, "events", have["events"], line).status]
    _must_be(scene, answers, {409})
    yield


@contextlib.contextmanager
def damaged_chunks(scene: Scene) -> Iterator[None]:
    """A chunk at the right place with a wrong byte, one cut off, and one of no format."""
    client, meta, data = Client(_config(scene)), scene.spool.meta(), b"some bytes\n" * 50
    config = _config(scene)
    packed = zstandard.compress(data)
    host, answers = HttpHost(config.dashboard_url, config.key), []
    headers = {
        "Content-Type": "application/zstd",
        "X-Instance": meta.instance,
        "X-Token": meta.token,
        "X-Crc32": str(zlib.crc32(data)),
        "X-Raw-Bytes": str(len(data)),
    }
    for body in (zstandard.compress(data[:-1] + b"?"), packed[:-8], b"no zstd at all"):
        offset = client.streams(meta).body["log"]
        path = f"jobs/{meta.id}/streams/log?offset={offset}"
        answers.append(host.send(path, body, **headers)[0])
    _must_be(scene, answers, {422})
    yield


def _must_be(scene: Scene, answers: Sequence[int], allowed: set[int]) -> None:
    if not set(answers) <= allowed:
        scene.notes.append(f"answered {answers}, not {sorted(allowed)}")


def _config(scene: Scene) -> configs.Config:
    return configs.load({}, file=scene.world.host_folder / "host.env")


def pid_of_job(scene: Scene, which: str) -> int:
    """The process id of the job's "launcher" or "command"."""
    if which == "command":
        return scene.command_pid
    record = json.loads((scene.spool.path / "launcher.json").read_text())
    return int(record["pid"])
