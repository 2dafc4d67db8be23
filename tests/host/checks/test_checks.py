"""A host's preflight checks of a job."""

import json
import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.text.messages import MESSAGES
from jobs.base.numbers import size_text
from jobs.host import checks as host_checks
from jobs.host.base.config import HostLimits
from jobs.host.checks import CHECKS, listener
from jobs.plans import Check, Plan, Step
from tests.waiting import until


@pytest.fixture
def machine(config, tmp_path, put):
    """A host with dies 0 and 1, and with the programs that a test puts there."""
    root = tmp_path / "root"
    for name in ("dev/shm", "proc", "sys/kernel/iommu_groups", "weights"):
        (root / name).mkdir(parents=True)
    for name in ("vacc0", "vacc1"):
        (root / "dev" / name).touch()
    (root / "proc/cmdline").write_text("quiet\n")
    (root / "proc/cpuinfo").write_text("model name : Xeon\nflags : fpu avx512f\n")
    return replace(config, root=root)


def check_result(config, check, /, **args):
    """(holds, sentence, its arguments)"""
    answer = CHECKS[check](config, args)
    assert answer.message_id in MESSAGES
    assert MESSAGES[answer.message_id] % answer.args
    return answer.holds, answer.message_id, dict(answer.args)


def test_what_the_machine_lacks_is_named(machine):
    assert check_result(machine, "dies", ids="0,1") == (True, "check:dies", {"count": 2})
    assert check_result(machine, "iommu") == (True, "check:iommu_off", {})
    assert check_result(machine, "avx512") == (True, "check:avx512", {"cpu": "Xeon"})

    (machine.root / "proc/cmdline").write_text("intel_iommu=on\n")
    (machine.root / "proc/cpuinfo").write_text("model name : Old\nflags : fpu\n")

    missing = (False, "check:dies_missing", {"dies": "2, 3"})
    assert check_result(machine, "dies", ids="1,2,3") == missing
    assert check_result(machine, "iommu") == (False, "check:iommu_on", {})
    assert check_result(machine, "avx512") == (False, "check:avx512_missing", {"cpu": "Old"})


def test_shared_memory_and_disk_are_compared_with_the_need(machine, tmp_path):
    huge, new = str(10**18), str(tmp_path / "not" / "yet")
    small = replace(machine, scale=1e-12)  # the sizes of its files
    frugal = replace(machine, limits=HostLimits(disk_reserve_bytes=10**18))

    assert check_result(machine, "shm", bytes="1")[:2] == (True, "check:shm")
    assert check_result(machine, "shm", bytes=huge)[:2] == (False, "check:shm_small")
    assert check_result(small, "shm", bytes=huge)[0] is True
    assert check_result(machine, "disk", path=new, bytes="1")[:2] == (True, "check:disk")
    holds, message, args = check_result(machine, "disk", path=new, bytes=huge)
    assert (holds, message, args["wanted"]) == (False, "check:disk_full", "1000000.0 TB")
    assert check_result(small, "disk", path=new, bytes=huge)[0] is True
    holds, message, args = check_result(frugal, "disk", path=new, bytes="1")
    assert (holds, message, args["reserve"]) == (False, "check:disk_reserve", "1000000.0 TB")


@pytest.mark.parametrize(
    ("output", "wanted", "expected"),
    [
        ("vamc 3.4.2", "3.0+", "check:tool"),
        ("vamc 2.9", "3.0+", "check:tool_old"),
        ("no number", "3.0+", "check:tool"),
        ("vamc 3.10", "3.9", "check:tool"),
        (None, "", "check:tool_missing"),
    ],
)
def test_a_tool_is_there_in_a_version_that_is_new_enough(machine, put, output, wanted, expected):
    if output:
        put("vamc", f"echo {output}")

    _holds, message, args = check_result(machine, "tool", name="vamc", version=wanted)

    assert (message, args["tool"]) == (expected, "vamc")


def test_what_a_download_left_counts_as_room_when_it_goes_on(machine, tmp_path):
    folder = tmp_path / "weights"
    (folder / ".cache").mkdir(parents=True)
    (folder / ".cache" / "part").write_bytes(b"x" * 1000)
    free = shutil.disk_usage(folder).free
    wanted = str(free * 100)

    whole = check_result(machine, "disk", path=str(folder), bytes=wanted)
    rest = check_result(machine, "disk", path=str(folder), bytes="900", resumes="yes")

    assert (whole[0], rest[0]) == (False, True)
    assert (rest[1], "wanted" in rest[2]) == ("check:disk_nothing_more", False)


@pytest.mark.parametrize(
    ("count", "text"),
    [(7, "7 B"), (1234, "1.2 kB"), (98_000, "98.0 kB"), (2_000_000, "2.0 MB"), (10**10, "10.0 GB")],
)
def test_sizes_are_never_rounded_to_nothing(count, text):
    assert size_text(count) == text


def test_docker_answers_or_says_why_not(machine, put):
    assert check_result(machine, "docker")[1] == "check:tool_missing"

    put("docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    args = {"problem": "Cannot connect to the Docker daemon"}
    assert check_result(machine, "docker") == (False, "check:docker_down", args)

    put("docker", "echo 26.1.3")
    assert check_result(machine, "docker") == (True, "check:docker", {"version": "26.1.3"})


def test_an_image_is_missed_only_where_docker_says_so(machine, put):
    put("docker", "echo Error: No such image: x >&2; exit 1")
    assert check_result(machine, "image", name="x")[1] == "check:image_missing"

    put("docker", "echo permission denied >&2; exit 1")
    assert check_result(machine, "image", name="x")[1] == "check:docker_down"

    put("docker", '[ "$5" = x ] && echo sha256:1')
    expected = {"image": "x", "id": "sha256:1"}
    assert check_result(machine, "image", name="x") == (True, "check:image", expected)


def test_a_container_of_the_same_name_stops(machine, put):
    put("docker", '[ "$5" = "name=^vllm_vacc$" ] && echo 0123')
    found = check_result(machine, "container", name="vllm_vacc")
    put("docker", "true")
    gone = check_result(machine, "container", name="vllm_vacc")

    assert (found[:2], gone[:2]) == ((False, "check:container_there"), (True, "check:container"))


def test_a_shard_that_is_missing_or_empty_is_named(machine):
    folder = machine.root / "weights"
    at = str(folder)
    missing = (False, "check:weights_missing", {"path": at})
    assert check_result(machine, "weights", path=at) == missing
    index = {"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "3.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "1.safetensors").write_bytes(b"x")
    (folder / "3.safetensors").touch()

    holds, message, args = check_result(machine, "weights", path=at)

    assert (holds, message) == (False, "check:shard_missing")
    assert args == {"file": "2.safetensors", "missing": 2, "shards": 3}
    for name in ("2.safetensors", "3.safetensors"):
        (folder / name).write_bytes(b"x")
    whole = (True, "check:weights", {"path": at, "shards": 3})
    assert check_result(machine, "weights", path=at) == whole


def test_a_modification_of_another_model_is_refused(machine):
    folder = machine.root / "weights"
    at = str(folder)
    assert check_result(machine, "modification", path=at)[1] == "check:modification_missing"
    for name in ("modeling", "configuration"):
        (folder / f"{name}_qwen2_vacc.py").write_text("x")
    (folder / "quantization_vacc.py").write_text("x")
    (folder / "config.json").write_text(json.dumps({"hidden_size": 3584, "vocab_size": 1}))
    (folder / "config_vacc.json").write_text(json.dumps({"hidden_size": 5120, "vocab_size": 1}))

    differs = (False, "check:modification_differs", {"path": at, "fields": "hidden_size"})
    assert check_result(machine, "modification", path=at) == differs
    (folder / "config_vacc.json").write_text(json.dumps({"hidden_size": 3584, "vocab_size": 1}))
    assert check_result(machine, "modification", path=at)[:2] == (True, "check:modification")


def test_a_path_that_is_missing_says_what_it_is_for(machine):
    args = {"path": "/nowhere", "what": "the Dockerfile of vllm_vacc"}

    assert check_result(machine, "path", **args) == (False, "check:path_missing", args)
    assert check_result(machine, "path", path="/")[0] is True


def test_a_disk_needs_room_for_the_jobs_before_too(machine, tmp_path):
    free = shutil.disk_usage(tmp_path).free
    half, new = str(free * 6 // 10), str(tmp_path / "not" / "yet" / "there")
    before = json.dumps([{"path": str(tmp_path / "first"), "bytes": half}])

    alone = check_result(machine, "disk", path=new, bytes=half)
    both = check_result(machine, "disk", path=new, bytes=half, before=before)

    assert (alone[1], both[1]) == ("check:disk", "check:disk_full")


def test_conda_is_looked_for_with_its_environment(machine, put, tmp_path):
    assert check_result(machine, "conda")[1] == "check:conda_missing"
    put("conda", "true")
    assert check_result(machine, "conda")[:2] == (True, "check:conda")
    assert check_result(machine, "conda", env="opencompass")[1] == "check:conda_env_missing"
    (tmp_path / "envs/opencompass/bin").mkdir(parents=True)
    assert check_result(machine, "conda", env="opencompass")[0] is True


def test_a_port_is_busy_while_something_listens_on_it(machine):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        own = Path("/proc/self/comm").read_text().strip()
        args = {"port": port, "holder": f"{own} (process {os.getpid()})"}
        assert check_result(machine, "port", port=str(port)) == (False, "check:port_held", args)

    assert check_result(machine, "port", port=str(port)) == (True, "check:port", {"port": port})


def test_an_endpoint_that_is_silent_or_endless_says_so(machine, ports, site, monkeypatch):
    url = f"http://127.0.0.1:{ports[0]}"
    args = {"url": url, "problem": "[Errno 111] Connection refused"}
    silent = (False, "check:endpoint_silent", args)
    assert check_result(machine, "endpoint", url=url) == silent

    monkeypatch.setattr(host_checks, "LONGEST", 10)
    site.says = 200, {}, b" " * 11
    endless = check_result(machine, "endpoint", url=f"{site.url}")
    assert endless[1] == "check:endpoint_silent"


@pytest.mark.parametrize(
    ("status", "model", "holds", "message"),
    [
        (200, "", True, "check:endpoint"),
        (200, "m", True, "check:endpoint"),
        (200, "other", False, "check:endpoint_model"),
        (401, "m", True, "check:endpoint"),
        (307, "m", False, "check:endpoint_silent"),
        (500, "m", False, "check:endpoint_silent"),
    ],
)
def test_an_endpoint_serves_the_model(status, model, holds, message, machine, site):
    site.says = status, {"Location": "/"}, b'{"data": [{"id": "m"}]}'

    result = check_result(machine, "endpoint", url=f"{site.url}/v/", model=model)

    assert result[:2] == (holds, message)
    assert [path for _method, path, *_rest in site.asked] == ["/v/v1/models"]


def test_each_check_of_a_plan_is_answered_in_its_order(machine):
    checks = (
        Check("dies", (("ids", "{dies}"),)),
        Check("tool", (("name", "vamc"),)),
        Check("tool", (("name", "vasmi"),), asks=True),
        Check("path", (("path", "{weights.path}"),)),
        Check("sorcery"),
        Check("port", (("port", "no number"),)),
        Check("iommu"),
    )

    plan = Plan(kind="test", steps=(Step("a", ("true",)),), checks=checks)

    found = host_checks.run(machine, plan, {"dies": "0"})

    assert [(item["name"], item["level"], item["message_id"]) for item in found] == [
        ("dies", "ok", "check:dies"),
        ("tool", "failed", "check:tool_missing"),
        ("tool", "warn", "check:tool_missing"),
        ("path", "unknown", "check:later"),
        ("sorcery", "unknown", "check:unknown"),
        ("port", "unknown", "check:broke"),
        ("iommu", "ok", "check:iommu_off"),
    ]


@pytest.mark.processes
def test_an_agent_answers_what_it_is_asked_to_check(intake, config, start_agent):
    plan = Plan(
        kind="test",
        steps=(Step("a", ("true",)),),
        checks=(Check("path", (("path", "/nowhere"), ("what", "x"))),),
    )
    intake.checks[7] = {"plan": plan.to_json(), "values": {}}

    start_agent()

    (finding,) = until(lambda: intake.findings.get(7))
    assert (finding["level"], finding["message_id"]) == ("failed", "check:path_missing")


def test_a_descriptor_that_closes_during_the_scan_hides_no_process(monkeypatch):
    links, read = [], Path.readlink

    def readlink(path):
        links.append(path)
        if len(links) == 1:
            raise FileNotFoundError(path)
        return read(path)

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        own = Path(f"/proc/{os.getpid()}/fd")
        monkeypatch.setattr(Path, "glob", lambda _path, _pattern: iter([own]))
        monkeypatch.setattr(Path, "readlink", readlink)

        assert listener(server.getsockname()[1]).endswith(f" (process {os.getpid()})")
