"""Tools of the host: the made-up root that the probe reads, vasmi, conda, pip, git."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.host import probe
from simulator import furnish, root
from simulator import run as standins
from tests.simulator.conftest import VVI
from tests.waiting import until


def test_the_probe_finds_32_dies_and_no_iommu_in_the_fake_root(host):
    assert [die["id"] for die in probe.dies_below(host.root / "dev")] == list(range(32))
    assert probe.driver(host.root / "dev/vastai0_version") == root.DRIVER
    assert probe.iommu_is_on(host.root) is False


def test_the_kernels_tools_and_vasmi_count_dies_as_the_installer_does(host):
    assert len(host.run("lspci", "-d:0100").stdout.splitlines()) == 32
    assert host.run("lspci", "-d:0200").stdout == ""
    assert "vastai_pci" in host.run("lsmod").stdout
    listed = host.run("vasmi", "list").stdout.splitlines()
    temperatures = host.run("vasmi", "gettemp", "-d", "0,1").stdout.splitlines()
    assert len([line for line in listed if "/dev/vacc" in line]) == 32
    assert [line.partition(":")[0] for line in temperatures] == ["device 0", "device 1"]
    assert host.run("vasmi", "getpwr", "-d", "40").returncode == 1


def test_conda_asks_before_it_creates_what_opencompass_is_installed_into(host):
    asked = host.run("conda", "create", "-n", "opencompass", "python=3.10")
    made = host.run("conda", "create", "-n", "opencompass", "python=3.10", "-y")
    clone = host.run("git", "clone", "https://github.com/open-compass/opencompass.git")
    checkout = host.run("git", "checkout", "0.4.1", cwd=host.workspace / "opencompass")
    programs = host.conda / "envs/opencompass/bin"
    installed = host.run(
        *(str(programs / "pip"), "install", "-e", ".[full]"),
        *("-i", "https://mirror.example/simple/"),
        cwd=host.workspace / "opencompass",
    )
    code = "import importlib.metadata as m, sys; print(m.version('opencompass'), sys.prefix)"
    output = host.run(str(programs / "python"), "-c", code).stdout.split()
    unknown = host.run(str(host.conda / "bin/pip"), "install", "left-pad")

    assert (asked.returncode, made.returncode) == (1, 0)
    assert "Proceed ([y]/n)?" in asked.stdout
    assert (clone.returncode, checkout.returncode, installed.returncode) == (0, 0, 0)
    assert installed.stdout.endswith("Successfully installed opencompass-0.4.1\n")
    assert output == ["0.4.1", str(host.conda / "envs/opencompass")]
    assert host.run(str(programs / "opencompass"), "--help").returncode == 0
    assert unknown.returncode == 1
    assert unknown.stderr.endswith("ERROR: No matching distribution found for left-pad\n")


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("https://github.com/nobody/nothing.git", 128, "Could not resolve host: github.com"),
        (
            "https://ghfast.top/https://github.com/vllm-project/vllm.git",
            0,
            "Cloning into 'vllm'...",
        ),
    ],
)
def test_git_clones_the_repositories_of_the_guide_only(host, url, code, message):
    done = host.run("git", "clone", url)

    assert (done.returncode, message in done.stderr) == (code, True), done.stderr


def test_a_clone_is_made_once_with_the_cpu_dockerfile_at_the_guides_tag_only(host):
    argv = ("git", "clone", "https://github.com/vllm-project/vllm.git")
    dockerfile = host.workspace / "vllm" / "Dockerfile.cpu"
    host.run(*argv)
    again = host.run(*argv)
    before = dockerfile.is_file()
    host.run("git", "checkout", "v0.7.2", cwd=dockerfile.parent)

    assert (before, dockerfile.is_file()) == (False, True)
    message = "fatal: destination path 'vllm' already exists and is not an empty directory.\n"
    assert (again.returncode, again.stderr) == (128, message)


def test_the_daemon_lets_the_kernel_say_what_the_faults_say(docker_host):
    docker_host.faults("iommu_on")
    until(lambda: probe.iommu_is_on(docker_host.root))
    docker_host.faults()
    until(lambda: not probe.iommu_is_on(docker_host.root))


def test_the_vendors_image_is_built_from_the_workspace(docker_host):
    furnish.workspace(docker_host.workspace)
    docker_host.run("git", "clone", "https://github.com/vllm-project/vllm.git")
    vllm = docker_host.workspace / "vllm"
    docker_host.run("git", "checkout", "v0.7.2", cwd=vllm)
    base = docker_host.run(
        *("docker", "build", "-f", "Dockerfile.cpu", "-t", "vllm-cpu-env:v0.7.2"),
        *("--shm-size=32g", ".", "--no-cache"),
        cwd=vllm,
    )
    vendors = docker_host.run(
        *("docker", "build", "-t", "vllm_vacc", "-f", "Dockerfile", "--shm-size=16g", "."),
        cwd=docker_host.workspace / "docker",
    )
    images = docker_host.run("docker", "images", "--format", "{{json .}}").stdout.splitlines()

    assert (base.returncode, vendors.returncode) == (0, 0), base.stderr + vendors.stderr
    assert {json.loads(line)["Repository"] for line in images} >= {"vllm-cpu-env", "vllm_vacc"}
    assert "naming to docker.io/library/vllm_vacc:latest done" in vendors.stderr


def test_a_command_runs_on_its_own_host_and_leaves_nothing(tmp_path):
    script = (
        "import subprocess as s; s.run(['docker', 'pull', '-q', 'IMAGE'], check=True); "
        "s.run(['docker', 'run', '-d', '--name', 'x', 'IMAGE', 'sleep', '600'], check=True); "
        "s.run(['docker', 'exec', 'x', 'ps', 'aux'], check=True); raise SystemExit(7)"
    )
    code = script.replace("IMAGE", VVI)
    command = [sys.executable, str(Path(standins.__file__)), str(tmp_path / "h"), "--"]

    done = subprocess.run(
        [*command, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "STANDIN_SPEED": "3000"},
        check=False,
    )

    assert done.returncode == 7, done.stderr
    key = str(tmp_path / "h").encode()
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if key in _bytes(path)]
    assert left == []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
