"""Made-up hosts: one for each test, and some that the tests of a file share."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.lib import world
from tests.simulator.host import Done, Host
from tests.simulator.vllm import NEW, OLD, serving
from tests.waiting import until

VVI = "registry.example/ai_deliver/vllm_vacc:VVI-26.02"
MESSAGES = [{"role": "user", "content": "What is 17 + 25?"}]


@pytest.fixture(scope="session", autouse=True)
def downloads(tmp_path_factory: pytest.TempPathFactory) -> None:
    Host.downloads = tmp_path_factory.mktemp("downloads")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The host of servers that several tests ask."""
    return Host(tmp_path_factory.mktemp("shared") / "host")


@pytest.fixture(scope="module")
def old(shared: Host) -> Iterator[str]:
    """Address of a server of the guide's version."""
    with serving(shared, OLD) as (url, _):
        yield url


@pytest.fixture(scope="module")
def current(shared: Host) -> Iterator[str]:
    """Address of a server of the current version."""
    with serving(shared, NEW) as (url, _):
        yield url


@pytest.fixture(scope="module")
def docker_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("docker") / "host")
    images = [
        {"ref": name, "id": f"sha256:{at:064x}", "created": 1.0 + at, "size": 9, "vllm": version}
        for at, (name, version) in enumerate(
            {"vllm_vacc:latest": "0.7.2", VVI: "0.17.0"}.items(), 1
        )
    ]
    state = host.folder / "state/docker"
    state.mkdir()
    (state / "images.json").write_text(json.dumps(images))
    with host.started("dockerd") as daemon:
        until(lambda: "API listen" in daemon.text)
        yield host


@pytest.fixture
def docker_host(docker_of_module: Host) -> Iterator[Host]:
    """A host with docker's daemon and an image of each generation, without containers."""
    host = docker_of_module
    yield host
    host.faults()
    left = host.run("docker", "ps", "-a", "-q").stdout.split()
    if left:
        host.run("docker", "rm", "-f", *left)


@pytest.fixture(scope="session")
def opencompass_data(downloads: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    host = Host(tmp_path_factory.mktemp("opencompass") / "host")
    core = "https://github.com/open-compass/opencompass/releases/download/0.2.2.rc1/"
    host.run("wget", "-q", f"{core}OpenCompassData-core-20240207.zip")
    host.run("wget", "-q", "http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/math.zip")
    host.run("unzip", "-q", "OpenCompassData-core-20240207.zip")
    host.run("unzip", "-q", "-o", "math.zip", "-d", "./data/")
    return host.workspace / "data"


@pytest.fixture
def prepared(host: Host, opencompass_data: Path) -> Host:
    """A host with the data of OpenCompass in its workspace."""
    shutil.copytree(opencompass_data, host.workspace / "data")
    return host


@pytest.fixture
def docker_script(host: Host) -> Callable[..., Done]:
    """Runs a benchmark script of the guide's image, without the image."""

    def run(script: str, *argv: str) -> Done:
        code = (
            "import sys; from simulator.lib import programs; "
            f"sys.exit(programs.run({script!r}, sys.argv[1:]))"
        )
        env = {"PYTHONPATH": str(world.LIB.parents[1]), "STANDIN_VLLM_VERSION": "0.7.2"}
        return host.run(sys.executable, "-c", code, *argv, env=env)

    return run
