"""The documented systemd unit of the dashboard."""

import re
import shutil
import subprocess

import pytest

from tests.stack import ROOT


def unit(page):
    (text,) = re.findall(r"```ini\n(.*?)```", (ROOT / "docs/run" / page).read_text(), re.DOTALL)
    return text


def test_the_unit_is_sandboxed(tmp_path):
    if (program := shutil.which("systemd-analyze")) is None:
        pytest.skip("no systemd-analyze: apt install systemd")
    file = tmp_path / "vacc-dashboard.service"
    file.write_text(unit("large.md"))

    command = [program, "security", "--offline=true", "--threshold=30", "--no-pager", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "UMask=0077\n" in file.read_text()


def test_both_languages_have_the_same_unit():
    english, chinese = (
        [line for line in unit(page).splitlines() if not line.startswith("#")]
        for page in ("large.md", "large.zh.md")
    )
    assert english == chinese
