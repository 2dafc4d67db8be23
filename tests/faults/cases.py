"""The matrix as data: target × fault × job × time."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults import hits
from tests.faults.hits import Fault

KILL, STOP, EMPTY = "kill -9", "stopped", "restarted empty"
SUCCEEDED, FAILED, LOST, UNKNOWN = "succeeded", "failed", "lost", "unknown"

FAULTS: dict[tuple[str, str], Fault] = {
    ("host's Celery worker", KILL): partial(hits.kill_on_host, name="worker"),
    ("host's Celery worker", STOP): partial(hits.stop, pids=hits.on_host("worker")),
    ("agent", KILL): partial(hits.kill_on_host, name="agent"),
    ("agent", STOP): partial(hits.stop, pids=hits.on_host("agent")),
    ("agent", EMPTY): hits.forget_claims,
    ("launcher", KILL): partial(hits.kill_of_job, which="launcher"),
    ("launcher", STOP): partial(hits.stop, pids=hits.of_job("launcher")),
    ("command", KILL): partial(hits.kill_of_job, which="command"),
    ("command", STOP): partial(hits.stop, pids=hits.of_job("command")),
    ("host's supervisor", KILL): hits.kill_host_supervisor,
    ("host's supervisor", STOP): partial(hits.stop, pids=hits.on_host("supervisor")),
    ("host", "rebooted"): hits.reboot_host,
    ("host's folder of the job", "removed"): hits.spool_gone,
    ("dashboard's supervisor", KILL): hits.kill_stack,
    ("dashboard's supervisor", STOP): partial(hits.stop, pids=hits.supervisor_of_stack),
    ("web server", KILL): partial(hits.kill_child, name="web"),
    ("web server", STOP): partial(hits.stop, pids=hits.child("web")),
    ("web server's readers", KILL): hits.kill_readers,
    ("readers of an import", KILL): hits.kill_readers_of_an_import,
    ("dashboard's Celery worker", KILL): partial(hits.kill_child, name="dashboard worker"),
    ("dashboard's Celery worker", STOP): partial(hits.stop, pids=hits.child("dashboard worker")),
    ("scheduler", KILL): partial(hits.kill_child, name="scheduler"),
    ("scheduler", STOP): partial(hits.stop, pids=hits.child("scheduler")),
    ("Valkey", KILL): partial(hits.kill_child, name="valkey"),
    ("Valkey", STOP): partial(hits.stop, pids=hits.child("valkey")),
    ("Valkey", EMPTY): hits.empty_valkey,
    ("PostgreSQL", KILL): hits.kill_database,
    ("PostgreSQL", STOP): partial(hits.stop, pids=hits.database_processes),
    ("PostgreSQL's connections", "ended"): hits.end_connections,
    ("PostgreSQL", "restarted as before the job"): hits.older_database,
    ("dashboard's logs", EMPTY): hits.log_store_gone,
    ("pages' sockets", "reset"): hits.resets("browsers"),
    ("pages", "read nothing"): hits.pages_stop_reading,
    ("pages", EMPTY): hits.pages_anew,
    ("pages' network", "cut"): hits.proxied("browsers", "refused"),
    ("host's network", "cut"): hits.proxied("network", "refused"),
    ("host's network", "silent"): hits.proxied("network", "silent"),
    ("host's network", "reset"): hits.resets("network"),
    ("host's network", "slow"): hits.proxied("network", "slow"),
    ("host's network", "answers lost"): hits.proxied("network", "forgetful"),
    ("host's network", "damages chunks"): hits.proxied("network", "damaged"),
    ("link to Valkey", "cut"): hits.proxied("notifications", "refused"),
    ("link to Valkey", "silent"): hits.proxied("notifications", "silent"),
    ("host's disk", "full"): partial(hits.full_disk, which="host"),
    ("dashboard's disk", "full"): partial(hits.full_disk, which="dashboard"),
    ("host's clock", "1 h forward"): partial(hits.clock, which="host", seconds=3600),
    ("host's clock", "1 h back"): partial(hits.clock, which="host", seconds=-3600),
    ("dashboard's clock", "25 h forward"): partial(
        hits.clock, which="dashboard", seconds=25 * 3600
    ),
    ("dashboard's clock", "1 h back"): partial(hits.clock, which="dashboard", seconds=-3600),
    ("shippers", "three at once"): hits.two_shippers,
    ("chunks", "replayed"): hits.replayed_chunks,
    ("chunks", "reordered"): hits.reordered_chunks,
    ("chunks", "damaged"): hits.damaged_chunks,
}


@dataclass(frozen=True)
class Case:
    """One hit. ``when``: before the job is launched, in its "middle", or at its "end", when its
    command has printed all. ``message``: the id of the job's message; "" for the kind's
    own. ``or_failed``: the id of one with which it may be *failed* as well, where it hangs on what
    the job's next step was just about. ``is_away``: the host must be shown as offline meanwhile.
    ``lasts``: seconds at least, where another time than that of a stop is wanted (None). ``also``:
    a second hit in the first.
    """

    hit: str
    how: str
    kind: str
    when: str = "middle"
    verdict: str = SUCCEEDED
    message: str = ""
    or_failed: str = ""
    is_away: bool = False
    lasts: float | None = None
    also: tuple[str, str] | None = None
    is_short: bool = False

    @property
    def fault(self) -> Fault:
        return FAULTS[self.hit, self.how]

    def is_met(self, state: str, message: str) -> bool:
        if self.or_failed and (state, message) == (FAILED, self.or_failed):
            return True
        return state == self.verdict and message == (self.message or message)

    @property
    def name(self) -> str:
        parts = [self.hit, self.how, *(self.also or ()), self.kind, self.when]
        return "-".join(parts).replace(" ", "_")

    @property
    def needs(self) -> str:
        """Condition on the world: "PostgreSQL", "small disks", or ""."""
        if self.hit.startswith("PostgreSQL"):
            return "PostgreSQL"
        return "small disks" if "disk" in self.hit else ""


P, C, D, B, E = "prepare", "compile", "deploy", "benchmark", "evaluate"
LAUNCHER_DIED: dict[str, Any] = {"verdict": LOST, "message": "host:launcher_died"}
SIGNAL: dict[str, Any] = {"verdict": FAILED, "message": "work:signal"}

CASES = (
    Case("host's Celery worker", KILL, P, "before", is_short=True),
    Case("host's Celery worker", KILL, C),
    Case("host's Celery worker", STOP, D),
    Case("agent", KILL, P, "before"),
    Case("agent", KILL, C, is_short=True),
    Case("agent", KILL, B, "end"),
    Case("agent", STOP, E, is_away=True),
    Case("agent", EMPTY, D),
    Case("launcher", KILL, P, **LAUNCHER_DIED, is_short=True),
    Case("launcher", KILL, C, **LAUNCHER_DIED),
    Case("launcher", KILL, D, **LAUNCHER_DIED),
    Case("launcher", KILL, B, **LAUNCHER_DIED),
    Case("launcher", KILL, E, **LAUNCHER_DIED),
    Case("launcher", STOP, B),
    Case("command", KILL, P, **SIGNAL, is_short=True),
    Case("command", KILL, D, **SIGNAL),
    Case("command", KILL, B, **SIGNAL),
    Case("command", STOP, E),
    Case("host's supervisor", KILL, P, "before"),
    Case("host's supervisor", KILL, D),
    Case("host's supervisor", STOP, C),
    Case("host's folder of the job", "removed", C, verdict=LOST, message="job:missing"),
    Case("dashboard's supervisor", KILL, P, is_short=True),
    Case("dashboard's supervisor", KILL, E),
    Case("dashboard's supervisor", KILL, B, "end"),
    Case("dashboard's supervisor", STOP, D),
    Case("web server", KILL, P, "before"),
    Case("web server", KILL, C),
    Case("web server", KILL, D, "end", is_short=True),
    Case("web server", STOP, B),
    Case("web server's readers", KILL, P, "end", is_short=True),
    Case("web server's readers", KILL, E, "end"),
    Case("web server's readers", KILL, C),
    Case("readers of an import", KILL, B),
    Case("dashboard's Celery worker", KILL, E),
    Case("dashboard's Celery worker", STOP, P),
    Case("scheduler", KILL, B),
    Case("scheduler", STOP, C),
    Case("Valkey", KILL, P, "before"),
    Case("Valkey", KILL, D, is_short=True),
    Case("Valkey", STOP, E),
    Case("Valkey", EMPTY, B),
    Case("PostgreSQL", KILL, P, lasts=5),
    Case("PostgreSQL", KILL, D, "end", lasts=5),
    Case("PostgreSQL", STOP, C),
    Case("PostgreSQL's connections", "ended", E),
    Case("PostgreSQL", "restarted as before the job", P, verdict=UNKNOWN),
    Case("dashboard's logs", EMPTY, C),
    Case("pages' sockets", "reset", P, is_short=True),
    Case("pages", "read nothing", D),
    Case("pages", EMPTY, B),
    Case("pages' network", "cut", E),
    Case("host's network", "cut", B, is_away=True),
    Case("host's network", "cut", P, "before", lasts=5),
    Case("host's network", "cut", C, "end", lasts=5, is_short=True),
    Case("host's network", "silent", D, is_away=True),
    Case("host's network", "reset", E, lasts=10),
    Case("host's network", "slow", P, lasts=10),
    Case("host's network", "answers lost", C, lasts=5, is_short=True),
    Case("host's network", "damages chunks", P, "end", lasts=5),
    Case("link to Valkey", "cut", D, "before", lasts=5),
    Case("link to Valkey", "silent", B),
    Case("host's disk", "full", P, verdict=FAILED, message="work:exit", lasts=5),
    # Its next step writes the artifact: it may find no room, or be over before there is none.
    Case("host's disk", "full", C, "end", or_failed="work:exit", lasts=5),
    Case("dashboard's disk", "full", E, lasts=10),
    Case("dashboard's disk", "full", D, "end", lasts=10),
    Case("host's clock", "1 h forward", B, lasts=10),
    Case("host's clock", "1 h back", P, lasts=10),
    Case("dashboard's clock", "25 h forward", C, lasts=15),
    Case("dashboard's clock", "1 h back", D, lasts=15),
    Case(
        *("dashboard's clock", "1 h back", P),
        also=("host's folder of the job", "removed"),
        verdict=LOST,
        message="job:missing",
    ),
    Case("shippers", "three at once", P, lasts=2, is_short=True),
    Case("chunks", "replayed", C),
    Case("chunks", "reordered", D),
    Case("chunks", "damaged", B),
    Case("host", "rebooted", P, verdict=LOST, message="host:rebooted", is_short=True),
    Case("host", "rebooted", D, verdict=LOST, message="host:rebooted"),
    Case("host", "rebooted", E, verdict=LOST, message="host:rebooted"),
)
