"""Run a simulated VACC host until Ctrl-C: mock commands, fast clock. Its jobs and results are
marked simulated."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from dashboard.config.host_env import write_own_host
from dashboard.management import base
from jobs.host.agent.supervisor import Child, Supervisor
from jobs.host.agent.worker import children
from jobs.host.base.config import load, read_env_file
from jobs.host.retain import stop_everything
from jobs.models import Host

NAME = "sim-va16"
SIMULATOR = Path(settings.BASE_DIR) / "simulator"
SLOTS = 8
GRACE_S = 10.0
# 642 GiB become 7 MB.
SCALE = "1e-05"
# Servers of This computer have 20000 to 20999.
PORTS = "21000-21999"


class Command(base.PlainCommand):
    arguments = (
        base.Arg("--dies", type=int, default=32),
        base.Arg("--speed", "simulated seconds per real second", type=float, default=60.0),
        base.Arg("--faults", "fault names, separated by commas: see the README of stand-ins"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        own = settings.DATA_DIR / "host" / "host.env"
        if not own.exists():
            raise CommandError("Start the dashboard first: make run")
        folder = settings.DATA_DIR / "demo-host"
        if not SIMULATOR.is_dir():
            raise CommandError(
                f"{SIMULATOR} is not here: a simulated host needs the whole sources."
            )
        file = _write_settings(folder, read_env_file(own))
        os.environ.update(_environment(folder, options))  # for the processes of the host
        made = [str(SIMULATOR / "furnish.py"), str(folder / "root"), str(folder / "workspace")]
        subprocess.run([sys.executable, *made, str(options["dies"])], check=True)
        config = load(file=file)
        dockerd = [str(SIMULATOR / "bin" / "dockerd")]
        docker = Child("the stand-in of docker", dockerd, env={}, cwd=folder)
        self._say(f"{NAME}: {options['dies']} simulated dies; Ctrl-C ends it.")
        # Jobs of a real host outlive its supervisor; these have nothing left to run in.
        stop = partial(stop_everything, config.dir, GRACE_S)
        sys.exit(Supervisor([docker, *children(config)], self._say, before_stop=stop).run())

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _write_settings(folder: Path, own: dict[str, str]) -> Path:
    for name in ("host", "root", "state", "workspace"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lines = {
        "DASHBOARD_URL": own["DASHBOARD_URL"],
        "HOST_DIR": str(folder / "host"),
        "HOST_ROOT": str(folder / "root"),
        "HOST_WORKSPACE": str(folder / "workspace"),
        "HOST_MODIFICATION_DIR": str(folder / "workspace" / "build_in" / "source_code"),
        "HOST_REGISTRY": "registry.simulated",
        "HOST_PORTS": PORTS,
        "HOST_SCALE": SCALE,
        "WHEELS_DIR": own.get("WHEELS_DIR", ""),
    }
    return write_own_host(
        NAME,
        Host.Type.SIMULATED,
        secret="demo_host_key",  # noqa: S106 -- a file name
        folder=folder,
        lines=lines,
        slots=SLOTS,
    )


def _environment(folder: Path, options: Mapping[str, Any]) -> dict[str, str]:
    """Stand-ins first in the PATH, and what they go by."""
    first = (SIMULATOR / "bin", folder / "root" / "root" / "miniconda3" / "bin")
    path = (*map(str, first), os.environ.get("PATH", os.defpath))
    return {
        "PATH": os.pathsep.join(path),
        "STANDIN_STATE": str(folder / "state"),
        "STANDIN_ROOT": str(folder / "root"),
        "STANDIN_SCALE": SCALE,
        "STANDIN_SPEED": f"{options['speed']:g}",
        "STANDIN_FAULTS": options["faults"],
    }
