"""The dashboard's API as a class. Answers are those of the API, see its reference at /api/v1/."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypedDict, cast
from urllib.parse import quote, urlsplit

import requests

from vacc_client.errors import ClientError, DamagedFile, Refused, Unreachable

CLOSED = ("succeeded", "failed", "errored", "cancelled", "lost")
Answer = dict[str, Any]
_WAIT_S = 60  # of one request
_TRIES = 5
_PIECE_BYTES = 256 * 1024
_TIMEOUT_S = 30.0


class Output(TypedDict):
    """An output file of a job."""

    id: int
    address: str
    name: str
    path: str
    bytes: int
    sha256: str


class Job(TypedDict):
    """A job; the API reference has its other fields."""

    id: int
    kind: str
    title: str
    host: str
    state: str
    message: str
    log_bytes: int
    progress: dict[str, Any] | None
    outputs: list[Output]
    results: list[str]


class Gate(TypedDict):
    """Verdict of a gate. A benchmark's loss is a share, an evaluation's is in points."""

    verdict: str  # met, not_met, cannot_tell or not_comparable
    text: str
    metric: str
    unit: str
    loss: float | None
    low: float | None
    high: float | None
    max_loss: float


class Event(NamedTuple):
    """``name``: job, log, points or end. ``data`` of a log: ``from``, ``to`` (bytes), ``text``."""

    name: str
    data: Answer


class Dashboard:
    """A dashboard, and the rights of a token. Each method raises ``ClientError``."""

    def __init__(self, url: str, token: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ClientError(f"No address of a dashboard: {url!r}. Example: http://host:8000")
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = True
        self._session.auth = lambda request: _with_token(request, token)

    # Requests

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call an operation below ``/api/v1/``. A lost answer to a GET, or to a request with an
        Idempotency-Key, is asked for again."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body).encode()
        again = method == "GET" or "Idempotency-Key" in (headers or {})
        with self._open(
            *(method, f"/api/v1/{path}"),
            query=query,
            data=data,
            headers={**sent, **(headers or {})},
            tries=_TRIES if again else 1,
        ) as answer:
            return _json(answer)

    def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        tries: int = _TRIES,
    ) -> requests.Response:
        """Return an answer that is no error."""
        wait = float((query or {}).get("wait", 0))
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        for attempt in range(tries):
            try:
                answer = self._session.request(
                    *(method, self.url + path),
                    params=given,
                    data=data,
                    headers=dict(headers or {}),
                    stream=stream,
                    timeout=(self._timeout_s, self._timeout_s + wait),
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                if attempt + 1 == tries:
                    raise Unreachable(f"{self.url} is not reachable: {error}") from error
            else:
                if answer.status_code not in (502, 503, 504) or attempt + 1 == tries:
                    return _checked(answer)
                answer.close()
            time.sleep(min(2.0**attempt / 4, 4))
        raise AssertionError(tries)

    # Reads

    def me(self) -> Answer:
        return self.call("GET", "me")

    def hosts(self) -> Answer:
        return self.call("GET", "hosts")

    def models(self) -> Answer:
        return self.call("GET", "models")

    def kinds(self, kind: str = "", host: str = "") -> Answer:
        """Job types; of one ``kind`` its fields, with choices and defaults of ``host``."""
        path = f"job-types/{quote(kind, safe='')}" if kind else "job-types"
        return self.call("GET", path, query={"host": host} if kind else None)

    def results(self, **filters: Any) -> Answer:
        """Results, latest first, by the filters of ``GET results``."""
        return self.call("GET", "results", query=filters)

    def result(self, result: str) -> Answer:
        return self.call("GET", f"results/{quote(result, safe='')}")

    # Jobs

    def plan(self, kind: str, host: str, params: Mapping[str, Any]) -> Answer:
        """Plan and script of a launch, which runs nothing."""
        body = {"kind": kind, "host": host, "params": params}
        return self.call("POST", "jobs/preview", body=body)

    def launch(
        self,
        kind: str,
        host: str,
        params: Mapping[str, Any],
        *,
        key: str = "",
        confirm: Iterable[str] | None = None,
    ) -> Job:
        """Launch a job. ``key``: one key launches one job, also where an answer was lost."""
        body: Answer = {"kind": kind, "host": host, "params": params}
        if confirm is not None:
            body["confirm"] = list(confirm)
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return cast(Job, self.call("POST", "jobs", body=body, headers=headers))

    def job(self, job: int, *, wait_s: int = 0) -> Job:
        """Read a job, at its end or after ``wait_s``."""
        return cast(Job, self.call("GET", f"jobs/{job}", query={"wait": wait_s} if wait_s else {}))

    def wait(self, job: int, *, seen: Callable[[Job], None] = lambda job: None) -> Job:
        """Wait for the end of a job. ``seen`` gets each state on the way."""
        state = "queued"
        while state not in CLOSED:
            for event in self.follow(job, log_from=None):
                if event.name == "job":
                    state = event.data["state"]
                    seen(cast(Job, event.data))
        return self.job(job)

    def follow(self, job: int, *, log_from: int | None = 0) -> Iterator[Event]:
        """Yield events until the job has ended. After a broken connection the log continues at its
        byte. ``log_from=None``: without the log."""
        at, failed, broken = log_from, 0, None
        while True:
            try:
                for event in self._events(job, at):
                    if event.name == "log":
                        if event.data["from"] != at:
                            raise requests.ConnectionError("the log has a gap")
                        at = event.data["to"]
                    elif event.name == "error":
                        raise Refused(200, event.data["error"], "The stream ended.", fields={})
                    failed = 0
                    yield event
                    if event.name == "end":
                        return
            except requests.RequestException as error:
                broken = error
            failed += 1
            if failed == _TRIES:
                text = f"Connection to {self.url} breaks while following job {job}."
                raise Unreachable(text) from broken
            time.sleep(min(2.0**failed / 4, 4))

    def _events(self, job: int, at: int | None) -> Iterator[Event]:
        with self._open(
            *("GET", f"/api/v1/jobs/{job}/events"),
            query={"log_from": at},
            headers={"Accept-Encoding": "identity"},
            stream=True,
        ) as answer:
            yield from events_of(answer.iter_lines(_PIECE_BYTES))

    def log(self, job: int, *, start: int = 0, plain: bool = False) -> Iterator[bytes]:
        """Yield the log from a byte on; ``plain``: without escape sequences."""
        query = {"from": start, **({"plain": 1} if plain else {})}
        with self._open("GET", f"/api/v1/jobs/{job}/log", query=query, stream=True) as answer:
            yield from _pieces(answer)

    # Verdicts

    def compare(self, results: Iterable[str]) -> Answer:
        """Compare results; the first is the baseline. ``res-11,res-12`` are repeats."""
        return self.call("GET", "comparison", query={"group": list(results)})

    def parity(self, base: str, result: str, *, margin: float = 1, **asked: Any) -> Answer:
        """Parity of two evaluations; ``margin`` in points. ``asked``: goal, planned."""
        query = {"base": base, "id": result, "margin": margin, **asked}
        return self.call("GET", "parity", query=query)

    def candidates(self, base: str, results: Iterable[str], **asked: Any) -> Answer:
        """Parity of several evaluations with one baseline. ``asked``: margin, goal."""
        query = {"base": base, "id": ";".join(results), **asked}
        return self.call("GET", "parity/candidates", query=query)

    def parity_of_counts(self, base_counts: str, counts: str, **asked: Any) -> Answer:
        """Parity of correct answers of each data set, ``154/159,933/976``. ``asked``: sets,
        base_title, title, margin, goal, planned."""
        body = {"base_counts": base_counts, "counts": counts, **asked}
        return self.call("POST", "parity", body=body)

    def gate(
        self,
        result: str,
        baseline: str,
        *,
        max_loss: float,
        metric: str = "",
        concurrency: int | None = None,
    ) -> Gate:
        """Gate a result: ``max_loss`` per cent of a benchmark's speed, or points of accuracy."""
        query = {"base": baseline, "id": result, "max_loss": max_loss, "metric": metric}
        return cast(Gate, self.call("GET", "gate", query={**query, "concurrency": concurrency}))

    # Files

    def download(
        self, job: int, folder: Path, *, seen: Callable[[Output, int], None] = lambda one, n: None
    ) -> list[Path]:
        """Download all outputs of a job, and check them. A part of an earlier download continues.
        ``seen`` gets the new bytes."""
        return [self._output(one, folder, seen) for one in self.job(job)["outputs"]]

    def _output(self, one: Output, folder: Path, seen: Callable[[Output, int], None]) -> Path:
        target = folder / safe_path(one["path"])
        if target.is_file() and _sha256(target) == one["sha256"]:
            seen(one, one["bytes"])
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        for _attempt in range(_TRIES):
            have = part.stat().st_size if part.exists() else 0
            if have < one["bytes"]:
                self._fetch(one, part, have=have, seen=seen)
            if part.stat().st_size >= one["bytes"]:
                break
        if _sha256(part) != one["sha256"]:
            part.unlink()
            raise DamagedFile(f"{one['path']}: SHA-256 differs. The part was removed; try again.")
        part.replace(target)
        return target

    def _fetch(
        self, one: Output, part: Path, *, have: int, seen: Callable[[Output, int], None]
    ) -> None:
        headers = {"Accept-Encoding": "identity", "If-Range": f'"{one["sha256"]}"'}
        if have:
            headers["Range"] = f"bytes={have}-"
        with (
            self._open("GET", one["address"], headers=headers, stream=True) as answer,
            part.open("ab" if answer.status_code == 206 else "wb") as file,
        ):
            try:
                for piece in _pieces(answer):
                    file.write(piece)
                    seen(one, len(piece))
            except Unreachable:
                return  # the next attempt continues after these bytes

    def report(self, kind: str, **query: Any) -> bytes:
        """Return a report: ``kind`` is result, comparison, matrix, matrices or parity."""
        with self._open("GET", f"/api/v1/reports/{quote(kind, safe='')}", query=query) as answer:
            return answer.content

    def import_results(self, path: Path, **about: Any) -> Answer:
        """Import results from one file, a .zip or a .tar.gz."""
        headers = {"Content-Type": "application/octet-stream"}
        query = {"name": path.name, **about}
        with self._open(
            *("POST", "/api/v1/imports"),
            query=query,
            data=path.read_bytes(),
            headers=headers,
            tries=1,
        ) as answer:
            return _json(answer)

    # Chat

    def chat(
        self, engine: str, prompt: str, *, conversation: int | None = None, **params: Any
    ) -> Answer:
        """Ask a deployment's number or ``endpoint:2``, and return the finished turn."""
        body = {"engine": engine, "prompt": prompt, **{"max_tokens": 2048, **params}}
        path = "conversations" + (f"/{conversation}/turns" if conversation else "")
        turn = self.call("POST", path, body=body)
        where = f"conversations/{turn['conversation']}/turns/{turn['id']}"
        while turn["state"] in ("waiting", "streaming"):
            turn = self.call("GET", where, query={"wait": _WAIT_S})
        return turn


def _with_token(request: requests.PreparedRequest, token: str) -> requests.PreparedRequest:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _checked(answer: requests.Response) -> requests.Response:
    """Return an answer of a dashboard that is no error."""
    if answer.ok and not answer.is_redirect:
        return answer
    with answer:
        try:
            told = answer.json()
            code, text = str(told["error"]), str(told.get("message") or told["error"])
        except (ValueError, KeyError, TypeError, AttributeError):
            if answer.status_code >= 500 or answer.is_redirect:
                text = f"{answer.url} answered {answer.status_code}, not as a dashboard does."
                raise Unreachable(text) from None
            code, text, told = "unknown", answer.reason or "Refused", {}
    fields = told.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    shown = {str(name): str(value) for name, value in fields.items()}
    raise Refused(answer.status_code, code, text, fields=shown)


def _json(answer: requests.Response) -> Answer:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"{answer.url} answered without JSON: is it a dashboard?")
    return found


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(_PIECE_BYTES)
    except requests.RequestException as error:
        raise Unreachable(f"Connection broken: {error}") from error


def events_of(lines: Iterable[bytes]) -> Iterator[Event]:
    """Yield server-sent events; one that was cut off is left out."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _colon, value = line.decode().partition(": ")
        if name:
            fields[name] = value
        else:
            if "event" in fields:
                yield Event(fields["event"], json.loads(fields.get("data", "{}")))
            fields = {}


def safe_path(path: str) -> PurePosixPath:
    """Return a path below a folder. The dashboard names it, so it is checked."""
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or "\\" in path or not found.name:
        raise ClientError(f"Unsafe path of an output: {path!r}")
    return found


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()
