"""A small real intake over HTTP, as docs/architecture.md describes it, with faults on demand."""

import contextlib
import http.server
import json
import re
import threading
import uuid
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import zstandard

KEY = "host-key"


@dataclass
class Record:
    """A job or a deployment as the dashboard has it."""

    plan: dict
    values: dict
    deployment: dict | None = None
    run: int = 1
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    claim_id: str = ""
    claims: int = 0
    streams: dict = field(default_factory=lambda: {n: bytearray() for n in _STREAMS})
    outputs: dict = field(default_factory=dict)
    cancel: bool = False
    wanted: bool = True

    @property
    def events(self):
        return [json.loads(line) for line in self.streams["events"].splitlines()]

    @property
    def ended(self):
        return next((e for e in reversed(self.events) if e["type"] == "ended"), None)

    @property
    def log(self):
        return bytes(self.streams["log"])


_STREAMS = ("log", "events", "points")


class Intake:
    """The state, and the server that shows it. ``fault(method, path)`` may name a fault:

    "drop": the connection is closed before anything is taken; "forget": it is closed after; "500".
    """

    def __init__(self, port=0):
        self.instance = str(uuid.uuid4())
        self.jobs, self.deployments = {}, {}
        self.start, self.serve, self.resend = set(), set(), set()
        self.checks, self.findings = {}, {}
        self.heartbeats = []
        self.fault = lambda method, path: None
        self.lock = threading.RLock()
        self.refused = 0
        self.refuses = set()  # streams that break the protocol
        self.hashed = 0
        self.log_chunk = None  # most bytes of a log in one request; None: not announced
        self.proxy_takes = None  # bytes of a body that a proxy before it lets through
        self.proxy_says = b"<html>413 Request Entity Too Large</html>"
        self.check_rounds = 0  # how often it is asked before a log is checked
        self.chunks = []  # (stream, bytes) of events and points as they came
        self.log_chunks = []  # sizes of those of logs
        self.port = port
        self.server = None
        self.open()

    def open(self):
        handler = type("Handler", (_Handler,), {"intake": self})
        self.server = _Server(("127.0.0.1", self.port), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        """Crash: nothing listens any more, open connections end."""
        if self.server is not None:
            self.server.shutdown()
            self.server.close_all()
            self.server.server_close()
            self.server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def heartbeat(self, body):
        self.heartbeats.append(body)
        return 200, {
            "start": [n for n in self.start if not self.jobs[n].claim_id],
            "cancel": [n for n, job in self.jobs.items() if job.cancel],
            "serve": sorted(self.serve),
            "checks": [n for n in self.checks if n not in self.findings],
            "stop_serve": [n for n, d in self.deployments.items() if not d.wanted],
            "resend": sorted(self.resend),
            "facts_wanted": False,
            "server_time": 0.0,
        }

    def claim_job(self, number, body):
        job = self.jobs.get(number)
        if job is None:
            return 404, {"error": "unknown"}
        if job.claim_id not in ("", body["claim_id"]):
            return 409, {"error": "state", "state": "running"}
        job.claim_id = body["claim_id"]
        job.claims += 1
        named = {"job": number, "token": job.token, "plan": job.plan, "values": job.values}
        return 200, {**named, "deployment": job.deployment}

    def claim_deployment(self, number, body):
        deployment = self.deployments[number]
        if body["run"] != deployment.run:
            return 409, {"error": "state", "run": deployment.run}
        self.serve.discard(number)
        named = {"deployment": number, "token": deployment.token, "run": deployment.run}
        return 200, {**named, "plan": deployment.plan, "values": deployment.values}

    def append(self, record, name, offset, raw):
        have = record.streams[name]
        if name in self.refuses:
            return 400, {"error": "intake:message", "field": f"{name}[0]", "detail": "bad"}
        if offset != len(have):
            self.refused += 1
            return 409, {"size": len(have)}
        if name == "log":
            self.log_chunks.append(len(raw))
        else:
            self.chunks.append((name, raw))
        if name == "events":
            for line in raw.splitlines():
                event = json.loads(line)
                if event["type"] == "ended" and not self._is_whole(record, event):
                    return 409, {"error": "incomplete", "log": len(record.streams["log"])}
                if event["type"] == "ended" and self.hashed < self.check_rounds:
                    self.hashed += 1
                    sizes = {"size": len(have), "hashed": self.hashed}
                    return 409, {"error": "incomplete", **sizes}
        have += raw
        return 200, {"size": len(have)}

    def _is_whole(self, record, ended):
        log = record.streams["log"]
        return (
            len(log) == ended["log_bytes"]
            # A server's log has no checksum.
            and ended["log_sha256"] in ("", sha256(log).hexdigest())
            and ("points" in self.refuses or len(record.streams["points"]) >= ended["points_bytes"])
            and all(
                sha256(record.outputs.get(o["path"], b"-")).hexdigest() == o["sha256"]
                for o in ended["outputs"]
            )
        )

    def append_output(self, record, path, offset, raw):
        have = record.outputs.setdefault(path, bytearray())
        if offset != len(have):
            return 409, {"size": len(have)}
        have += raw
        return 200, {"size": len(have)}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *args):
        self.connections = set()
        super().__init__(*args)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def close_all(self):
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def handle_error(self, request, client_address):
        pass  # a connection that we closed on purpose


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    intake = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._do("GET")

    def do_POST(self):
        self._do("POST")

    def _do(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.intake.fault(method, self.path)
        if fault == "drop":
            self.close_connection = True
            return
        most = self.intake.proxy_takes
        if most is not None and len(body) > most:
            self._send(413, self.intake.proxy_says)
            return
        with self.intake.lock:
            status, answer = (500, {}) if fault == "500" else self._answer(method, body)
        if fault == "forget":
            self.close_connection = True
            return
        reply = {**answer, "instance": self.intake.instance, "protocol": 2}
        self._send(status, json.dumps(reply).encode())

    def _send(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, method, body):
        intake, parts = self.intake, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.headers["Authorization"] != f"Bearer {KEY}":
            return 401, {"error": "key"}
        if self.headers.get("X-Instance") not in (None, intake.instance):
            return 412, {"error": "instance"}
        path = parts.path.removeprefix("/api/v1/host/")
        if path == "heartbeat":
            return intake.heartbeat(json.loads(body))
        if path.startswith("checks/"):
            number = int(path.removeprefix("checks/"))
            if method == "GET":
                return 200, intake.checks[number]
            intake.findings[number] = json.loads(body)["findings"]
            return 200, {}
        kind, number, rest = re.fullmatch(r"(jobs|deployments)/(\d+)/(.*)", path).groups()
        record = (intake.jobs if kind == "jobs" else intake.deployments).get(int(number))
        if rest == "claim":
            claim = intake.claim_job if kind == "jobs" else intake.claim_deployment
            return claim(int(number), json.loads(body))
        if record is None:
            return 404, {"error": "unknown"}
        if method == "GET":
            sizes = {name: len(data) for name, data in record.streams.items()}
            if intake.log_chunk:
                sizes["log_chunk"] = intake.log_chunk
            return 200, {**sizes, "outputs": {p: len(d) for p, d in record.outputs.items()}}
        if self.headers["X-Token"] != record.token:
            return 403, {"error": "token"}
        raw = zstandard.decompress(body, max_output_size=1 << 20) if body else b""
        if str(zlib.crc32(raw)) != self.headers["X-Crc32"]:
            return 422, {"error": "crc32"}
        offset = int(query["offset"])
        if rest == "outputs":
            return intake.append_output(record, query["path"], offset, raw)
        return intake.append(record, rest.removeprefix("streams/"), offset, raw)
