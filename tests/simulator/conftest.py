"""A made-up host for each test, with or without its docker."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulator.lib import world
from tests.simulator.host import Done, Host, get
from tests.waiting import until

VVI = "registry.example/ai_deliver/vllm_vacc:VVI-26.02"
MESSAGES = [{"role": "user", "content": "What is 17 + 25?"}]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


@pytest.fixture
def docker_host(host: Host) -> Iterator[Host]:
    """A made-up host with docker's daemon and an image of each generation."""
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
        left = host.run("docker", "ps", "-a", "-q").stdout.split()
        if left:
            host.run("docker", "rm", "-f", *left)


def ready(url: str) -> bool:
    return get(f"{url}/health")[0] == 200


@pytest.fixture
def prepared(host: Host) -> Host:
    """A made-up host with the data of OpenCompass unpacked in its workspace."""
    core = "https://github.com/open-compass/opencompass/releases/download/0.2.2.rc1/"
    host.run("wget", "-q", f"{core}OpenCompassData-core-20240207.zip")
    host.run("wget", "-q", "http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/math.zip")
    host.run("unzip", "-q", "OpenCompassData-core-20240207.zip")
    host.run("unzip", "-q", "-o", "math.zip", "-d", "./data/")
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
