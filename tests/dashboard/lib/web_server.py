"""The dashboard's web process as the supervisor starts it, for tests that attack it."""

import contextlib
import http.client
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

from tests.dashboard.lib.socket_server import Server, filled
from tests.stack import ROOT, clean_environment
from tests.waiting import PATIENCE_S

NAME, PASSWORD = "lin.yue", "quite-long-7"
_SERVE = """
import importlib, json, sys
import dashboard.asgi
from dashboard.server import web
from tests.records import hash_passwords_fast
hash_passwords_fast()
for name, value in json.loads(sys.argv[2]).items():
    module, _, constant = name.rpartition(".")
    setattr(importlib.import_module(f"dashboard.{module}"), constant, value)
web.main(int(sys.argv[1]))
"""
_PERSON = f"from tests.factories import make_user; make_user({NAME!r}, password={PASSWORD!r})"


@contextlib.contextmanager
def running_web(
    data_dir: Path,
    limits: str = "{}",
    *,
    environ: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> Iterator[Server]:
    """Start it with a person who may log in. ``limits``: JSON of constants of modules. ``output``:
    where it prints."""
    with _listener() as listener:
        port = listener.getsockname()[1]
        environment = _environment(data_dir, port) | {**(environ or {})}
        serving = _served(listener, environment, limits=limits, output=output)
        with filled(environment) as facts, serving as process:
            server = Server(process, port, data_dir, **facts)
            server.shell(_PERSON)
            yield server


@contextlib.contextmanager
def web_beside(
    server: Server,
    environ: Mapping[str, str] | None = None,
    *,
    limits: str = "{}",
    output: IO[bytes] | None = None,
) -> Iterator[int]:
    """Start another web process of the same dashboard; return its port."""
    with _listener() as listener:
        environment = _environment(server.data_dir, server.port) | {**(environ or {})}
        with _served(listener, environment, limits=limits, output=output):
            yield listener.getsockname()[1]


def _listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def _environment(data_dir: Path, port: int) -> dict[str, str]:
    return clean_environment() | {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "SECRET_KEY": "of its two processes, long enough for the checks of Django",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }


@contextlib.contextmanager
def _served(
    listener: socket.socket,
    environment: Mapping[str, str],
    *,
    limits: str,
    output: IO[bytes] | None,
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _SERVE, str(listener.fileno()), limits]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        pass_fds=(listener.fileno(),),
        stdout=output,
        stderr=output,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@dataclass
class Answer:
    """Status, headers in lower case, and text."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass
class Browser:
    """Keeps cookies. ``source``: the address of this computer that it asks from."""

    port: int
    source: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)
    tls: Any = None
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET, or POST of a form; redirects are not followed."""
        options: dict[str, Any] = {"timeout": 60, "source_address": (self.source, 0)}
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, **options)
            if self.tls
            else http.client.HTTPConnection("127.0.0.1", self.port, **options)
        )
        with contextlib.closing(connection):
            sent = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
            sent |= {**self.headers, **(headers or {})}
            body = None
            if form is not None:
                body = urlencode(form)
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("GET" if form is None else "POST", path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            for value in answer.headers.get_all("Set-Cookie") or ():
                for morsel in SimpleCookie(value).values():
                    self.cookies[morsel.key] = morsel.value
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)

    def know(self, server: Server) -> None:
        """Take the cookie of the server's own person."""
        name, _, value = server.cookie.partition("=")
        self.cookies[name] = value

    def log_in(
        self,
        password: str,
        *,
        name: str = NAME,
        path: str = "/login/",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        page = self.ask(path, headers=headers).text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found, page
        form = {"csrfmiddlewaretoken": found[1], "username": name, "password": password}
        return self.ask(path, form, headers)
