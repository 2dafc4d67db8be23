"""A former name of a host's setting is refused with the present one."""

import subprocess
import sys
from pathlib import Path

import pytest
from jobs.host.base.renamed import RENAMED

from jobs.host.base.config import ConfigError, load
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
NAMES = [("HOST_PROGRAMS", "AGENT_ALLOWED_PROGRAMS"), ("HOST_ROOTS", "AGENT_ALLOWED_PATHS")]


@pytest.fixture
def values(tmp_path):
    return {
        "HOST_NAME": "rack-1",
        "DASHBOARD_URL": "http://10.0.0.5:8000",
        "REDIS_URL": "redis://10.0.0.5:6379/0",
        "HOST_KEY": "k",
        "HOST_DIR": str(tmp_path / "host"),
    }


def test_every_present_name_is_a_setting(values):
    assert set(RENAMED.values()) <= set(load(values).as_environment())
    assert list(RENAMED.items()) == NAMES


@pytest.mark.parametrize(("old", "new"), NAMES)
def test_a_former_name_in_the_environment_is_refused(values, old, new):
    with pytest.raises(ConfigError, match=f"^{old} is now called {new}\\."):
        load({**values, old: "default"})

    assert load({**values, old: ""}).allowed_programs == ()


@pytest.mark.parametrize(("old", "new"), NAMES)
def test_a_former_name_in_host_env_is_refused(values, tmp_path, old, new):
    file = tmp_path / "host.env"
    file.write_text(f"# from an earlier release\n{old}=default\n")

    with pytest.raises(ConfigError, match=f"^{old} is now called {new}\\."):
        load(values, file=file)


@pytest.mark.parametrize("program", ["worker", "agent"])
def test_the_program_ends_with_the_message(values, tmp_path, program):
    file = tmp_path / "host.env"
    lines = {**values, "HOST_PROGRAMS": "default"}
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    ended = subprocess.run(
        [sys.executable, "-m", f"jobs.host.agent.{program}", "--env", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert ended.returncode == 2
    assert "HOST_PROGRAMS is now called AGENT_ALLOWED_PROGRAMS." in ended.stderr
