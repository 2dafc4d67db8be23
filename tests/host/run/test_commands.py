"""Commands of a launcher: what its end kills, and what it spares."""

import os
import stat
import subprocess
import sys

import pytest

from jobs.host.run.commands import UMASK

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


MAKES = """
import os, sys
from pathlib import Path
from jobs.host.run.commands import Commands

os.umask(0o077)
commands = Commands(Path(sys.argv[1]), 1)
pid = commands.start(("touch", sys.argv[1] + "/made"), os.environ, Path(sys.argv[1]))
while commands.exit_code(pid) is None:
    commands.wait()
Path(sys.argv[1], "own").touch()
"""


@pytest.mark.parametrize(("given", "mode"), [("022", 0o644), ("", 0o600), ("x", 0o600)])
def test_commands_have_the_umask_of_the_start(tmp_path, given, mode):
    environ = {**os.environ, UMASK: given}
    subprocess.run([sys.executable, "-c", MAKES, tmp_path], check=True, env=environ)

    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "own")}
    assert modes == {"made": mode, "own": 0o600}


def test_what_a_spared_server_starts_meanwhile_is_spared(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LOOKS, tmp_path], capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"
