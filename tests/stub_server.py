"""A stub server: a test sets its answer and reads its requests."""

import http.server
import socket
import struct
import threading

import pytest


class Site:
    """A server that records requests and gives the answer ``status, headers, body`` of a test, or
    what its function makes of the path. Status None: it closes the connection, or resets it."""

    def __init__(self):
        self.says = 200, {}, b"{}"
        self.asked = []  # (method, path, headers, body)
        self.connections = []
        self.waits = threading.Event()  # of an answer, once ``is_silent``
        self.is_silent = False
        handler = type("Handler", (_Handler,), {"site": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def headers(self):
        """Of the last request."""
        return self.asked[-1][2]

    def close(self):
        self.waits.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site = None

    def setup(self):
        super().setup()
        self.site.connections.append(self.client_address)

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._do()

    def do_POST(self):
        self._do()

    def _do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.site.asked.append((self.command, self.path, self.headers, body))
        if self.site.is_silent:
            self.site.waits.wait(60)
        says = self.site.says
        status, headers, answer = says(self.path) if callable(says) else says
        if status is None:
            self.close_connection = True
            if headers.get("reset"):
                at_once = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
                self.connection.close()
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def site():
    server = Site()
    yield server
    server.close()
