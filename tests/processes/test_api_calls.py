"""The calls in the guide, as somebody would paste them."""

import os
import re
import subprocess
import sys

import pytest

from tests.stack import ROOT

pytestmark = pytest.mark.processes

PAGE = (ROOT / "docs" / "use" / "api.md").read_text()
SECTION = PAGE[PAGE.index("## Ten calls") : PAGE.index("## Rules")]


@pytest.fixture
def environ(api):
    token = api.stack.run_command("create_token", "admin", "--scope", "launch").strip()
    return os.environ | {"DASHBOARD": api.stack.url, "TOKEN": token}


def test_the_calls_of_the_guide_work_in_a_shell(environ, tmp_path):
    first, *calls = re.findall(r"```sh\n(.*?)```", SECTION, re.S)
    helper = first.split("\n", 1)[1]  # without the line that names address and token
    script = "\n".join(("set -e -o pipefail", helper, *calls))

    done = subprocess.run(
        ["bash", "-c", script], env=environ, cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(calls) >= 10
    assert '"succeeded"' in done.stdout
    assert "event: end" in done.stdout


def test_the_calls_of_the_guide_work_in_python(environ, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.S)

    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("succeeded ")
