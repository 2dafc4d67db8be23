"""Connections that ask for much and never read it."""

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def deaf_sockets(port: int, path: str, cookie: str, *, count: int) -> Iterator[None]:
    key = base64.b64encode(os.urandom(16)).decode()
    fields = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Origin": f"http://127.0.0.1:{port}",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        "Cookie": cookie,
    }
    with _open(port, f"GET {path}", fields, count=count, status=b"101"):
        yield


@contextmanager
def deaf_streams(port: int, path: str, cookie: str, *, count: int) -> Iterator[None]:
    token = "t" * 32
    fields = {
        "Cookie": f"{cookie}; csrftoken={token}",
        "X-CSRFToken": token,
        "Content-Length": "0",
    }
    with _open(port, f"POST {path}", fields, count=count, status=b"200"):
        yield


@contextmanager
def deaf_downloads(port: int, path: str, cookie: str, *, count: int) -> Iterator[list[bytes]]:
    statuses = (b"200", b"429")
    with _open(port, f"GET {path}", {"Cookie": cookie}, count=count, status=statuses) as answers:
        yield answers


@contextmanager
def _open(
    port: int, line: str, fields: dict[str, str], *, count: int, status: bytes | tuple[bytes, ...]
) -> Iterator[list[bytes]]:
    head = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    head += [f"{name}: {value}" for name, value in fields.items()]
    answers = []
    with ExitStack() as opened:
        for _ in range(count):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            client.sendall("\r\n".join([*head, "", ""]).encode())
            answer = client.recv(12)
            if not answer.endswith(status):
                raise RuntimeError(f"{line}: {answer!r}")
            answers.append(answer[-3:])
        yield answers
