"""Log lines as vLLM and uvicorn write them, of both generations."""

import os
import sys
import time

from simulator.lib import bars, world


class Log:
    """Writes lines. ``version`` decides their form; what uvicorn says goes to stderr."""

    def __init__(self, version: str, process: str = "APIServer") -> None:
        self.version = version
        self.is_old = version.startswith("0.7")
        self.process = process
        self.pid = os.getpid()
        self.core_pid, self.worker_pid = self.pid + 141, self.pid + 300

    def line(
        self,
        text: str,
        where: str = "",
        *,
        process: str = "",
        pid: int = 0,
        level: str = "INFO",
    ) -> None:
        """One line of vLLM's logger (stdout); each line of ``text`` has its own head."""
        now = time.strftime("%m-%d %H:%M:%S")
        number = pid or self.pid
        if self.is_old:
            head = f"{level} {now} {where}] "
            # Only workers print their names.
            head = f"({process} pid={number}) {head}" if process else head
        else:
            head = f"({process or self.process} pid={number}) {level} {now} [{where}] "
        for part in text.split("\n"):
            world.out(head + part)

    def core(self, text: str, where: str, level: str = "INFO") -> None:
        """A line of the engine's process, which only the current one names."""
        who = "" if self.is_old else "EngineCore_DP0"
        self.line(text, where, process=who, pid=self.core_pid, level=level)

    def worker(self, text: str, where: str, level: str = "INFO") -> None:
        """A line of the first worker, which only the current one names."""
        who = "" if self.is_old else "Worker_TP0"
        self.line(text, where, process=who, pid=self.worker_pid, level=level)

    def plain(self, text: str, *, process: str = "", pid: int = 0) -> None:
        """A line that is no log record (stderr); 0.17 puts the process's name before it."""
        head = "" if self.is_old else f"({process or self.process} pid={pid or self.pid}) "
        sys.stderr.write("".join(f"{head}{part}\n" for part in text.split("\n")))
        sys.stderr.flush()

    def access(self, peer: str, method: str, path: str, status: int, reason: str) -> None:
        """uvicorn's access line (stdout)."""
        head = "" if self.is_old else f"({self.process} pid={self.pid}) "
        world.out(f'{head}INFO:     {peer} - "{method} {path} HTTP/1.1" {status} {reason}')

    def shard(self, done: int, total: int, seconds: float) -> None:
        """The progress of loading (stderr), a line of its own each time."""
        share = 100 * done // total
        left = bars.clock(seconds / done * (total - done)) if done else "?"
        rate = bars.rate(done, seconds, "it")
        text = (
            f"Loading safetensors checkpoint shards: {share:3d}% Completed | {done}/{total} "
            f"[{bars.clock(seconds)}<{left}, {rate if done else '?it/s'}]"
        )
        self.plain(text, process="Worker_TP0", pid=self.worker_pid)

    def traceback(self, sort: str, message: str, *, process: str = "", pid: int = 0) -> None:
        """A traceback, shortened to its ends."""
        self.plain(
            "Traceback (most recent call last):\n"
            f'  File "/usr/local/bin/vllm", line 8, in <module>\n    sys.exit(main())\n'
            f"{sort}: {message}",
            process=process,
            pid=pid,
        )
