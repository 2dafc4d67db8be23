"""``dockerd``: the daemon. It is started beside a host, not by a job, whose end ends its children.

Run in the foreground; SIGTERM ends it and leaves the containers running, as live-restore does.
"""

import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator import root
from simulator.lib import world
from simulator.lib.docker import build, containers, images, processes, wire
from simulator.lib.docker.wire import DaemonError, Wire
from simulator.lib.host import kernel

Asked = dict[str, Any]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """One request of a client."""
        talk = Wire(self.request)
        asked = talk.hear()
        if asked is None:
            return
        try:
            _DO[asked["do"]](talk, asked)
        except DaemonError as error:
            talk.say(error=str(error))
        except FileNotFoundError as error:  # removed by another client meanwhile
            talk.say(error=f"No such container: {error.filename}")


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM."""
    path = Path(wire.address())
    if wire.answers():
        world.err("failed to start daemon: a daemon runs here already")
        return 1
    path.unlink(missing_ok=True)
    containers.adopt()
    threading.Thread(target=_keep_root, daemon=True).start()
    with _Server(str(path), _Handler) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        (wire.folder() / "dockerd.pid").write_text(str(os.getpid()), encoding="utf-8")
        world.err("API listen on /var/run/docker.sock")
        server.serve_forever(poll_interval=0.2)
    path.unlink(missing_ok=True)
    return 0


def _keep_root() -> None:
    """Let the made-up kernel say what the faults say, and vanished dies come back after them."""
    before = world.faults()
    count = max(kernel.dies(), default=root.DIES - 1) + 1
    while True:
        now = world.faults()
        if (world.root() / "dev").is_dir():
            if "iommu_on" in now ^ before:
                root.set_iommu(world.root(), on="iommu_on" in now)
            # By what is there: a fault may end and begin again between two looks.
            if "die_vanished" not in now and len(kernel.dies()) < count:
                root.build(world.root(), count)
        before = now
        time.sleep(0.3)


def _run(talk: Wire, asked: Asked) -> None:
    if images.find(asked["image"]) is None:
        named = images.full(asked["image"])
        talk.say(err=f"Unable to find image '{named}' locally")
        images.pull(asked["image"], lambda text: talk.say(err=text))
    item = containers.create(asked)
    if asked["detach"]:
        talk.say(out=item["id"], code=0)
        return
    talk.say(follow=str(containers.logs_of(item)))
    threading.Thread(target=_forward, args=(talk, item), daemon=True).start()
    _until(talk, lambda: containers.ended(item))


def _forward(talk: Wire, item: containers.Container) -> None:
    """Signals that a client in the foreground got."""
    while (message := talk.hear()) is not None:
        containers.signal_to(item, message["signal"])


def _until(talk: Wire, code: Callable[[], int | None]) -> None:
    while (exit_code := code()) is None:
        time.sleep(0.02)
    talk.say(code=exit_code)


def _exec(talk: Wire, asked: Asked) -> None:
    more = {**asked["settings"], **asked["env"]}
    logs = containers.execute(asked["container"], asked["argv"], more, asked["workdir"])
    if asked["detach"]:
        talk.say(code=0)
        return
    talk.say(follow=str(logs))
    # The process outlives the client: docker exec passes no signal on.
    _until(talk, lambda: containers.exit_code(logs))


def _logs(talk: Wire, asked: Asked) -> None:
    item = containers.find(asked["container"])
    talk.say(follow=str(containers.logs_of(item)))
    if asked["follow"]:
        _until(talk, lambda: None if containers.ended(item) is None else 0)
    talk.say(code=0)


def _each(talk: Wire, asked: Asked, act: Callable[[containers.Container], None]) -> None:
    code = 0
    for name in asked["containers"]:
        try:
            act(containers.find(name))
            talk.say(out=name)
        except DaemonError as error:
            talk.say(err=f"Error response from daemon: {error}")
            code = 1
    talk.say(code=code)


def _remove(talk: Wire, asked: Asked) -> None:
    _each(talk, asked, lambda item: containers.remove(item, force=asked["force"]))


def _stop(talk: Wire, asked: Asked) -> None:
    _each(talk, asked, lambda item: containers.stop(item, asked["seconds"]))


def _kill(talk: Wire, asked: Asked) -> None:
    def act(item: containers.Container) -> None:
        containers.running(item["id"])
        if asked["signal"] == signal.SIGKILL:
            containers.kill(item)
        else:
            containers.signal_to(item, asked["signal"])

    _each(talk, asked, act)


def _wait(talk: Wire, asked: Asked) -> None:
    for name in asked["containers"]:
        item = containers.find(name)
        while (code := containers.ended(item)) is None:
            time.sleep(0.02)
        talk.say(out=str(code))
    talk.say(code=0)


def _containers(talk: Wire, asked: Asked) -> None:
    talk.say(answer=containers.every(), code=0)


def _container(talk: Wire, asked: Asked) -> None:
    talk.say(answer=containers.find(asked["container"]), code=0)


def _images(talk: Wire, asked: Asked) -> None:
    talk.say(answer=images.every(), code=0)


def _path(talk: Wire, asked: Asked) -> None:
    """Answer with the path of a container's file on this machine."""
    item = containers.find(asked["container"])
    env = processes.environment(item, {})
    inside = os.path.normpath("/" + asked["path"].lstrip("/"))
    talk.say(answer=str(world.outside(inside, env)), code=0)


def _pull(talk: Wire, asked: Asked) -> None:
    image = images.pull(asked["image"], lambda text: talk.say(out=text))
    talk.say(out=image["ref"] if "/" in image["ref"] else f"docker.io/library/{image['ref']}")
    talk.say(code=0)


def _build(talk: Wire, asked: Asked) -> None:
    try:
        build.build(
            Path(asked["context"]),
            asked["file"],
            asked["tags"],
            lambda text: talk.say(err=text),
            cached=asked["cached"],
        )
    except DaemonError as error:
        talk.say(err=f"ERROR: {error}", code=1)
        return
    talk.say(code=0)


def _ping(talk: Wire, asked: Asked) -> None:
    talk.say(answer=world.MARK, code=0)


_DO: dict[str, Callable[[Wire, Asked], None]] = {
    "build": _build,
    "container": _container,
    "containers": _containers,
    "exec": _exec,
    "images": _images,
    "kill": _kill,
    "logs": _logs,
    "path": _path,
    "ping": _ping,
    "pull": _pull,
    "remove": _remove,
    "run": _run,
    "stop": _stop,
    "wait": _wait,
}
