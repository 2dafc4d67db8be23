"""Commands of a launcher: what its end kills, and what it spares."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

LOOKS = """
import subprocess, sys
from pathlib import Path
from jobs.host.run.commands import Commands

commands = Commands(Path(sys.argv[1]), 1)
server = subprocess.Popen(["sh", "-c", "while :; do sleep 0.02; done"])
commands.spare(server.pid)
seen = [pid for _ in range(200) for pid in commands._left()]
server.kill()
print(seen)
"""


def test_what_a_spared_server_starts_meanwhile_is_spared(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LOOKS, tmp_path], capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"
