"""``docker``: the client."""

import json
import os
import re
import secrets
import signal
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.lib import world
from simulator.lib.docker import shown, wire
from simulator.lib.docker.copying import copy
from simulator.lib.docker.flags import Command, FlagError, Flags, refuse
from simulator.lib.docker.templates import TemplateError, fill
from simulator.lib.docker.wire import Wire

VERSION = "26.1.3"
VERSION_LINE = f"Docker version {VERSION}, build b72abbb"
_SETTINGS = "STANDIN_"  # the caller's settings of the stand-ins reach what runs in a container
_COMMANDS = {
    "run": Command(
        "run",
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "d,detach i,interactive t,tty rm privileged init read-only sig-proxy no-healthcheck",
        "name e,env env-file v,volume mount l,label network net shm-size ipc p,publish w,workdir "
        "u,user entrypoint hostname,h restart device ulimit cap-add security-opt add-host m,memory "
        "cpus cpuset-cpus gpus pid pull platform stop-timeout log-driver log-opt tmpfs runtime",
        least=1,
        mixed=False,
    ),
    "exec": Command(
        "exec",
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        "d,detach i,interactive t,tty privileged",
        "e,env env-file w,workdir u,user detach-keys",
        least=2,
        mixed=False,
    ),
    "ps": Command(
        "ps",
        "[OPTIONS]",
        "a,all q,quiet no-trunc s,size l,latest",
        "f,filter format n,last",
        most=0,
    ),
    "rm": Command("rm", "[OPTIONS] CONTAINER [CONTAINER...]", "f,force l,link v,volumes", least=1),
    "stop": Command("stop", "[OPTIONS] CONTAINER [CONTAINER...]", "", "t,time s,signal", least=1),
    "kill": Command("kill", "[OPTIONS] CONTAINER [CONTAINER...]", "", "s,signal", least=1),
    "wait": Command("wait", "CONTAINER [CONTAINER...]", least=1),
    "logs": Command(
        "logs",
        "[OPTIONS] CONTAINER",
        "f,follow t,timestamps details",
        "n,tail since until",
        least=1,
        most=1,
    ),
    "cp": Command(
        "cp",
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
        "\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        "a,archive L,follow-link q,quiet",
        least=2,
        most=2,
    ),
    "build": Command(
        "buildx build",
        "[OPTIONS] PATH | URL | -",
        "no-cache pull q,quiet load push rm force-rm",
        "f,file t,tag shm-size build-arg network progress label target platform output,o "
        "cache-from cache-to m,memory ulimit add-host iidfile",
        least=1,
        most=1,
    ),
    "pull": Command(
        "pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "a,all-tags q,quiet", "platform", least=1, most=1
    ),
    "login": Command("login", "[OPTIONS] [SERVER]", "password-stdin", "u,username", most=1),
    "images": Command(
        "images",
        "[OPTIONS] [REPOSITORY[:TAG]]",
        "a,all q,quiet digests no-trunc",
        "f,filter format",
        most=1,
    ),
    "inspect": Command(
        "inspect", "[OPTIONS] NAME|ID [NAME|ID...]", "s,size", "f,format type", least=1
    ),
    "version": Command("version", "[OPTIONS]", "", "f,format", most=0),
    "info": Command("info", "[OPTIONS]", "", "f,format", most=0),
}


def main(argv: Sequence[str]) -> int:
    """Run ``docker``; its exit code."""
    args = list(argv)
    if args[:1] in (["--version"], ["-v"]):
        world.out(VERSION_LINE)
        return 0
    if args[:1] == ["image"] and len(args) > 1:
        args = {"ls": ["images"], "pull": ["pull"]}.get(args[1], [f"image {args[1]}"]) + args[2:]
    elif args[:1] == ["container"] and len(args) > 1:
        args = ["ps" if args[1] == "ls" else args[1], *args[2:]]
    name = args[0] if args else ""
    image_only = name == "image inspect"
    name = "inspect" if image_only else "build" if name == "buildx" else name
    if name not in _COMMANDS:
        world.err(f"docker: '{name}' is not a docker command.\nSee 'docker --help'")
        return 1
    rest = args[2:] if args[:2] == ["buildx", "build"] else args[1:]
    prefix = "docker: " if name == "run" else ""
    try:
        asked = _COMMANDS[name].parse(rest)
        if world.fault("docker_down"):
            raise ConnectionRefusedError
        if image_only:
            asked.values["type"] = ["image"]
        return _DO[name](asked)
    except FlagError as error:
        return refuse(error)
    except TemplateError as error:
        world.err(str(error))
        return 64
    except (ConnectionRefusedError, FileNotFoundError):
        tail = "\nSee 'docker run --help'." if name == "run" else ""
        world.err(f"{prefix}{wire.DOWN}{tail}")
        return 125 if name == "run" else 1


# -- talking to the daemon ------------------------------------------------------------------------


def _settings() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_SETTINGS) and name not in ("STANDIN_CWD",)
    }


def _ask(do: str, *, failed: int = 1, prefix: str = "", **more: Any) -> int:
    """Send a request and print the answer; return the exit code."""
    talk = Wire.dial()
    talk.say(do=do, **more)
    reader: _Follower | None = None
    if do == "run" and not more["detach"]:
        _pass_signals_on(talk)
    while True:
        message = talk.hear() if reader is None else reader.until(talk)
        if message is None:
            world.err(f"{prefix}error during connect: the daemon has gone")
            return failed
        if "out" in message:
            world.out(message["out"])
        if "err" in message:
            world.err(message["err"])
        if "follow" in message:
            reader = _Follower(Path(message["follow"]))
        if "error" in message:
            tail = "\nSee 'docker run --help'." if do == "run" else ""
            world.err(
                f"{prefix}Error response from daemon: {message['error']}{tail}"
                if not message["error"].startswith("OCI")
                else message["error"]
            )
            return 127 if "executable file not found" in message["error"] else failed
        if "code" in message:
            return int(message["code"])


def _answer(do: str, **more: Any) -> Any:
    talk = Wire.dial()
    talk.say(do=do, **more)
    message = talk.hear() or {}
    talk.close()
    return message.get("answer")


def _pass_signals_on(talk: Wire) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _: talk.say(signal=got))


class _Follower:
    """Copies the output of a process to its two files, as it comes."""

    def __init__(self, logs: Path) -> None:
        pairs = ((".out", sys.stdout.buffer), (".err", sys.stderr.buffer))
        self._files = [(logs.with_suffix(suffix).open("rb"), to) for suffix, to in pairs]

    def until(self, talk: Wire) -> dict[str, Any] | None:
        """Copy until the daemon says something; then once more, to the end."""
        heard: list[dict[str, Any] | None] = []
        waiter = threading.Thread(target=lambda: heard.append(talk.hear()), daemon=True)
        waiter.start()
        while waiter.is_alive():
            if not self._copy():
                time.sleep(0.02)
        self._copy()
        return heard[0] if heard else None

    def _copy(self) -> bool:
        copied = False
        for source, to in self._files:
            while piece := source.read(65536):
                copied = True
                to.write(piece)
            to.flush()
        return copied


# -- commands -------------------------------------------------------------------------------------


def _run(asked: Flags) -> int:
    image, *command = asked.operands
    name = asked.last("name") or f"{world.MARK}_{secrets.token_hex(3)}"
    try:
        spec = {
            "image": image,
            "argv": command or ["bash"],
            "name": name,
            "env": _environment(asked),
            "labels": _pairs(asked.all("label")),
            "mounts": [_mount(text) for text in asked.all("volume")],
            "ports": dict(_port(text) for text in asked.all("publish")),
            "network": asked.last("network") or asked.last("net") or "bridge",
            "workdir": asked.last("workdir"),
            "privileged": "privileged" in asked.on,
            "rm": "rm" in asked.on,
            "detach": "detach" in asked.on,
            "tty": "tty" in asked.on or "interactive" in asked.on,
            "settings": _settings(),
        }
    except ValueError as error:
        world.err(f"docker: {error}.\nSee 'docker run --help'.")
        return 125
    if asked.last("entrypoint"):
        spec["argv"] = [asked.last("entrypoint"), *command]
    if "tty" in asked.on and "detach" not in asked.on and not sys.stdin.isatty():
        world.err("the input device is not a TTY")
        return 1
    return _ask("run", failed=125, prefix="docker: ", **spec)


def _exec(asked: Flags) -> int:
    if "tty" in asked.on and "detach" not in asked.on and not sys.stdin.isatty():
        world.err("the input device is not a TTY")
        return 1
    container, *command = asked.operands
    return _ask(
        "exec",
        container=container,
        argv=command,
        env=_environment(asked),
        workdir=asked.last("workdir"),
        detach="detach" in asked.on,
        settings=_settings(),
    )


def _environment(asked: Flags) -> dict[str, str]:
    """Of ``-e NAME=value``, ``-e NAME`` (the caller's value, if it has one) and ``--env-file``."""
    lines = []
    for path in asked.all("env-file"):
        try:
            lines += Path(path).read_text(encoding="utf-8").splitlines()
        except OSError:
            raise ValueError(f"open {path}: no such file or directory") from None
    variables = {}
    for text in [line for line in lines if line and not line.startswith("#")] + asked.all("env"):
        name, equals, value = text.partition("=")
        if equals:
            variables[name] = value
        elif name in os.environ:
            variables[name] = os.environ[name]
    return variables


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    return {text.partition("=")[0]: text.partition("=")[2] for text in texts}


def _mount(text: str) -> tuple[str, str]:
    """(path in the container, folder of the machine) of ``-v``."""
    source, _, target = text.partition(":")
    target = target.partition(":")[0]
    if not target.startswith("/"):
        raise ValueError(f"invalid volume specification: '{text}'")
    if not source.startswith("/"):
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", source):
            raise ValueError(f"invalid volume specification: '{text}'")
        source = str(wire.folder() / "volumes" / source)
    return target, source


def _port(text: str) -> tuple[str, int]:
    """(the container's port, the machine's) of ``-p``."""
    parts = text.removesuffix("/tcp").split(":")
    if len(parts) < 2 or not (parts[-1].isdigit() and parts[-2].isdigit()):
        raise ValueError(f"invalid containerPort: {text}")
    return parts[-1], int(parts[-2])


def _ps(asked: Flags) -> int:
    rows = _answer("containers")
    if "all" not in asked.on:
        rows = [item for item in rows if item["state"] == "running"]
    for condition in asked.all("filter"):
        key, _, value = condition.partition("=")
        if key not in shown.FILTERS:
            world.err(f"Error response from daemon: invalid filter '{key}'")
            return 1
        rows = [item for item in rows if shown.FILTERS[key](item, value)]
    if "quiet" in asked.on:
        for item in rows:
            world.out(item["id"] if "no-trunc" in asked.on else item["id"][:12])
        return 0
    _table(asked.last("format"), [shown.container_row(item) for item in rows], shown.PS_COLUMNS)
    return 0


def _images(asked: Flags) -> int:
    images = _answer("images")
    if asked.operands:
        name, _, tag = (
            asked.operands[0].rpartition(":")
            if ":" in asked.operands[0]
            else (asked.operands[0], "", "")
        )
        images = [
            image
            for image in images
            if image["ref"].rpartition(":")[0] == name
            and tag in ("", image["ref"].rpartition(":")[2])
        ]
    if "quiet" in asked.on:
        for image in images:
            digest = image["id"]
            world.out(digest if "no-trunc" in asked.on else digest.removeprefix("sha256:")[:12])
        return 0
    _table(asked.last("format"), [shown.image_row(i) for i in images], shown.IMAGES_COLUMNS)
    return 0


def _table(
    template: str, rows: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str]]
) -> None:
    """Rows by a template, or as docker's own table."""
    if template == "json":
        template = "{{json .}}"
    if template and not template.startswith("table"):
        for row in rows:
            world.out(fill(template, row))
        return
    world.out(shown.table(rows, columns), end="")


def _inspect(asked: Flags) -> int:
    sort = asked.last("type")
    objects, missing = [], []
    for name in asked.operands:
        data = None
        if sort != "image":
            item = _answer("container", container=name)
            data = shown.container_details(item) if item else None
        if data is None and sort != "container":
            data = next(
                (shown.image_details(i) for i in _answer("images") if shown.is_image(i, name)), None
            )
        if data is None:
            missing.append(name)
        else:
            objects.append(data)
    template = asked.last("format")
    if template:
        for data in objects:
            world.out(fill(template, data))
    else:
        world.out(shown.as_json(objects))
    what = "No such image" if sort == "image" else "No such object"
    for name in missing:
        named = name if ":" in name or sort != "image" else f"{name}:latest"
        world.err(
            f"Error response from daemon: {what}: {named}"
            if sort == "image"
            else f"Error: {what}: {named}"
        )
    return 1 if missing else 0


def _signal(asked: Flags) -> int:
    name = asked.last("signal", "KILL").upper().removeprefix("SIG")
    return int(name) if name.isdigit() else int(signal.Signals[f"SIG{name}"])


def _build(asked: Flags) -> int:
    return _ask(
        "build",
        context=str(Path(asked.operands[0]).resolve()),
        file=asked.last("file", "Dockerfile"),
        tags=asked.all("tag"),
        cached=False,
    )


def _login(asked: Flags) -> int:
    """Keep the password as docker does: in config.json, without encryption."""
    if "password-stdin" not in asked.on or not asked.last("username", ""):
        world.err("Must provide --username with --password-stdin")
        return 1
    password = sys.stdin.read().rstrip("\r\n")
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    auth = b64encode(f"{asked.last('username', '')}:{password}".encode()).decode()
    server = asked.operands[0] if asked.operands else "https://index.docker.io/v1/"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {server: {"auth": auth}}}))
    world.out("Login Succeeded")
    return 0


def _version(asked: Flags) -> int:
    answer = _answer("ping")
    data = {"Client": {"Version": VERSION}, "Server": {"Version": VERSION, "Note": answer}}
    if asked.last("format"):
        world.out(fill(asked.last("format"), data))
    else:
        world.out(
            f"Client: Docker Engine - Community\n Version:           {VERSION}\n\n"
            f"Server: Docker Engine - Community\n Engine:\n  Version:          {VERSION}"
        )
    return 0


def _info(asked: Flags) -> int:
    answer = _answer("ping")
    data = {"ServerVersion": VERSION, "DockerRootDir": str(wire.folder()), "Name": answer}
    if asked.last("format"):
        world.out(fill(asked.last("format"), data))
    else:
        world.out(
            f"Client: Docker Engine - Community\n Version:    {VERSION}\n\nServer:\n "
            f"Server Version: {VERSION}\n Name: {answer}\n Docker Root Dir: {wire.folder()}"
        )
    return 0


_DO: dict[str, Callable[[Flags], int]] = {
    "run": _run,
    "exec": _exec,
    "ps": _ps,
    "rm": lambda asked: _ask("remove", containers=asked.operands, force="force" in asked.on),
    "stop": lambda asked: _ask(
        "stop", containers=asked.operands, seconds=float(asked.last("time", "10"))
    ),
    "kill": lambda asked: _ask("kill", containers=asked.operands, signal=_signal(asked)),
    "wait": lambda asked: _ask("wait", containers=asked.operands),
    "logs": lambda asked: _ask("logs", container=asked.operands[0], follow="follow" in asked.on),
    "cp": lambda asked: copy(
        asked.operands[0], asked.operands[1], _path, quiet="quiet" in asked.on
    ),
    "build": _build,
    "pull": lambda asked: _ask("pull", image=asked.operands[0]),
    "login": _login,
    "images": _images,
    "inspect": _inspect,
    "version": _version,
    "info": _info,
}


def _path(container: str, path: str) -> str | None:
    """Return the path of a container's file; None: no such container."""
    answer = _answer("path", container=container, path=path)
    return None if answer is None else str(answer)
