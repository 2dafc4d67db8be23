"""The client alone, with a dashboard of a few scripted answers."""

import hashlib
import json
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vacc_client import ClientError, DamagedFile, Dashboard, Refused, Unreachable, cli, profiles
from vacc_client.dashboard import events_of, safe_path

LOG = "first line\nzweite Zeile: ü\nlast"
CONTENT = b"0123456789" * 60_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OUTPUT = {"id": 6, "address": "/file", "name": "r.json", "path": "a/r.json", "sha256": SHA256}


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("VACC_URL", "VACC_TOKEN", "VACC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(profiles, "_keyring", lambda: None)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


class Scripted(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        self.server.answer(self)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def send(self, status, content, *, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def send_stream(self, *pieces, is_whole=True):
        """Send chunks; the last one is missing where the connection breaks."""
        self.protocol_version = "HTTP/1.1"
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in (*pieces, *([b""] if is_whole else ())):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def send_json(self, answer, status=200):
        self.send(status, json.dumps(answer).encode(), Content_Type="application/json")

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as found:
        found.seen = []
        found.url = f"http://127.0.0.1:{found.server_port}"
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def dashboard(server):
    return Dashboard(server.url, "secret")


def code_of(*arguments):
    with pytest.raises(SystemExit) as ended:
        _run(*arguments)
    return ended.value.code


def _run(*arguments):
    import sys  # noqa: PLC0415 -- the arguments of a command

    before, sys.argv = sys.argv, ["vacc", *arguments]
    try:
        cli.main()
    finally:
        sys.argv = before


def log_event(start, end):
    text = LOG.encode()[start:end].decode()
    data = json.dumps({"from": start, "to": end, "text": text})
    return f"id: {end}\nevent: log\ndata: {data}\n\n".encode()


def test_a_broken_connection_continues_at_its_byte(server, dashboard):
    size = len(LOG.encode())

    def answer(handler):
        if len(server.seen) == 1:
            # The second event is cut in its middle.
            pieces = log_event(0, 11), log_event(11, 20)[:-9]
            return handler.send_stream(*pieces, is_whole=False)
        return handler.send_stream(log_event(11, size), b"event: end\ndata: {}\n\n")

    server.answer = answer

    events = list(dashboard.follow(17))

    assert "".join(one.data["text"] for one in events if one.name == "log") == LOG
    assert [path.rpartition("=")[2] for path, _headers in server.seen] == ["0", "11"]
    assert events[-1].name == "end"


def test_a_repeated_part_of_the_log_is_not_printed(server, dashboard):
    size = len(LOG.encode())

    def answer(handler):
        if len(server.seen) == 1:
            return handler.send_stream(log_event(0, 11), log_event(5, 20))
        return handler.send_stream(log_event(11, size), b"event: end\ndata: {}\n\n")

    server.answer = answer

    texts = [one.data["text"] for one in dashboard.follow(17) if one.name == "log"]

    assert "".join(texts) == LOG


def test_a_cut_event_is_left_out():
    lines = [b"event: job", b'data: {"state": "running"}', b"", b"event: log", b"data: {"]

    assert [one.name for one in events_of(lines)] == ["job"]


def test_a_launch_is_sent_again_with_its_key(server, dashboard):
    def answer(handler):
        if len(server.seen) == 1:
            return handler.send(502, b"")
        return handler.send_json({"id": 17, "state": "queued"}, 201)

    server.answer = answer

    assert dashboard.launch("prepare", "this-computer", {})["id"] == 17
    keys = {headers["Idempotency-Key"] for _path, headers in server.seen}
    assert (len(server.seen), len(keys)) == (2, 1)


def serve_output(server, content=CONTENT, first=1_000_000):
    def answer(handler):
        if "outputs" not in handler.path and handler.path != "/file":
            one = {**OUTPUT, "bytes": len(CONTENT)}
            return handler.send_json({"outputs": [one]})
        given = handler.headers.get("Range")
        start = int(given[6:-1]) if given else 0
        part = content[start : start + (first if not start else len(content))]
        return handler.send(206 if given else 200, part, length=len(content) - start)

    server.answer = answer


def test_a_cut_download_continues_at_its_byte(server, dashboard, tmp_path):
    serve_output(server, first=300_000)

    (path,) = dashboard.download(17, tmp_path)

    assert path.read_bytes() == CONTENT
    assert [h.get("Range") for p, h in server.seen if p == "/file"] == [None, "bytes=262144-"]


def test_a_changed_download_is_refused_and_removed(server, dashboard, tmp_path):
    serve_output(server, content=b"x" * len(CONTENT))

    with pytest.raises(DamagedFile, match="SHA-256 differs"):
        dashboard.download(17, tmp_path)

    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", "a\\x"])
def test_an_output_never_leaves_its_folder(path):
    with pytest.raises(ClientError, match="Unsafe path"):
        safe_path(path)


def test_a_token_file_is_for_its_user_only():
    profiles.save("ci", profiles.Access("http://one", "secret"))

    assert stat.S_IMODE(profiles.config_file().stat().st_mode) == 0o600
    assert profiles.access("ci") == ("http://one", "secret")


def test_profiles_stand_beside_each_other(monkeypatch):
    profiles.save("one", profiles.Access("http://one/", "first"))
    profiles.save("two", profiles.Access("http://two", "second"))
    monkeypatch.setenv("VACC_PROFILE", "two")

    assert profiles.access() == ("http://two", "second")
    assert profiles.access("one") == ("http://one", "first")


def test_a_stored_token_never_goes_to_another_address(monkeypatch):
    profiles.save("default", profiles.Access("http://one", "secret"))
    monkeypatch.setenv("VACC_URL", "http://other")

    with pytest.raises(ClientError, match="no token"):
        profiles.access()
    monkeypatch.setenv("VACC_TOKEN", "given")
    assert profiles.access() == ("http://other", "given")


class Ring:
    """A keyring, as the package ``keyring`` has it."""

    def __init__(self):
        self.kept = {}

    def set_password(self, service, name, token):
        self.kept[service, name] = token

    def get_password(self, service, name):
        return self.kept.get((service, name))


class Locked(Ring):
    """One that a person did not unlock."""

    def set_password(self, service, name, token):
        raise RuntimeError("locked")


class SwitchedOff(Ring):
    """The package's own ``null.Keyring``."""

    def set_password(self, service, name, token):
        pass


def test_a_keyring_keeps_the_token_out_of_the_file(monkeypatch):
    ring = Ring()
    monkeypatch.setattr(profiles, "_keyring", lambda: ring)

    assert profiles.save("default", profiles.Access("http://one", "secret")) == "keyring"
    assert "secret" not in profiles.config_file().read_text()
    assert profiles.access().token == "secret"


@pytest.mark.parametrize("kind", [Locked, SwitchedOff])
def test_without_a_working_keyring_the_token_is_in_the_file(kind, monkeypatch):
    ring = kind()
    monkeypatch.setattr(profiles, "_keyring", lambda: ring)

    where = profiles.save("default", profiles.Access("http://one", "secret"))

    assert where == str(profiles.config_file())
    assert profiles.access().token == "secret"


@pytest.mark.parametrize("has_keyring", [True, False])
def test_login_says_where_the_token_is(server, monkeypatch, capsys, has_keyring):
    ring = Ring() if has_keyring else None
    monkeypatch.setattr(profiles, "_keyring", lambda: ring)
    server.answer = lambda handler: handler.send_json({"name": "ada", "scope": "read"})

    code_of("login", server.url, "--token", "secret", "--json")

    where = "keyring" if has_keyring else str(profiles.config_file())
    assert json.loads(capsys.readouterr().out)["token"] == where


@pytest.mark.parametrize(
    ("arguments", "answer", "code"),
    [
        (["gate", "res-2", "--baseline", "res-1", "--max-loss", "3"], {"verdict": "met"}, 0),
        (["gate", "res-2", "--baseline", "res-1", "--max-loss", "3"], {"verdict": "not_met"}, 3),
        (["gate", "res-2", "--baseline", "1", "--max-loss", "3"], {"verdict": "cannot_tell"}, 4),
        (["gate", "res-2", "--baseline", "1", "--max-loss", "3"], {"verdict": "not_comparable"}, 4),
        (["parity", "res-2", "--base", "res-1", "--gate"], {"exit_code": 0}, 0),
        (["parity", "res-2", "--base", "res-1", "--gate"], {"exit_code": 2}, 3),
        (["parity", "res-2", "--base", "res-1", "--gate"], {"exit_code": 3}, 4),
        (["parity", "res-2", "--base", "res-1", "--gate"], {"exit_code": 4}, 4),
        (["parity", "res-2", "--base", "res-1"], {"exit_code": 2}, 0),
        (["gate", "res-2"], {}, 2),
    ],
)
def test_a_gate_exits_by_its_verdict(server, monkeypatch, arguments, answer, code):
    monkeypatch.setenv("VACC_URL", server.url)
    monkeypatch.setenv("VACC_TOKEN", "secret")
    known = {"text": "…", "sets": [], "groups": [], "pooled": None, "warnings": []}
    server.answer = lambda handler: handler.send_json(known | answer)

    assert code_of(*arguments) == code


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("lost", 1)])
def test_a_follower_exits_by_the_state_of_the_job(server, monkeypatch, state, code):
    monkeypatch.setenv("VACC_URL", server.url)
    monkeypatch.setenv("VACC_TOKEN", "secret")

    def answer(handler):
        if "events" in handler.path:
            return handler.send_stream(b"event: end\ndata: {}\n\n")
        return handler.send_json({"id": 17, "state": state})

    server.answer = answer

    assert code_of("follow", "17") == code


def test_a_refusal_names_its_field(server, dashboard):
    told = {"error": "invalid", "message": "Wrong.", "fields": {"host": "Unknown host."}}
    server.answer = lambda handler: handler.send_json(told, 400)

    with pytest.raises(Refused, match=r"(?s)Wrong.*host: Unknown host"):
        dashboard.hosts()


def test_a_refusal_and_an_absent_dashboard_have_codes_of_their_own(server, monkeypatch):
    monkeypatch.setenv("VACC_URL", server.url)
    monkeypatch.setenv("VACC_TOKEN", "secret")
    server.answer = lambda handler: handler.send_json({"error": "token"}, 401)

    assert code_of("hosts") == 5
    monkeypatch.setenv("VACC_URL", "http://127.0.0.1:9")
    assert code_of("hosts") == 6
    monkeypatch.delenv("VACC_URL")
    assert code_of("hosts") == 2


def test_an_answer_of_another_server_is_no_dashboard(server, dashboard):
    server.answer = lambda handler: handler.send(200, b"<html>")

    with pytest.raises(Unreachable, match="is it a dashboard"):
        dashboard.hosts()
