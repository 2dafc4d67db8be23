"""The long form: ``kill -9`` of whatever comes, again and again, in one job after another."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from jobs.host.base import process
from tests.faults import hits
from tests.faults.cases import KILL, LAUNCHER_DIED, SIGNAL, Case
from tests.faults.hits import Scene, pid_of_job
from tests.faults.trial import FaultRow, Trial
from tests.faults.world import World

KILLS_A_JOB = 10
LINES = 200  # that the command prints in each twentieth of a second: the kills take their time
LONGEST_PAUSE_S = 2.5
# Target, and how often it comes up. The last two end the job, with its verdict.
TARGETS = {
    "agent": 6,
    "host's Celery worker": 4,
    "web server": 6,
    "web server's readers": 3,
    "Valkey": 4,
    "dashboard's Celery worker": 3,
    "scheduler": 2,
    "PostgreSQL": 2,
    "PostgreSQL's connections": 3,
    "host's supervisor": 2,
    "dashboard's supervisor": 1,
    "launcher": 1,
    "command": 1,
}
CHILDREN = {
    "web server": "web",
    "Valkey": "valkey",
    "dashboard's Celery worker": "dashboard worker",
    "scheduler": "scheduler",
}
CONNECTIONS = "PostgreSQL's connections"
READERS = "web server's readers"
# These are started again at the end of the fault.
RESTARTED = {
    "dashboard's supervisor": hits.kill_stack,
    "host's supervisor": hits.kill_host_supervisor,
    "PostgreSQL": hits.kill_database,
}
ENDS = {"launcher": LAUNCHER_DIED, "command": SIGNAL}
KINDS = ("prepare", "compile", "deploy", "benchmark", "evaluate")


@dataclass
class Kills:
    """Kills so far, and the jobs that they hit."""

    seed: int
    done: Counter[str] = field(default_factory=Counter)
    rows: list[FaultRow] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(self.done.values())

    def message(self) -> str:
        verdicts = Counter(row.verdict for row in self.rows)
        tally = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        done = ", ".join(f"{name} {count}" for name, count in self.done.most_common())
        return (
            f"{self.count} random kills (seed {self.seed}: {done}) in the middle of "
            f"{len(self.rows)} jobs ({tally}), "
            f"{sum(row.size for row in self.rows) / 1e6:.0f} MB of logs, "
            f"{len(self.rows) * 3} pages, {sum(row.seconds for row in self.rows):.0f} s: "
            f"{sum(row.lost_bytes for row in self.rows)} bytes lost, "
            f"{sum(bool(row.wrong) for row in self.rows)} jobs wrong."
        )


class Killer:
    """Kills in ``world`` what ``seed`` says, in the middle of jobs of these ``kinds``."""

    def __init__(self, world: World, trial: Trial, kinds: Sequence[str], *, seed: int) -> None:
        self._world = world
        self._trial = trial
        trial.middle.lines = LINES
        self._kinds = kinds
        self._count = 0
        self._chance = random.Random(seed)
        self.kills = Kills(seed)

    def run(self, count: int, tell: Callable[[FaultRow, int], None]) -> Kills:
        """Run jobs, and kill ``count`` times; ``tell`` gets each job and the count of kills."""
        self._count = count
        while self.kills.count < self._count:
            kind = self._kinds[len(self.kills.rows) % len(self._kinds)]
            case = Case("anything", KILL, kind)
            row = self._trial.run_with(case, lambda scene, case=case: self._kill_some(case, scene))
            self.kills.rows.append(row)
            tell(row, self.kills.count)
            if row.wrong and not row.verdict:  # it did not even come to a verdict
                break
        return self.kills

    def _kill_some(self, case: Case, scene: Scene) -> Case:
        """Kill ten times, or until the job has ended by it; with the verdict that it must have."""
        self._trial.to_the_middle(case, scene)
        for _ in range(min(KILLS_A_JOB, self._count - self.kills.count)):
            name = self._kill(scene)
            if name in ENDS:
                return replace(case, **ENDS[name])
            time.sleep(self._chance.uniform(0.1, LONGEST_PAUSE_S))  # anywhere in what it does
        return case

    def _kill(self, scene: Scene) -> str:
        names = list(TARGETS)
        while True:
            (name,) = self._chance.choices(names, list(TARGETS.values()))
            if self._hit(name, scene):
                self.kills.done[name] += 1
                return name

    def _hit(self, name: str, scene: Scene) -> bool:
        """Kill one thing of this name; false if there is none now."""
        if name.startswith("PostgreSQL") and self._world.database is None:
            return False
        if name in RESTARTED:
            with RESTARTED[name](scene):
                return True
        number = signal.SIGTERM if name == CONNECTIONS else signal.SIGKILL
        pids = self._pids(name, scene)
        for pid in pids:
            process.send(pid, number)
        return bool(pids)

    def _pids(self, name: str, scene: Scene) -> list[int]:
        if name == CONNECTIONS:
            return self._world.database.connections()
        if name == READERS:
            web = self._world.stack.children().get("web")
            return process.descendants(web) if web else []
        if name in ("launcher", "command"):
            return [pid_of_job(scene, name)]
        pid = (
            self._world.stack.children().get(CHILDREN[name], 0)
            if name in CHILDREN
            else self._world.host_process({"agent": "agent"}.get(name, "worker"))
        )
        return [pid] if pid else []


def new_seed() -> int:
    return int.from_bytes(os.urandom(3), "big")
