"""The client alone, installed from the dashboard without a package index, in another folder."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

RESULTS = """
from tests.factories import make_measured
from tests.comparing import OTHER
from tests.measuring import SERVE, make_measuring_host, measured, served
host = make_measuring_host()
sides = [[measured(served(host, argv), points=((1, rate),)) for rate in rates]
         for argv, rates in ((SERVE, (100, 101, 99)), (OTHER, (80, 81, 79)))]
scores = [make_measured(scores=[1] * 400, label=label) for label in ("a", "b")]
print(*[",".join(f"res-{run.pk}" for run in side) for side in sides])
print(*[f"res-{one.pk}" for one in scores])
"""


@pytest.fixture
def vacc(shared, tmp_path):
    """Run the installed command; return exit code and output."""
    url, place = shared.stack.url, tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    install = ["install", "-q", "--no-index", "--find-links", f"{url}/client/", "vacc-client"]
    subprocess.run([place / "bin" / "python", "-m", "pip", *install], check=True, cwd=tmp_path)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    def run(*arguments, **more):
        done = subprocess.run(
            [place / "bin" / "vacc", *arguments],
            **{"cwd": tmp_path, "capture_output": True, "env": environ | more},
        )
        return done.returncode, done.stdout, done.stderr.decode()

    return run


def test_the_client_goes_from_login_to_a_customers_report(shared, vacc, tmp_path):
    token = shared.stack.run_command("create_token", "admin", "--scope", "launch").strip()
    code, text, problem = vacc("login", shared.stack.url, VACC_TOKEN=token)
    assert (code, problem) == (0, "")
    assert text.startswith(b"admin, scope launch.")

    code, text, problem = vacc("launch", "prepare", "-p", "what=environment", "--wait", "--json")
    assert (code, problem) == (0, "")
    job = json.loads(text)

    code, text, _problem = vacc("follow", str(job["id"]))
    assert code == 0
    assert text == shared.raw(f"jobs/{job['id']}/log?from=0")

    code, text, problem = vacc("download", str(job["id"]), "--to", "files", "--json")
    assert (code, problem) == (0, "")
    sums = {
        hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        for path in json.loads(text)["files"]
    }
    assert sums == {one["sha256"] for one in job["outputs"]}

    speed, accuracy = shared.stack.shell(RESULTS).strip().splitlines()[-2:]
    (base, slower), (one, other) = speed.split(), accuracy.split()
    gate = ["gate", slower, "--baseline", base, "--max-loss"]
    gates = [vacc(*gate, most) for most in ("40", "5", "20")]
    assert [code for code, _text, _problem in gates] == [0, 3, 4], gates
    assert vacc("parity", other, "--base", one, "--gate")[0] == 0

    code, _text, problem = vacc("report", other, "--customer", "-o", "report.html")
    assert (code, problem) == (0, "")
    assert re.match("<!doctype html>", (tmp_path / "report.html").read_text(), re.I)
