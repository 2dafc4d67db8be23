"""Sends what a spool holds to the dashboard, from the offsets that the dashboard has. Stateless."""

import contextlib
import enum
import logging
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs.base.files import size_and_sha256
from jobs.host.base import disk
from jobs.host.base import spool as spools
from jobs.host.base.client import Chunk, Client, JsonReply, Unreachable
from jobs.host.base.disk import FolderChanges
from jobs.host.base.spool import DEPLOYMENT, Spool
from jobs.host.run.redact import LINE, forms, reach, redact, unfinished

CHUNK = 256 * 1024  # raw bytes of an append, unless the dashboard permits more
BLOCK = 64 * 1024  # disk space is given back in multiples of it
SMALLEST = 64 * 1024  # of a chunk, where a proxy in between takes no larger ones
LONGEST_LINE = 1024 * 1024  # of events and points; a chunk holds whole lines
REST_S = 0.005  # between two rounds: a log that comes line by line goes in fewer requests
FEW_BYTES, LONG_REST_S = 4096, 0.02  # after a round with so little of a log: a request costs more
LOOK_S = 0.02  # interval of checking a spool in use where the kernel reports no growth
IDLE_LOOK_S = 0.1  # interval after IDLE_AFTER rounds without news, and where it reports growth
IDLE_AFTER = 250
ASK_AGAIN_S = 60.0  # silence after which the sizes are requested again
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 30.0
LONGEST_AWAY_S = 1.0  # longest wait without an answer: a refused connection costs nothing
REFUSED_IT = "the dashboard refused it"
_AHEAD = ThreadPoolExecutor(2, thread_name_prefix="ahead")  # prepare the next chunks of logs
log = logging.getLogger(__name__)


class Shipped(enum.Enum):
    """Outcome of one round."""

    SENT = "data was sent"
    NOTHING = "no data to send"
    COMPLETE = "the dashboard has everything"
    AGAIN = "ask for the sizes again"
    REFUSED = "not now"
    UNKNOWN = "this dashboard knows no such job"
    BROKEN = "it can never be sent completely"


class _Stop(Exception):
    """End of a round before its time. ``reason``: what is broken."""

    def __init__(self, outcome: Shipped, reason: str = "") -> None:
        super().__init__(outcome.value)
        self.outcome = outcome
        self.reason = reason


class Shipper:
    """Ships one spool. :meth:`run` is the loop, :meth:`round` one turn of it. ``server_log_bytes``:
    how much of a server's log keeps its disk here once the dashboard has it; 0: all. ``broken_by``:
    after BROKEN, the error of the spool."""

    def __init__(self, spool: Spool, client: Client, *, server_log_bytes: int = 0) -> None:
        self._spool = spool
        self._client = client
        self._server_log_bytes = server_log_bytes
        self._given_back = 0  # bytes from the beginning of a server's log
        self._lost_reported = 0  # end of the bytes that were reported as lost on the dashboard
        self._hashed = 0  # bytes of a log that has ended, by which the dashboard's check has come
        self._refusal: tuple[int, object] = (0, None)
        self._meta = spool.meta()
        self._sizes: tuple[int, ...] = ()
        self._have: dict[str, int] = {}  # the dashboard's sizes; empty: to be asked
        self._outputs: dict[str, int] = {}
        self._log_chunk = CHUNK
        self._most = LONGEST_LINE  # bytes of any chunk; less once one was too large for the way
        self._moved = False
        self._log_sent = 0  # bytes, in the last round
        self._heard_at = time.monotonic()
        self._was_short: set[str] = set()
        self._sends_points = True  # False: the dashboard refused them
        self.broken_by = ""

    def run(self, stopped: threading.Event) -> Shipped:
        """Ship until all has been taken (COMPLETE), the job is unknown (UNKNOWN), or what the host
        has left can never make the whole that the dashboard waits for (BROKEN). NOTHING:
        ``stopped`` was set."""
        failures, quiet = 0, 0
        files = (self._spool.log, self._spool.events, self._spool.points)
        with FolderChanges(self._spool.path) as changes:
            while not stopped.is_set():
                longest = LONGEST_WAIT_S
                sizes = tuple(map(_size, (*files, self._spool.path / "exit.json")))
                if time.monotonic() - self._heard_at > ASK_AGAIN_S:
                    self._have, self._sizes = {}, ()
                try:
                    # Nearly every look finds nothing new, and then costs three calls of stat.
                    outcome = Shipped.NOTHING if sizes == self._sizes else self.round()
                    self._sizes = sizes if outcome is Shipped.NOTHING else ()
                except Unreachable as error:
                    if failures == 0:
                        log.warning("%s: %s", self._spool, error)
                    outcome, longest = Shipped.REFUSED, LONGEST_AWAY_S
                except FileNotFoundError as error:
                    if not self._spool.path.exists():  # set aside
                        return Shipped.UNKNOWN
                    log.warning("%s cannot be shipped: %s", self._spool, error)
                    outcome = Shipped.REFUSED
                if outcome is Shipped.COMPLETE:
                    self._spool.mark_acked(self._meta.run)
                if outcome in (Shipped.COMPLETE, Shipped.UNKNOWN, Shipped.BROKEN):
                    return outcome
                failed = outcome in (Shipped.REFUSED, Shipped.AGAIN)
                # A round that moved something before it broke is no reason to wait for longer.
                failures = (1 if self._moved else failures + 1) if failed else 0
                quiet = quiet + 1 if outcome is Shipped.NOTHING else 0
                if failures:
                    self._have = {}
                    stopped.wait(min(FIRST_WAIT_S * 2 ** min(failures - 1, 10), longest))
                elif quiet == 0:
                    stopped.wait(LONG_REST_S if 0 < self._log_sent < FEW_BYTES else REST_S)
                else:
                    changes.wait(IDLE_LOOK_S if changes.works or quiet > IDLE_AFTER else LOOK_S)
        return Shipped.NOTHING

    def round(self) -> Shipped:
        """Log, points, outputs, then the events that refer to them. Raises Unreachable: the
        dashboard did not answer. Raises FileNotFoundError: the spool is gone."""
        self._moved = False
        meta = self._spool.meta()
        if meta != self._meta:  # a server's next run has a token of its own
            self._meta, self._have = meta, {}
        try:
            if not self._have:
                self._ask()
            return self._ship()
        except _Stop as stop:
            self.broken_by = stop.reason
            return stop.outcome

    def _ask(self) -> None:
        answer = self._client.streams(self._meta)
        if answer.status != 200:
            raise _Stop(self._refused(answer), self.broken_by)
        self._heard_at = time.monotonic()
        self._have = {name: int(answer.body.get(name, 0)) for name in ("log", "events", "points")}
        self._outputs = {p: int(size) for p, size in (answer.body.get("outputs") or {}).items()}
        self._log_chunk = max(CHUNK, int(answer.body.get("log_chunk") or 0))
        if self._meta.type == DEPLOYMENT:
            self._report_lost(self._have["log"])

    def _log_end(self, ended: Mapping[str, Any] | None) -> int:
        """Return the end of the redacted log, in bytes. A possible beginning of a secret
        waits; at the end the launcher has redacted all."""
        size, have = _size(self._spool.log), self._have["log"]
        secrets = [] if ended else forms(self._spool.secrets().values())
        if not secrets or size <= have:
            return size
        redact(self._spool.log, secrets, start=have)
        # With bytes that were sent: a line that goes on differs from one that ended by its begin.
        begin = max(0, size - reach(secrets) - LINE)
        tail = _read(self._spool.log, begin, size - begin)
        return max(have, size - unfinished(tail, secrets))

    def _ship(self) -> Shipped:
        # The events first: they refer to the other streams.
        events_end = spools.whole_lines_size(self._spool.events)
        ended = self._spool.exit()
        if ended is None:
            events_end = self._before_last(events_end)
        points_end = spools.whole_lines_size(self._spool.points)
        before = self._have["log"]
        sent = self._stream("log", self._spool.log, self._log_end(ended))
        self._log_sent = self._have["log"] - before
        if self._meta.type == DEPLOYMENT:
            self._make_room(self._have["log"])
        sent |= self._points(points_end)
        if self._meta.type != DEPLOYMENT:
            for output in ended["outputs"] if ended else ():
                sent |= self._output(output)
        whole = ended["log_bytes"] if ended else 0
        if max(self._have["log"], _size(self._spool.log)) < whole:
            raise _Stop(Shipped.BROKEN, "the log was cut after the end")
        sent |= self._stream("events", self._spool.events, events_end)
        # exit.json follows its event: those up to ``events_end`` may be older.
        if (
            ended is not None
            and self._have["events"] >= spools.whole_lines_size(self._spool.events)
            and self._spool.exit() == ended
        ):
            return Shipped.COMPLETE
        return Shipped.SENT if sent else Shipped.NOTHING

    def _before_last(self, end: int) -> int:
        """``end``, or where the last event begins: it waits for exit.json, which names the outputs
        that the dashboard has to have first."""
        have = self._have["events"]
        if end <= have:
            return end
        last = _read(self._spool.events, have, end - have).splitlines(keepends=True)[-1]
        return end - len(last) if b'"type": "ended"' in last else end

    def _points(self, end: int) -> bool:
        """Send live metrics. They are for charts: where the dashboard refuses them, all else goes
        on without them."""
        if not self._sends_points:
            return False
        try:
            return self._stream("points", self._spool.points, end)
        except _Stop as stop:
            if stop.outcome is not Shipped.BROKEN or not stop.reason.startswith(REFUSED_IT):
                raise
            self._sends_points = False
            self._note(f"live metrics are no longer sent: {stop.reason}")
            return False

    def _stream(self, name: str, path: Path, end: int) -> bool:
        have, sent = self._have, False
        ahead: tuple[int, Future[Chunk]] | None = None  # the chunk from an offset on
        while have[name] < end:
            offset = have[name]
            is_made = ahead is not None and ahead[0] == offset
            chunk = ahead[1].result() if ahead and is_made else self._chunk(name, path, offset, end)
            behind = offset + chunk.size
            if name == "log" and behind < end:
                # Made while this one is under way; of no use if the dashboard has another size.
                ahead = behind, _AHEAD.submit(self._chunk, name, path, behind, end)
            answer = self._client.send(self._meta, name, offset, chunk)
            if self._takes_less(answer, chunk.size):
                ahead = None
                continue
            have[name] = self._size_after(answer, offset)
            sent = True
        if have[name] > end and have[name] > (size := _size(path)):
            self._is_short(name, path, size, have[name])
        return sent

    def _chunk(self, name: str, path: Path, offset: int, end: int) -> Chunk:
        """The bytes of a stream from ``offset`` on, at most up to ``end``."""
        most = min(self._log_chunk if name == "log" else CHUNK, self._most)
        raw = _read(path, offset, min(most, end - offset))
        if name != "log":
            # A line longer than a chunk goes alone: what follows may go in chunks as ever.
            line = b"" if _whole_lines(raw) else _read(path, offset, LONGEST_LINE)
            raw = _whole_lines(raw) or line[: line.find(b"\n") + 1] or _whole_lines(line)
        if not raw:
            raise _Stop(Shipped.BROKEN, f"a line of {path.name} is too long")
        return Chunk(raw)

    def _is_short(self, name: str, path: Path, size: int, sent: int) -> None:
        """Handle a file shorter than on the dashboard: a power cut took unwritten data. A job goes
        on with the rest and closes; its last event has the size. A server's log goes on in its next
        run, so that it is filled up to where the dashboard is."""
        if name not in self._was_short:
            self._was_short.add(name)
            log.error("%s has %s bytes, the dashboard %s", path, size, sent)
        if name == "events":
            raise _Stop(Shipped.BROKEN, "events that were sent are missing")
        if self._meta.type == DEPLOYMENT:
            with path.open("ab") as file:
                # Only the last byte takes disk, and no file becomes shorter.
                os.posix_fallocate(file.fileno(), sent - 1, 1)

    def _make_room(self, taken: int) -> None:
        """Give back the disk of what the dashboard has of a server's log, but for its last part."""
        end = (taken - self._server_log_bytes) // BLOCK * BLOCK
        if self._server_log_bytes and end - self._given_back >= self._server_log_bytes // 16:
            with self._spool.log.open("r+b") as file:
                given_back = disk.give_back(file.fileno(), end)
            if not given_back and not self._given_back:
                self._note(
                    "the file system cannot free the sent part of the log "
                    "(HOST_SERVER_LOG_KEEP): the log keeps its full size"
                )
            self._given_back = end

    def _note(self, text: str) -> None:
        log.error("%s: %s", self._spool, text)
        with contextlib.suppress(OSError):  # a full disk
            self._spool.note(text)

    def _report_lost(self, have: int) -> None:
        """Report bytes that the dashboard requests again although their disk was given back."""
        if not 0 <= have < _size(self._spool.log):
            return
        end = disk.data_from(self._spool.log, have)
        if end > max(have, self._lost_reported):
            self._lost_reported = end
            self._note(
                f"the dashboard asks again for bytes {have} to {end} of the log, which it had; "
                "their disk was given back (HOST_SERVER_LOG_KEEP), so it gets zero bytes"
            )

    def _output(self, output: Mapping[str, Any]) -> bool:
        path, total, sent = output["path"], output["bytes"], False
        file = self._spool.work / path
        # An empty file has to be reported too.
        while path not in self._outputs or self._outputs[path] < total:
            offset = self._outputs.get(path, 0)
            changed = _Stop(Shipped.BROKEN, f"the output {path} is not what it was at the end")
            if _size(file) != total:
                raise changed
            raw = _read(file, offset, min(CHUNK, self._most, total - offset))
            answer = self._client.send_output(self._meta, output, offset, raw)
            if self._takes_less(answer, len(raw)):
                continue
            # It is wanted from its beginning again when the checksum of the whole differs.
            if answer.status == 409 and size_and_sha256(file) != (total, output["sha256"]):
                raise changed
            self._outputs[path] = self._size_after(answer, offset if total else -1)
            sent = True
        return sent

    def _takes_less(self, answer: JsonReply, sent: int) -> bool:
        """True: a chunk was too large for the dashboard or a proxy before it; try a smaller one."""
        if answer.status != 413 or self._most <= SMALLEST:
            return False
        self._most = max(SMALLEST, min(self._most, sent) // 2)
        log.warning("%s: %s bytes are too many per request, next %s", self._spool, sent, self._most)
        return True

    def _size_after(self, answer: JsonReply, before: int) -> int:
        """The size that the dashboard reports: with 200, or with 409 for a wrong offset."""
        size, hashed = answer.body.get("size"), answer.body.get("hashed")
        if answer.status == 409 and isinstance(hashed, int) and hashed > self._hashed:
            self._hashed, self._moved = hashed, True  # it checks the whole log, a part each time
        if answer.status in (200, 409) and isinstance(size, int) and size != before:
            self._moved = True
            self._heard_at = time.monotonic()
            return size
        raise _Stop(self._refused(answer), self.broken_by)

    def _refused(self, answer: JsonReply) -> Shipped:
        error = answer.body.get("error")
        # Another token: the dashboard's database is older than this job, and has given its number
        # to another one.
        if answer.status == 404 or (answer.status, error) == (403, "token"):
            return Shipped.UNKNOWN
        if answer.status == 412 and self._client.instance() != self._meta.instance:
            return Shipped.UNKNOWN
        if answer.status in (200, 409, 422):
            return Shipped.AGAIN
        if answer.status in (400, 413):  # what is sent will be the same the next time
            beyond = f"an answer {answer.status} from what stands before it"
            self.broken_by = f"{REFUSED_IT}: {answer.body.get('detail') or error or beyond}"
            return Shipped.BROKEN
        if (answer.status, error) != self._refusal:  # once, not for every try of a day
            log.warning(
                "%s: the dashboard responded %s %s", self._spool, answer.status, answer.body
            )
        self._refusal = (answer.status, error)
        return Shipped.REFUSED


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _whole_lines(raw: bytes) -> bytes:
    """Cut after the last newline. Zero bytes are no part of a line: a server's old points, of which
    the disk was given back."""
    return raw[: max(raw.rfind(b"\n"), raw.rfind(b"\0")) + 1]
