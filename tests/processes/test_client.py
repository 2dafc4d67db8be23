"""The client alone, installed from the dashboard without a package index, in another folder."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from jobs.catalog import QUESTION_SETS
from tests.jobs.lib import scripted_engine

pytestmark = pytest.mark.processes

PERMIT = "from jobs.access import sources; sources.add('endpoint', '{url}', user=None)"
# Seconds a token: the two speeds differ by more than what a busy machine adds.
FAST_S, SLOW_S = 0.01, 0.03
LOAD = ("concurrency=[1]", "requests=2", "output_tokens=16")
BASICS = QUESTION_SETS["basics"].questions


def correct(text):
    return next(one.answers[0] for one in BASICS if one.question in text)


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


@pytest.fixture
def served(with_evalscope):
    """An engine, and its key in launches as an endpoint of the dashboard."""
    with scripted_engine.engine() as engine:
        with_evalscope.stack.shell(PERMIT.format(url=engine.url))
        about = {"name": "H800", "url": engine.url, "device": "H800"}
        yield engine, f"endpoint:{with_evalscope.ask('endpoints', about)['id']}"


@pytest.fixture
def launched(vacc, served):
    """Launch a job of the engine with the client, wait for its end; its answer."""

    def launch(kind, *params):
        words = [word for one in (f"deployment={served[1]}", *params) for word in ("-p", one)]
        code, text, problem = vacc("launch", kind, *words, "--wait", "--json")
        assert (code, problem) == (0, ""), text
        return json.loads(text)

    return launch


def test_the_client_goes_from_login_to_a_customers_report(shared, served, vacc, launched, tmp_path):
    token = shared.stack.run_command("create_token", "admin", "--scope", "launch").strip()
    code, text, problem = vacc("login", shared.stack.url, VACC_TOKEN=token)
    assert (code, problem) == (0, "")
    assert text.startswith(b"admin, scope launch.")

    engine, speeds = served[0], {}
    for engine.pause_s in (SLOW_S, FAST_S):
        speeds[engine.pause_s] = [launched("benchmark", *LOAD) for _ in range(3)]
    slow, fast = (",".join(job["result"] for job in speeds[one]) for one in (SLOW_S, FAST_S))
    job = speeds[FAST_S][-1]

    code, text, _problem = vacc("follow", str(job["id"]))
    assert code == 0
    assert text == shared.raw(f"jobs/{job['id']}/log?from=0")

    met = vacc("gate", fast, "--baseline", slow, "--max-loss", "5")
    not_met = vacc("gate", slow, "--baseline", fast, "--max-loss", "5")
    one_run = vacc("gate", job["result"], "--baseline", slow, "--max-loss", "5")
    assert [met[0], not_met[0], one_run[0]] == [0, 3, 4], (met, not_met, one_run)

    engine.reply = correct
    one, other = (launched("evaluate")["result"] for _ in range(2))
    code, text, _problem = vacc("parity", other, "--base", one, "--margin", "5", "--gate")
    assert code == 0, text

    code, text, problem = vacc("download", str(job["id"]), "--to", "files", "--json")
    assert (code, problem) == (0, "")
    sums = {
        hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        for path in json.loads(text)["files"]
    }
    assert sums == {one["sha256"] for one in job["outputs"]} != set()

    code, _text, problem = vacc(
        "report", *fast.split(","), "--profile", "customer", "-o", "report.html"
    )
    assert (code, problem) == (0, "")
    assert re.match("<!doctype html>", (tmp_path / "report.html").read_text(), re.I)
