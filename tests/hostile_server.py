"""A server that sends what no engine should, over raw sockets, and records who asked."""

import gzip
import socket
import struct
import threading
from contextlib import contextmanager, suppress

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
DRIP_S = 0.02


def redirect(status, to):
    def answer(send, stopped):
        send(f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


def endless_body(send, stopped):
    send(HEAD + b"\r\n")
    while not stopped.is_set():
        send(64 * 1024 * b"x")


def endless_header(send, stopped):
    send(HEAD + b"X-Long: ")
    while not stopped.is_set():
        send(64 * 1024 * b"x")


def endless_headers(send, stopped):
    send(HEAD)
    while not stopped.is_set():
        send(100 * b"X-Again: 1\r\n")


def slow_header(send, stopped):
    send(HEAD + b"X-Slow: ")
    while not stopped.wait(DRIP_S):
        send(b"x")


def slow_body(send, stopped):
    send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    while not stopped.wait(DRIP_S):
        send(b"x")


def endless_continue(send, stopped):
    while not stopped.is_set():
        send(100 * b"HTTP/1.1 100 Continue\r\n\r\n")


def silent(send, stopped):
    send(HEAD + b"Content-Length: 9\r\n\r\n")
    stopped.wait(60)


def compressed(send, stopped):
    body = gzip.compress(8 * 1024 * 1024 * b"x")
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    send(HEAD + head.encode() + body)


class Reset(Exception):
    """An answer raises it to reset its connection."""


def no_http(send, stopped):
    send(b"SSH-2.0-OpenSSH_9.2\r\n")


class Hostile:
    """One server; ``requests`` has the beginning of each request."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, suppress(OSError):
            connection.settimeout(30)
            self.requests.append(connection.recv(65536))
            try:
                self.answer(connection.sendall, self._stopped)
            except Reset:
                at_once = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                return
            connection.shutdown(socket.SHUT_WR)  # a close resets while a request is unread
            while connection.recv(65536):
                pass

    def stop(self):
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def hostile(answer):
    server = Hostile(answer)
    try:
        yield server
    finally:
        server.stop()
