"""All that the matrix hits: a dashboard, a simulated host behind proxies, and viewers' way in."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from jobs.base.valkey import socket_of
from jobs.host.base import process
from jobs.host.base.spool import Spool
from jobs.host.run.commands import marked
from tests.api import Api, until
from tests.faults.database import Database
from tests.faults.proxy import Loop, Proxy
from tests.stack import (
    ROOT,
    Stack,
    answered,
    clean_environment,
    command_line,
    copy_static_files,
    free_port,
    make_tables,
    pids_with,
    start_in_terminal,
)

NAME = "sim-va16"
DIES = 64  # the large model has 32, and as many are left
SPEED = 600
LARGE, SMALL = "deepseek-r1", "deepseek-r1-distill-qwen-1.5b"
READY_S = 120.0
# Words that name a process of the simulated host in its command line.
HOST_PROCESSES = {
    "supervisor": "tests.faults.simulated",
    "agent": "jobs.host.agent.agent",
    "worker": "jobs.host.agent.app worker",
}
DISK_MB = 700  # of the small disks


class World(Api):
    """The dashboard's API, and hands on everything around it.

    ``folder`` has a short path. ``with_postgres``: on PostgreSQL instead of SQLite.
    ``small_disks``: the folders of dashboard and host are on disks that can be filled (as root).
    """

    def __init__(self, folder: Path, *, with_postgres: bool, small_disks: bool) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.loop = Loop()
        self.mounts: list[Path] = []
        self.database: Database | None = None
        self.clock, self.host_clock = folder / "clock", folder / "host-clock"
        self.boot_id = folder / "boot-id"
        self.boot_id.write_text(f"{os.urandom(8).hex()}\n")
        self._host: subprocess.Popen[bytes] | None = None
        data = folder / "data"
        data.mkdir(mode=0o700)
        port = free_port()
        own = {**self._clock_environment(self.clock), "DISK_RESERVE": "1M"}  # of small disks
        self.stack = Stack(data, port, own, ("--keep-jobs",))
        self.network = Proxy(self.loop, lambda: port)
        self.browsers = Proxy(self.loop, lambda: port)
        self.notifications = Proxy(self.loop, self._valkey_socket)
        try:
            self._start(with_postgres=with_postgres, small_disks=small_disks)
        except BaseException:
            self.close()
            raise

    def _start(self, *, with_postgres: bool, small_disks: bool) -> None:
        if with_postgres:
            self.database = Database(self.folder / "pg")
            self.stack.environ["DATABASE_URL"] = self.database.url
        if small_disks:
            self._mount(self.stack.data_dir)
            self.host_folder.mkdir()
            self._mount(self.host_folder)
        if not with_postgres:
            make_tables(self.stack.data_dir)
        copy_static_files(self.stack.data_dir)
        self.stack.start()
        self.stack.wait_ready()
        super().__init__(self.stack)
        self.start_host()
        until(self._has_dies, "the simulated host has told of its dies", READY_S)
        self.cookie = self.stack.cookie

    # -- the dashboard ---------------------------------------------------------------------------

    def tell(self, name: str, **arguments: Any) -> Any:
        """Ask the records; again while the database is being replaced."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                return self.stack.call(f"orders.{name}", **arguments)
            except AssertionError as error:
                if "OperationalError" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def restart_stack(self) -> None:
        """Start the dashboard again after its supervisor was killed."""
        self.stack.process.wait(READY_S)
        self.stack.start()
        self.stack.wait_ready()

    def viewer_url(self, job: int) -> str:
        return f"ws://127.0.0.1:{self.browsers.port}/ws/log/job/{job}/"

    def page(self, path: str) -> int:
        """The status of a page, as a person who is logged in gets it; 0 without an answer."""
        return self._get(path)[0]

    def text(self, path: str) -> str:
        return self._get(path)[1]

    def _get(self, path: str) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.stack.url}{path}", headers={"Cookie": self.cookie})
        status, body = answered(request, 20)
        return status, body.decode()

    def log_on_dashboard(self, job: int) -> Path:
        return self.stack.data_dir / "logs" / "job" / f"{job}.log"

    # -- the host --------------------------------------------------------------------------------

    @property
    def host_folder(self) -> Path:
        return self.stack.data_dir / "demo-host"

    def spool(self, job_id: int) -> Path:
        """Folder of this job on the host; in ``aside`` after the host quarantined it."""
        here = self.host_folder / "host" / "spool" / str(job_id)
        aside = sorted((self.host_folder / "host" / "aside").glob(f"*-{job_id}"))
        return here if here.exists() or not aside else aside[-1]

    def start_host(self) -> None:
        environ = {
            **clean_environment(),
            "DATA_DIR": str(self.stack.data_dir),
            **self._clock_environment(self.host_clock),
            "FAULTS_BOOT_ID": str(self.boot_id),
            # The command in the middle of each job, and where it counts, are not the host's own.
            "AGENT_ALLOWED_PATHS": f"default:{self.folder}:{ROOT / 'tests' / 'faults'}",
            "HOST_DISK_RESERVE": "0",  # its small disk is filled to the last byte
        }
        addresses = [f"http://127.0.0.1:{self.network.port}"]
        addresses += [f"redis://127.0.0.1:{self.notifications.port}/0", str(SPEED), str(DIES)]
        command = [sys.executable, "-m", "tests.faults.simulated", *addresses]
        self._host = start_in_terminal(command, environ, self.folder / "host.terminal")

    def host_process(self, name: str) -> int:
        """The process id of one of ``HOST_PROCESSES``; 0 while it is not there."""
        if name == "supervisor":
            return self._host.pid if self._host.poll() is None else 0
        for pid in process.descendants(self._host.pid):
            if HOST_PROCESSES[name] in command_line(pid):
                return pid
        return 0

    def kill_host_supervisor(self) -> None:
        """The kernel kills its children with it; launchers and containers live on."""
        below = process.descendants(self._host.pid)
        names = (HOST_PROCESSES["agent"], HOST_PROCESSES["worker"])
        ours = [pid for pid in below if any(name in command_line(pid) for name in names)]
        self._host.kill()
        self._host.wait(READY_S)
        until(lambda: not any(map(process.is_running, ours)), "the host's processes are gone")

    def kill_host_whole(self) -> None:
        """Every process of the host at once, as when its power goes."""
        mark = f"STANDIN_STATE={self.host_folder / 'state'}"

        def running() -> list[int]:
            return [pid for pid in pids_with(mark) if process.is_running(pid)]

        deadline = time.monotonic() + READY_S
        while (pids := running()) and time.monotonic() < deadline:
            for pid in pids:
                process.send(pid, signal.SIGKILL)
        self._host.kill()
        self._host.wait(READY_S)

    def docker(self, *args: str) -> str:
        environ = os.environ | {"STANDIN_STATE": str(self.host_folder / "state")}
        program = ROOT / "simulator" / "bin" / "docker"
        done = subprocess.run([program, *args], env=environ, capture_output=True, text=True)
        return done.stdout

    def containers(self) -> list[str]:
        return sorted(self.docker("ps", "-a", "-q").split())

    def processes_of(self, job: int) -> list[int]:
        """Processes of a job: its launcher, its commands, all that they started."""
        path = self.spool(job)
        pids = [pid for pid in marked(path) if process.is_running(pid)]
        return pids + ([0] if Spool(path).is_running() else [])

    def free_dies(self) -> list[str]:
        dies: list[str] = self.tell("host_state", host=NAME)["free"]
        return dies

    def is_away(self) -> bool:
        return bool(self.tell("host_state", host=NAME)["away"])

    def is_well(self) -> bool:
        """Everything runs: dashboard healthy, its children and the host's there, no fault set."""
        if self.stack.health()[0] != 200:
            return False
        children = self.stack.children()
        wanted = ("valkey", "web", "dashboard worker", "scheduler")
        return (
            all(name in children for name in wanted)
            and all(map(self.host_process, HOST_PROCESSES))
            and not self.is_away()
        )

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        if self._host is not None:
            for container in self.containers():
                self.docker("rm", "-f", container)
            self._host.send_signal(signal.SIGCONT)
            self._host.send_signal(signal.SIGINT)
            _wait(self._host)
            self.kill_host_whole()
        if self.stack.process is not None:
            self.stack.process.send_signal(signal.SIGCONT)
            self.stack.stop()
        for proxy in (self.network, self.browsers, self.notifications):
            proxy.close()
        self.loop.close()
        if self.database is not None:
            self.database.close()
        for mount in reversed(self.mounts):
            subprocess.run(["umount", "--lazy", str(mount)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- inner -----------------------------------------------------------------------------------

    def _mount(self, folder: Path) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "none", str(folder)]
        subprocess.run(command, check=True)
        self.mounts.append(folder)

    def _clock_environment(self, file: Path) -> dict[str, str]:
        return {"FAULTS_CLOCK": str(file), "PYTHONPATH": str(ROOT / "tests" / "faults" / "clock")}

    def _valkey_socket(self) -> Path:
        run = json.loads((self.stack.data_dir / "run.json").read_text())
        return Path(socket_of(run["environ"]["REDIS_URL"]))

    def _has_dies(self) -> bool:
        hosts = [host for host in self.ask("hosts")["hosts"] if host["name"] == NAME]
        return bool(hosts) and len(hosts[0]["facts"].get("dies", ())) == DIES


def may_mount() -> bool:
    """Return true if small disks can be made here: as root, where mounting is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def _wait(ended: subprocess.Popen[bytes]) -> None:
    try:
        ended.wait(60)
    except subprocess.TimeoutExpired:
        ended.kill()
        ended.wait(10)
