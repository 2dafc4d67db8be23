"""Confined tasks: readers of a stranger's bytes, in child processes with limits.
Here: tasks by name, the pool of their workers, limits and what exceeds them.
Not here: the readers themselves, which the web process never imports.
"""

import json
import multiprocessing
import queue
import signal
import sys
import threading
import time
from contextvars import ContextVar
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from django.utils import translation
from pydantic import TypeAdapter, ValidationError

from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.numbers import GB, MB
from jobs.confined import worker
from jobs.confined.worker import WorkerLimits

__all__ = [
    "ASKER_LEFT",
    "SHORT",
    "Busy",
    "Exceeded",
    "Failed",
    "NotDone",
    "Pool",
    "Task",
    "WorkerLimits",
]

Answer = TypeVar("Answer")
PATIENCE_S = 20.0  # usual wait for a free worker
# A task whose worker something else killed, such as the kernel for lack of memory, is run again.
MOST_RUNS = 3
PAUSE_S = 1.0  # before it
LOOK_S = 0.25  # interval of looking whether the asker left
# Set when nobody waits for the answer to this request any more.
ASKER_LEFT: ContextVar[threading.Event | None] = ContextVar("asker_left", default=None)
# Exit codes of a worker. Libraries in C and Rust abort without memory.
_REASONS = {-signal.SIGXCPU: "time", -signal.SIGABRT: "memory"}


class NotDone(JobsError):
    """A task without an answer. ``message`` says why to people."""

    message: Message


class Exceeded(NotDone):
    """A task took more than its limits, or its worker ended."""

    id = "confined:exceeded"

    def __init__(self, reason: str, limits: WorkerLimits) -> None:
        super().__init__(f"{reason} of {limits}")
        self.reason = reason
        args: dict[str, dict[str, Any]] = {
            "memory": {"gb": f"{limits.memory / GB:g}"},
            "time": {"seconds": limits.cpu_s},
            "answer": {"mb": f"{limits.answer / MB:g}"},
            "ended": {},
        }
        self.message = Message(f"confined:{reason}", args[reason])


class Busy(NotDone):
    """All workers are at work, or the database is away: try again later. Or the asker left."""

    id = "confined:busy"
    message = Message(id)


class Failed(NotDone):
    """A task raised an error that nobody expected, which its worker has logged; or its answer is of
    another type."""

    id = "confined:failed"

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.message = Message(self.id, {"error": error})


class Pool:
    """At most ``most`` workers with equal limits. They start when needed and stay. ``patience_s``:
    how long a task waits for a free one. ``runs``: how often a task is run whose worker was killed;
    1 where what it stored must be reported, or its asker asks again. ``ends_with_asker``: tasks,
    which only read, end when ``ASKER_LEFT`` is set."""

    def __init__(
        self,
        limits: WorkerLimits,
        most: int,
        patience_s: float = PATIENCE_S,
        *,
        runs: int = MOST_RUNS,
        ends_with_asker: bool = False,
    ) -> None:
        self.limits, self._patience_s, self._runs = limits, patience_s, runs
        self._ends_with_asker = ends_with_asker
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _number in range(most):
            self._free.put(None)

    def run(self, name: str, args: tuple[Any, ...]) -> bytes:
        """Return the answer of a task as JSON. Raises Exceeded; Busy: no worker is free; JobsError:
        as the function raises it; Failed: the function raised another error."""
        for others in reversed(range(self._runs)):
            try:
                answer = self._run_once(name, args)
                break
            except Exceeded as error:
                if error.reason != "ended" or not others:
                    raise
            time.sleep(PAUSE_S)
        return taken(answer[:1], answer[2:], self.limits)

    def _run_once(self, name: str, args: tuple[Any, ...]) -> bytes:
        try:
            hand = self._free.get(timeout=self._patience_s)
        except queue.Empty:
            raise Busy("no worker is free") from None
        stays = False
        try:
            if hand is not None and not hand.process.is_alive():
                hand.kill()
                hand = None
            hand = hand or _Worker(self.limits)
            answer = hand.ask(name, args, ASKER_LEFT.get() if self._ends_with_asker else None)
            stays = answer[1:2] == worker.STAYS
            return answer
        finally:
            if hand is not None and not stays:
                hand.kill()
            self._free.put(hand if stays else None)


class Task(Generic[Answer]):
    """A function of the workers by its name, "package.module:function", and the type of its answer,
    which is that of the function. Arguments are pickled. Errors: see :meth:`Pool.run`."""

    def __init__(self, name: str, answer: type[Answer], pool: Pool) -> None:
        self.name = name
        self.pool = pool
        self._adapter: TypeAdapter[Answer] = TypeAdapter(answer)

    def __call__(self, *args: Any) -> Answer:
        answer = self.pool.run(self.name, args)
        try:
            return self._adapter.validate_json(answer)
        except ValidationError as error:
            raise Failed(f"{self.name}: {error.errors()[0]['msg']}") from error


class _Worker:
    """One child process. Raises Exceeded: it has ended, or has to; or the server process that forks
    workers has just ended, which the next call starts."""

    def __init__(self, limits: WorkerLimits) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["jobs.confined.preload"])
        self._limits = limits
        self._connection, far = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=worker.serve, args=(far, limits), name="confined", daemon=True
        )
        try:
            self.process.start()
        except (EOFError, OSError) as error:
            raise Exceeded("ended", limits) from error
        far.close()

    def ask(self, name: str, args: tuple[Any, ...], left: threading.Event | None) -> bytes:
        deadline = time.monotonic() + self._limits.wall_s
        try:
            self._connection.send((name, args, translation.get_language() or "en"))
            while not self._connection.poll(LOOK_S if left else self._limits.wall_s):
                if left and left.is_set():
                    raise Busy("its asker left")
                if time.monotonic() >= deadline:
                    raise Exceeded("time", self._limits)
            return self._connection.recv_bytes(2 + self._limits.answer)
        except (EOFError, OSError) as error:
            self.process.join(5)
            reason = _REASONS.get(self.process.exitcode or 0, "ended")
            raise Exceeded(reason, self._limits) from error

    def kill(self) -> None:
        self.process.kill()
        self.process.join(5)
        self._connection.close()


def taken(kind: bytes, content: bytes, limits: WorkerLimits) -> bytes:
    """Return the JSON of an answer, or raise the error that it is: see :meth:`Pool.run`."""
    if kind == worker.VALUE:
        return content
    if kind == worker.ERROR:
        described = json.loads(content)
        module, name = described["class"]
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if not (isinstance(found, type) and issubclass(found, JobsError)):
            raise Failed(f"{module}.{name}: {described['args']}")
        error = found.__new__(found)
        error.args = tuple(described["args"])
        vars(error).update(described["state"])
        raise error
    if kind == worker.NO_DATABASE:
        raise Busy("the database is away")
    if kind == worker.FAILED:
        raise Failed(content.decode())
    raise Exceeded("memory" if kind == worker.MEMORY else "answer", limits)


# For what takes a moment: a check, a pasted table.
SHORT = Pool(WorkerLimits(memory=GB, answer=16 * MB, cpu_s=20, wall_s=60.0), most=2)
