"""One case: launch a job, hit something, and look at what must hold afterwards."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api import CLOSED, until
from tests.faults.cases import FAULTS, LOST, SUCCEEDED, UNKNOWN, Case
from tests.faults.hits import Scene
from tests.faults.middles import Middle
from tests.faults.viewers import Audience
from tests.faults.world import World

STARTED_S = 180.0
ENDED_S = 240.0
LOST_S = 60.0  # a host answers without the job: how soon it must count as lost
SLACK_S = 20.0  # what a busy machine may add to that
WELL_S = 180.0
AWAY_S = 90.0


@dataclass
class FaultRow:
    case: Case
    verdict: str = ""
    size: int = 0
    host: str = ""
    dashboard: str = ""
    pages: list[str] = field(default_factory=list)
    lost_bytes: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""


class Trial:
    def __init__(self, world: World, middle: Middle, *, stopped_s: float) -> None:
        self._world = world
        self.middle = middle
        self._stopped_s = stopped_s

    def run(self, case: Case) -> FaultRow:
        """Run it. Errors are in the row, not raised."""
        skipped = self._skipped(case)
        if skipped:
            return FaultRow(case, skipped=skipped)
        return self.run_with(case, lambda scene: self._go(case, scene))

    def run_with(self, case: Case, hit: Callable[[Scene], Case]) -> FaultRow:
        """Run a case with another way to launch and hit; ``hit`` returns the expected outcome."""
        row, began = FaultRow(case), time.monotonic()
        try:
            self._run(case, row, hit)
        except Exception as error:  # one case is not to end the others
            row.wrong.append(f"{type(error).__name__}: {error}"[:2000])
        row.seconds = time.monotonic() - began
        return row

    def _skipped(self, case: Case) -> str:
        if case.needs == "PostgreSQL" and self._world.database is None:
            return "SQLite has no process"
        if case.needs == "small disks" and not self._world.mounts:
            return "a small disk needs root and mount(8)"
        return ""

    def _run(self, case: Case, row: FaultRow, hit: Callable[[Scene], Case]) -> None:
        world, files = self._world, self._world.folder / f"case-{time.monotonic_ns()}"
        until(world.is_well, "all runs before the case", WELL_S)
        if case.kind == "evaluate":
            self.middle.serve_again()
        before = (world.containers(), world.free_dies())
        if case.verdict == UNKNOWN:
            world.database.keep()
            until(world.is_well, "all runs before the case", WELL_S)
        scene = Scene(world, files.with_suffix(".runs"), files.with_suffix(".gate"))
        with _closing(scene):
            row.case = case = hit(scene)
            self._wait_well(case, scene)
            scene.gate.touch()
            self._see(case, scene, row)
            row.wrong += scene.notes
            self._nothing_left(case, scene, before, row)
        self._tidy(scene)

    def _go(self, case: Case, scene: Scene) -> Case:
        """Launch and hit, in the order that the case wants."""
        if case.when == "before":
            with case.fault(scene):
                self._launch(case, scene)
                self._hold(case, scene)
            _started(scene)
            return case
        self.to_the_middle(case, scene)
        if case.when == "end":
            scene.gate.touch()
            until(lambda: _has_printed(scene), "the command has printed all", STARTED_S)
        with ExitStack() as faults:
            faults.enter_context(case.fault(scene))
            if case.also is not None:
                faults.enter_context(FAULTS[case.also](scene))
            self._hold(case, scene)
        return case

    def to_the_middle(self, case: Case, scene: Scene) -> None:
        """Launch the job, and wait until its pages get the first bytes of its log."""
        self._launch(case, scene)
        _started(scene)
        audience = scene.audience
        until(lambda: audience.has(1), "pages have the first bytes", STARTED_S)

    def _launch(self, case: Case, scene: Scene) -> None:
        world = self._world
        scene.job = self.middle.launch(case.kind, scene.counter, scene.gate)
        origin = f"http://127.0.0.1:{world.browsers.port}"
        url = lambda: world.viewer_url(scene.job)  # noqa: E731
        scene.audience = Audience(world.loop, url, world.cookie, origin)

    def _hold(self, case: Case, scene: Scene) -> None:
        """Wait as long as the fault is to last, and check the pages meanwhile."""
        world, deadline = self._world, time.monotonic() + self._length(case)
        if case.is_away:
            until(world.is_away, "the host is said to be away", AWAY_S)
            job = world.job(scene.job)
            if job["state"] in CLOSED:
                scene.notes.append(f"a host that is away made its job {job['state']}")
            if "offline" not in world.text(f"/jobs/{scene.job}/"):
                scene.notes.append("the job's page does not say that its host is away")
        if case.also is not None:
            until(lambda: world.job(scene.job)["state"] == LOST, "lost", LOST_S + SLACK_S)
        until(lambda: time.monotonic() >= deadline, "time passes", 600)

    def _length(self, case: Case) -> float:
        if case.lasts is not None:
            return case.lasts
        is_long = case.how in ("stopped", "read nothing", "cut", "silent")
        return self._stopped_s if is_long else 0.0

    def _wait_well(self, case: Case, scene: Scene) -> None:
        """Everything is back by itself, and all pages have what there was then."""
        world = self._world
        until(world.is_well, "all runs again", WELL_S)
        for path in ("/", "/jobs/", "/hosts/"):
            until(lambda path=path: world.page(path) == 200, f"{path} is there again", WELL_S)
        if case.verdict != UNKNOWN:
            path = f"/jobs/{scene.job}/"
            until(lambda: world.page(path) == 200, "the job's page is there again", WELL_S)
        if case.verdict not in (UNKNOWN, LOST):
            now, audience = _size(scene.spool.log), scene.audience
            until(lambda: audience.has(now), "pages have what there was by then", WELL_S)

    def _see(self, case: Case, scene: Scene, row: FaultRow) -> None:
        """The verdict, how often it ran, and whether all have the same bytes."""
        if case.verdict == UNKNOWN:
            self._see_forgotten(scene, row)
            return
        world, audience = self._world, scene.audience
        job = world.ended(scene.job, ENDED_S)
        row.verdict = job["state"]
        if not case.is_met(job["state"], job["message_id"]):
            row.wrong.append(f"{job['state']} ({job['message_id']}): {job['message']}")
        is_gone = case.message == "job:missing"
        log = scene.gone / "log" if is_gone else scene.spool.log
        until(audience.is_over, "the pages have the end", ENDED_S)
        if not is_gone:
            until(lambda: world.log_on_dashboard(scene.job).stat().st_size >= _size(log), "log")
        kept = log.read_bytes()
        shown = world.raw(f"jobs/{scene.job}/log?from=0")
        row.size, row.host, row.dashboard = len(kept), _sha(kept), _sha(shown)
        row.pages = [viewer.sha256 for viewer in audience.viewers]
        row.wrong += [f"{v.kind} page: {v.wrong}" for v in audience.viewers if v.wrong]
        self._compare(row, kept, shown, is_gone=is_gone, checksum=job["log_sha256"])
        row.wrong += _ran_once(case, scene, is_gone=is_gone)

    def _compare(
        self, row: FaultRow, kept: bytes, shown: bytes, *, is_gone: bool, checksum: str
    ) -> None:
        if is_gone:
            # Bytes that the host's disk lost before they were sent are lost.
            if kept[: len(shown)] != shown:
                row.wrong.append("the dashboard's log is no beginning of the host's")
        elif row.host != row.dashboard:
            row.lost_bytes = len(kept) - _common(kept, shown)
            row.wrong.append(f"{row.lost_bytes} bytes of {len(kept)} differ on the dashboard")
        elif row.host != checksum:
            row.wrong.append(f"the host reported another checksum: {checksum}")
        if set(row.pages) != {row.dashboard}:
            row.wrong.append("pages differ from the dashboard")

    def _see_forgotten(self, scene: Scene, row: FaultRow) -> None:
        """A database from before the job: the host keeps it whole, and its number is used again."""
        world = self._world
        until(lambda: _has_printed(scene), "the command has printed all", ENDED_S)
        until(lambda: not world.processes_of(scene.job), "nothing of it runs", ENDED_S)
        until(lambda: "aside" in str(scene.spool.path), "the host sets it aside", ENDED_S)
        kept = scene.spool.log.read_bytes()
        row.verdict, row.size, row.host = UNKNOWN, len(kept), _sha(kept)
        ended = json.loads((scene.spool.path / "exit.json").read_text())
        if ended["log_sha256"] != row.host:
            row.wrong.append("what the host keeps is not what it ran")
        again = Scene(world, scene.counter.with_suffix(".again"), scene.gate)
        again.job = self.middle.launch("prepare", again.counter, again.gate)
        if again.job != scene.job:
            row.wrong.append(f"the number {scene.job} was to be used again, not {again.job}")
        job = world.ended(again.job, ENDED_S)
        shown = world.raw(f"jobs/{again.job}/log?from=0")
        log = world.host_folder / "host" / "spool" / str(again.job) / "log"
        if job["state"] != SUCCEEDED or log.read_bytes() != shown:
            row.wrong.append(f"the next job of this number: {job['state']}, {job['message']}")
        row.dashboard = _sha(shown)

    def _nothing_left(self, case: Case, scene: Scene, before: Any, row: FaultRow) -> None:
        """No process, no container, no lease, no second server."""
        world = self._world
        left = _without_error(lambda: not world.processes_of(scene.job), "processes of it run")
        if case.kind == "deploy" and row.verdict == SUCCEEDED:
            self.middle.stop_deployment_of(scene.job)
        if case.hit == "host" and case.how == "rebooted":  # the servers of others went with it
            left += _without_error(lambda: not world.containers(), "a container was left")
        else:
            left += _without_error(lambda: world.containers() == before[0], "a container was left")
            left += _without_error(lambda: world.free_dies() == before[1], "a die stays leased")
        row.wrong += left

    def _tidy(self, scene: Scene) -> None:
        """Give the disks back what this case's logs took."""
        for log in (self._world.log_on_dashboard(scene.job), scene.spool.log):
            log.unlink(missing_ok=True)


@contextlib.contextmanager
def _closing(scene: Scene) -> Iterator[None]:
    """However the case goes, its command is let through and its pages are closed."""
    try:
        yield
    finally:
        scene.gate.touch()
        if scene.audience is not None:
            scene.audience.close()


def _started(scene: Scene) -> None:
    until(scene.counter.exists, "the command runs", STARTED_S)
    until(lambda: _size(scene.spool.log) > 0, "the command prints", STARTED_S)


def _has_printed(scene: Scene) -> bool:
    return scene.counter.read_text().endswith("end\n")


def _ran_once(case: Case, scene: Scene, *, is_gone: bool) -> list[str]:
    """Errors in the number of runs: by the command's own count, and by the host's events."""
    runs = scene.counter.read_text().split("\n")
    starts = sum(line.startswith("start") for line in runs)
    wrong = [] if starts == 1 else [f"the command ran {starts} times"]
    if case.verdict == SUCCEEDED and runs.count("end") != 1:
        wrong.append("the command did not come to its end")
    if not is_gone:
        events = [e["type"] for e in scene.spool.read_events()]
        if (events.count("started"), events.count("ended")) != (1, 1):
            wrong.append(f"the host's events are {events}")
    return wrong


def _without_error(true: Callable[[], bool], otherwise: str) -> list[str]:
    try:
        until(true, otherwise)
    except AssertionError:
        return [otherwise]
    return []


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _common(left: bytes, right: bytes) -> int:
    """Length of the common beginning, in bytes."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
