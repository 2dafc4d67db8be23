"""The stand-in docker: its own words, and containers that are real processes."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from tests.simulator.conftest import VVI
from tests.simulator.host import Host
from tests.waiting import until

GUIDE = ["--ipc=host", "--rm", "-dit", "--shm-size=256g", "--network", "host", "--privileged"]
SECONDS = f"6{os.getpid()}"  # the list has all processes of the machine: no other sleeps as long


def container(host: Host, name: str = "one", *more: str) -> None:
    mount = f"{host.workspace}:/test"
    done = host.run(
        "docker", "run", *GUIDE, "-v", mount, *more, f"--name={name}", "vllm_vacc", "bash"
    )
    assert done.returncode == 0, done.stderr


def sleeps(host: Host) -> bool:
    """Return True while the container's process runs; the client's own line does not count."""
    listed = host.run("docker", "exec", "one", "ps", "aux").stdout.splitlines()
    commands = [line.split(maxsplit=10)[-1] for line in listed]
    return f"{shutil.which('sleep')} {SECONDS}" in commands


def test_without_its_daemon_docker_tells_its_version_alone(host):
    done = host.run("docker", "ps")

    assert done.returncode == 1
    assert done.stderr == (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
        "Is the docker daemon running?\n"
    )
    assert host.run("docker", "--version").stdout == "Docker version 26.1.3, build b72abbb\n"


@pytest.mark.parametrize(
    ("argv", "message", "code"),
    [
        (["run", "--nope", "x"], "unknown flag: --nope\nSee 'docker run --help'.", 125),
        (["ps", "-z"], "unknown shorthand flag: 'z' in -z\nSee 'docker ps --help'.", 125),
        (["run"], '"docker run" requires at least 1 argument.', 1),
        (["frobnicate"], "docker: 'frobnicate' is not a docker command.", 1),
        (["cp", "a"], '"docker cp" requires exactly 2 arguments.', 1),
        (["run", "--name"], "flag needs an argument: --name", 125),
    ],
)
def test_a_wrong_command_line_is_refused_in_dockers_words(host, argv, message, code):
    done = host.run("docker", *argv)

    assert (done.returncode, done.stderr.startswith(message)) == (code, True), done.stderr


DAEMON = "Error response from daemon: "


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (
            *("run -d foo", 125),
            "Unable to find image 'foo:latest' locally\nlatest: Pulling from library/foo\n"
            f"docker: {DAEMON}pull access denied for foo, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied\n"
            "See 'docker run --help'.\n",
        ),
        ("login --password-stdin x:5000", 1, "Must provide --username with --password-stdin\n"),
        ("run -dit --name one vllm_vacc bash", 125, 'The container name "/one" is already in use'),
        ("exec gone ls", 1, f"{DAEMON}No such container: gone\n"),
        ("exec one frobnicate", 127, 'exec: "frobnicate": executable file not found in $PATH'),
        (
            *("cp one:/nowhere/r.json .", 1),
            f"{DAEMON}Could not find the file /nowhere/r.json in container one\n",
        ),
        ("image inspect --format {{.Id}} gone", 1, f"{DAEMON}No such image: gone:latest\n"),
    ],
)
def test_what_is_not_there_or_not_free_is_refused_in_dockers_words(
    docker_host, argv, code, message
):
    container(docker_host)

    done = docker_host.run("docker", *argv.split())

    assert (done.returncode, message in done.stderr) == (code, True), done.stderr


def test_a_shell_without_a_terminal_ends_at_once(docker_host):
    docker_host.run("docker", "run", "-d", "--name", "two", "vllm_vacc", "bash")

    until(lambda: _state(docker_host, "two") == "exited")


def test_a_mount_is_visible_inside_and_other_files_stay_there(docker_host):
    (docker_host.workspace / "note.txt").write_text("hello")
    container(docker_host)

    content = docker_host.run("docker", "exec", "one", "cat", "/test/note.txt").stdout
    docker_host.run("docker", "exec", "one", "mkdir", "-p", "/workspace/models/benchmark_result")
    into = docker_host.run("docker", "cp", "note.txt", "one:/workspace/models/benchmark_result")
    copied = docker_host.run("docker", "cp", "one:/workspace/models/benchmark_result", "fetched")

    assert content == "hello"
    assert (into.returncode, copied.returncode) == (0, 0)
    assert (docker_host.workspace / "fetched/note.txt").read_text() == "hello"


def test_labels_and_formats_find_a_container(docker_host):
    container(docker_host, "one", "--label", "vacc.job=7")

    shape = '{{.Names}} {{.Label "vacc.job"}}'
    named = docker_host.run("docker", "ps", "--filter", "label=vacc.job=7", "--format", shape)
    other = docker_host.run("docker", "ps", "-q", "--filter", "label=vacc.job=8")
    exact = docker_host.run("docker", "ps", "-a", "-q", "--filter", "name=^on$")

    assert (named.stdout, other.stdout, exact.stdout) == ("one 7\n", "", "")


def test_a_foreground_client_passes_sigterm_on_and_a_killed_one_leaves_its_container(docker_host):
    for name, number, code in (("fg", signal.SIGKILL, -9), ("other", signal.SIGTERM, 143)):
        argv = ("docker", "run", "--name", name, "vllm_vacc", "sleep", "600")
        with docker_host.started(*argv) as client:
            until(lambda name=name: _state(docker_host, name) == "running")
            client.popen.send_signal(number)
            assert client.wait() == code
    assert _state(docker_host, "fg") == "running"


def test_exec_passes_no_signal_on_and_removing_by_force_ends_every_process(docker_host):
    container(docker_host)

    with docker_host.started("docker", "exec", "one", "sleep", SECONDS) as client:
        until(lambda: sleeps(docker_host))
        client.popen.send_signal(signal.SIGTERM)
        client.wait()

    assert sleeps(docker_host)
    with docker_host.started("docker", "exec", "one", "sleep", SECONDS) as client:
        until(lambda: sleeps(docker_host))
        assert docker_host.run("docker", "rm", "-f", "one").returncode == 0
        assert client.wait() == 137
    assert docker_host.run("docker", "ps", "-a", "-q").stdout == ""


def test_containers_outlive_the_daemon_and_a_new_one_knows_them(host):
    with host.started("dockerd"):
        until(lambda: host.run("docker", "ps").returncode == 0)
        host.run("docker", "pull", VVI)
        host.run("docker", "run", "-d", "--name", "kept", VVI, "sleep", "600")
    with host.started("dockerd"):
        until(lambda: host.run("docker", "ps").returncode == 0)
        before = _state(host, "kept")
        host.run("docker", "rm", "-f", "kept")

        assert (before, host.run("docker", "ps", "-aq").stdout) == ("running", "")


def test_only_named_variables_of_the_caller_reach_the_container(docker_host):
    env = {"HF_TOKEN": "hf_secret", "JOBS_SPOOL": "/spool/1"}
    docker_host.run(
        *("docker", "run", "-d", "--name", "e", "-e", "HF_TOKEN", "-e", "A=b", VVI, "sleep", "600"),
        env=env,
    )

    inside = docker_host.run("docker", "exec", "e", "env", env=env).stdout.splitlines()

    assert "HF_TOKEN=hf_secret" in inside
    assert "A=b" in inside
    assert [line for line in inside if line.startswith("JOBS_SPOOL")] == []


def test_logs_hold_both_streams_apart(docker_host):
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    docker_host.run("docker", "run", "--name", "l", VVI, "python3", "-c", code)

    done = docker_host.run("docker", "logs", "-f", "l")

    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_a_build_needs_its_dockerfile_base_and_copied_files(docker_host):
    folder = docker_host.workspace
    (folder / "needs_base").write_text("FROM vllm-cpu-env:v0.7.2\nRUN true\n")
    (folder / "needs_file").write_text("FROM ubuntu:22.04\nCOPY requirements.txt .\n")

    def refusal(name: str) -> tuple[int, str]:
        done = docker_host.run("docker", "build", "-t", "x", "-f", name, ".", "--no-cache")
        return done.returncode, done.stderr.splitlines()[-1]

    assert refusal("gone") == (
        1,
        "ERROR: failed to solve: failed to read dockerfile: open gone: no such file or directory",
    )
    assert refusal("needs_base")[1].startswith(
        "ERROR: failed to solve: vllm-cpu-env:v0.7.2: failed to resolve source metadata"
    )
    assert refusal("needs_file")[1].endswith('"/requirements.txt": not found')


def test_an_image_lists_its_packages(docker_host):
    code = "import importlib.metadata as m; print(m.version('vllm'), m.version('torch_vacc'))"

    done = docker_host.run("docker", "run", "--rm", "--entrypoint", "python3", VVI, "-c", code)

    assert done.stdout == "0.17.0 1.3.0.1109\n"


def _state(host: Host, name: str) -> str:
    done: subprocess.CompletedProcess[str] = host.run("docker", "inspect", name)
    inspected = json.loads(done.stdout)
    return str(inspected[0]["State"]["Status"]) if inspected else ""
