"""A command that make starts takes over make's process id."""

import subprocess

import pytest

from tests.host.conftest import REPOSITORY
from tests.waiting import until


@pytest.mark.parametrize("target", ["run", "worker", "demo-host"])
def test_who_stops_make_stops_what_it_started(target, tmp_path):
    # systemd, nohup and kill know the process id of make alone.
    python = tmp_path / "python"
    trap = f"trap 'touch {tmp_path}/ended; exit' TERM"
    python.write_text(f"#!/bin/sh\n{trap}\ntouch {tmp_path}/begun\nwhile :; do sleep 0.05; done\n")
    python.chmod(0o755)
    command = ["make", target, "ENV=host.env", f"PYTHON={python}"]
    make = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    until((tmp_path / "begun").exists)

    make.terminate()

    until((tmp_path / "ended").exists)
    make.wait()
