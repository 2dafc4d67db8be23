"""Jobs that are hit in their middle, and their needs on the simulated host."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api import until
from tests.faults.world import LARGE, NAME, SMALL, World

FLOOD = Path(__file__).with_name("flood.py")
FIRST_MB, LAST_MB = 8, 2
# Jobs of the pipelines that no middle needs.
PYTORCH_WITHOUT = ["throughput", "latency", "online", "evaluation"]
BUILD_IN_WITHOUT = ["deployment-int8", "benchmark-int8", "evaluation-int8"]


@dataclass
class Middle:
    """Launches jobs whose middle prints without end until its gate is opened."""

    world: World
    count: int = 0
    lines: int = 2  # in each twentieth of a second, while it waits
    compiled: dict[str, Any] = field(default_factory=dict)

    def prepare(self, kinds: set[str]) -> None:
        """Bring what jobs of these kinds need; "prepare" alone needs nothing."""
        if kinds & {"benchmark", "evaluate"}:
            self._pipeline("pytorch", LARGE, PYTORCH_WITHOUT)
        if kinds & {"compile", "deploy"}:
            jobs = self._pipeline("build-in", SMALL, BUILD_IN_WITHOUT)
            self.compiled = next(job["params"] for job in jobs if job["kind"] == "compile-vacc")

    def serve_again(self) -> None:
        """The large model's server, where a case ended it."""
        if self._served() is None:
            job = self.world.ended(
                self.world.tell(
                    "launch",
                    host=NAME,
                    kind="deploy-vllm",
                    params={"stack": "guide", "weights": self._large(), "port": 0},
                    command=[sys.executable, "-c", ""],
                )
            )
            if job["state"] != "succeeded":
                raise AssertionError(f"the large model is not served: {job['message']}")

    def launch(self, kind: str, counter: Path, gate: Path) -> int:
        self.count += 1
        name, params = self._params(kind)
        sizes = [str(FIRST_MB), str(LAST_MB), str(self.lines)]
        command = [sys.executable, str(FLOOD), str(counter), str(gate), *sizes]
        params = {"stack": "guide", **params}
        number: int = self.world.tell(
            "launch", host=NAME, kind=name, params=params, command=command
        )
        return number

    def stop_deployment_of(self, job: int) -> None:
        """Stop the server that a job left, and wait until it is gone."""
        world = self.world

        def live() -> list[dict[str, Any]]:
            rows = world.ask("deployments")["deployments"]
            return [row for row in rows if row["job"] == job and row["state"] in LIVE]

        for row in live():
            world.ask(f"deployments/{row['id']}/stop", {})
        until(lambda: not live(), f"the deployment of job {job} is stopped")

    def _params(self, kind: str) -> tuple[str, dict[str, Any]]:
        if kind == "prepare":
            return "prepare-weights", {"model": SMALL}
        if kind == "compile":
            return "compile-vacc", {**self.compiled, "name": f"faults-{self.count}"}
        if kind == "deploy":
            return "deploy-build-in", {"artifact": self._artifact()}
        if kind == "benchmark":
            # Beside the server that evaluations ask, which does not end by itself.
            return "benchmark-latency", {"weights": self._large(), "exclusive": False}
        self.serve_again()
        return "evaluate-opencompass", {"deployment": str(self._served())}

    def _pipeline(self, pipeline: str, model: str, without: list[str]) -> list[dict[str, Any]]:
        numbers = self.world.tell(
            "pipeline", host=NAME, pipeline=pipeline, model=model, without=without
        )
        jobs = [self.world.ended(number) for number in numbers]
        bad = [job["message"] for job in jobs if job["state"] != "succeeded"]
        if bad:
            raise AssertionError(f"pipeline {pipeline} failed: {bad}")
        return jobs

    def _large(self) -> str:
        key: str = self.world.tell("asset", table="Weights", like="DeepSeek-R1'")
        return key

    def _artifact(self) -> str:
        key: str = self.world.tell("asset", table="Artifact", like="")
        return key

    def _served(self) -> int | None:
        rows = self.world.ask("deployments?state=ready")["deployments"]
        ids = [row["id"] for row in rows if row["model"] == LARGE]
        return ids[0] if ids else None


LIVE = ("waiting", "loading", "ready", "unhealthy", "stopping")
