"""Docker: its daemon, its images, names of containers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from jobs.host.base.config import Config
from jobs.host.checks.results import CheckResult, bad, good
from jobs.host.probe.run_command import run_command

TIMEOUT_S = 10.0


def docker(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Docker is there and its daemon answers."""
    if shutil.which("docker") is None:
        return bad("tool_missing", tool="docker")
    code, output = _ask("version", "--format", "{{.Server.Version}}")
    return good("docker", version=output) if code == 0 else bad("docker_down", problem=output)


def image(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Check that the image ``name`` is on this host. Returns its id (SHA-256 of its configuration)
    too."""
    code, output = _ask("image", "inspect", "--format", "{{.Id}}", args["name"])
    if code == 0:
        return good("image", image=args["name"], id=output)
    missing = "no such" in output.lower()
    return (
        bad("image_missing", image=args["name"]) if missing else bad("docker_down", problem=output)
    )


def container(config: Config, args: Mapping[str, str]) -> CheckResult:
    """No container is called ``name``, so that one can be."""
    code, output = _ask("ps", "-a", "-q", "--filter", f"name=^{args['name']}$")
    if code != 0:
        return bad("docker_down", problem=output)
    return bad("container_there", name=args["name"]) if output else good("container", **args)


def _ask(*arguments: str) -> tuple[int | None, str]:
    """Return docker's exit code (None: it did not run) and its last line of output."""
    answer = run_command(["docker", *arguments], TIMEOUT_S)
    lines = (answer.out if answer.code == 0 else answer.err).strip().splitlines()
    return answer.code, lines[-1][:300] if lines else ""
