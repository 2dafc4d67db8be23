"""A simulated VACC host beside a real dashboard, in real processes: one for all tests that use it.

Each full pipeline runs on it once: from a browser where those tests run, else from a terminal.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from simulator.lib import world
from tests.api import Api, until
from tests.stack import ROOT, clean_environment, running
from tests.waiting import PATIENCE_S

NAME = "sim-va16"
DIES = 32
SPEED = 600
DOCKER = ROOT / "simulator" / "bin" / "docker"
LARGE, SMALL = "deepseek-r1", "deepseek-r1-distill-qwen-1.5b"


class SimulatedHost(Api):
    def __init__(self, stack):
        super().__init__(stack)
        self.pipelines = {}

    @property
    def folder(self):
        """All of the host: its spool, workspace and state."""
        return self.stack.data_dir / "demo-host"

    def spool(self, job_id):
        return self.folder / "host" / "spool" / str(job_id)

    def launch(self, kind, **params):
        """Launch a job of the guide's stack there; its number."""
        body = {"kind": kind, "host": NAME, "params": {"stack": "guide", **params}}
        return self.ask("jobs", body)["id"]

    def launch_pipeline(self, pipeline, model, without=()):
        """Launch a pipeline without the jobs named in ``without``; return the jobs' numbers."""
        chosen = {"pipeline": pipeline, "model": model, "without": without}
        return self.stack.call("orders.pipeline", host=NAME, **chosen)

    def break_(self, *faults):
        """From now on these go wrong, and no others."""
        world.write(self.folder / "state" / "faults.json", json.dumps(faults))
        wanted = f"intel_iommu={'on' if 'iommu_on' in faults else 'off'}"
        kernel = self.folder / "root" / "proc" / "cmdline"
        until(lambda: wanted in kernel.read_text(), "the made-up kernel has the setting")
        if "die_vanished" not in faults:
            dies = self.folder / "root" / "dev"
            until(lambda: len(list(dies.glob("vacc*"))) == DIES, "the made-up kernel has its dies")

    def docker(self, *arguments):
        environ = os.environ | {"STANDIN_STATE": str(self.folder / "state")}
        done = subprocess.run([DOCKER, *arguments], env=environ, capture_output=True, text=True)
        return done.stdout

    def containers(self):
        return self.docker("ps", "-a", "-q").split()

    def asset(self, table, like):
        """Key of the one asset whose text has ``like``, as Params hold it."""
        return self.stack.call("orders.asset", table=table, like=like)

    def deployments(self):
        """Those that are ready, the newest first."""
        return self.ask("deployments?state=ready")["deployments"]

    def pipeline(self, pipeline, model, without=()):
        """Return numbers of a pipeline's jobs. Launch the pipeline unless a test already did."""
        if (pipeline, model) not in self.pipelines:
            self.pipelines[pipeline, model] = self.launch_pipeline(pipeline, model, without)
        return self.pipelines[pipeline, model]

    def stop_all(self):
        """Stop all deployments, and wait until they are gone."""
        for deployment in self.deployments():
            self.ask(f"deployments/{deployment['id']}/stop", {})
        until(lambda: not self.deployments() and not self.containers(), "nothing is deployed")


def has_dies(api):
    """True once the host has reported all its dies."""
    hosts = [host for host in api.ask("hosts")["hosts"] if host["name"] == NAME]
    return hosts and len(hosts[0]["facts"].get("dies", ())) == DIES


@pytest.fixture(scope="session")
def simulated(tmp_path_factory, pytestconfig):
    toured = pytestconfig.getoption("--toured")
    # No test waits ten minutes for a stalled download.
    with running(tmp_path_factory.mktemp("sim") / "data", environ={"STALLED_AFTER": "4s"}) as stack:
        command = [sys.executable, "manage.py", "demo_host", "--speed", str(SPEED)]
        environ = clean_environment() | {
            "DATA_DIR": str(stack.data_dir),
            # EvalScope is in the folder of another stack, maybe that of a run beside this one.
            "AGENT_ALLOWED_PATHS": ":".join(
                ("default", str(toured.parent if toured else tmp_path_factory.getbasetemp()))
            ),
        }
        with (stack.data_dir.with_name("host.terminal")).open("wb") as terminal:
            simulated = subprocess.Popen(
                command, cwd=ROOT, env=environ, stdout=terminal, stderr=terminal
            )
        api = SimulatedHost(stack)
        try:
            until(lambda: has_dies(api), "the simulated host has told of its dies")
            yield api
        finally:
            # Containers outlive the daemon, as real ones may.
            for container in api.containers():
                api.docker("rm", "-f", container)
            simulated.send_signal(signal.SIGINT)
            simulated.wait(PATIENCE_S)
