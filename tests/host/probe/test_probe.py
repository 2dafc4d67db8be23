"""Facts that a host reports of itself, of its cards, and of an engine."""

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.host import probe
from jobs.host.agent import agent as agents
from jobs.host.run.scraper import samples
from simulator import root as standin_root
from tests.waiting import until

DATA = Path(__file__).parents[2] / "data"


def test_the_facts_are_those_of_this_machine(config):
    facts = probe.probe(config)

    assert facts["cpu"]["cores"] == len(os.sched_getaffinity(0))
    assert facts["memory_bytes"] > 2**28
    assert 0 < facts["disk"]["free_bytes"] <= facts["disk"]["total_bytes"]
    assert facts["roots"]["serve"] == str(config.dir / "serve")
    assert (config.dir / "weights").is_dir()
    assert facts["wheels_dir"] is None
    assert facts["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "says", "version"),
    [
        ("vamc", "echo 'vamc, version 3.4.1 (abc)'", "3.4.1"),
        ("llmdeploy", "echo llmdeploy 1.6.2", "1.6.2"),
        ("llmdeploy", "echo usage; exit 2", ""),
        ("llmdeploy", "echo no number", ""),
    ],
)
def test_a_tool_is_listed_with_the_version_that_it_says(config, put, name, says, version):
    tool = put(name, f'[ "$*" = --version ] || exit 9\n{says}')

    tools = probe.probe(config)["tools"]

    assert tools == [{"name": name, "version": version, "path": str(tool)}]


def test_a_dashboard_that_cannot_be_resolved_is_no_error(monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    assert probe._own_address("http://nowhere.invalid:8000") is None


def test_samples_are_summed_over_labels_and_exact_in_name():
    text = (
        "# HELP a of all\n# TYPE a counter\n"
        'a{x="} 9",y="1"} 1\na{x="2"} 2.5 1700000000\na_total 7\nb NaN\nc +Inf\nd 1e3\ne\n'
    )

    assert samples(text, {"a", "b", "c", "d", "e"}) == {"a": 3.5, "d": 1000.0}


def test_the_metrics_of_llama_cpp_are_read():
    text = (DATA / "host" / "llama_cpp_metrics.txt").read_text()

    values = samples(text, {"llamacpp:tokens_predicted_total", "llamacpp:requests_processing"})

    assert set(values) == {"llamacpp:tokens_predicted_total", "llamacpp:requests_processing"}
    assert values["llamacpp:tokens_predicted_total"] > 0


@pytest.fixture
def root(tmp_path):
    """A machine with two dies, a driver, and its IOMMU off."""
    folder = tmp_path / "root"
    for name in ("dev", "proc", "sys/kernel/iommu_groups", "opt/vastai/vaststream"):
        (folder / name).mkdir(parents=True)
    for name in ("vacc10", "vacc2", "vacc_ctrl", "vastai0", "null"):
        (folder / "dev" / name).touch()
    version = "Driver  Version: 00.25.12.30 d3_3_v2_9_a3_1 a76bf37 20251230\nOther: 1\n"
    (folder / "dev/vastai0_version").write_text(version)
    (folder / "proc/cmdline").write_text("ro quiet iommu=off\n")
    (folder / "proc/cpuinfo").write_text("model name : X\nflags : fpu avx512f\n")
    (folder / "opt/vastai/vaststream/version.txt").write_text("ai-v3.0.0-20250814\n")
    return folder


@pytest.fixture
def vacc_config(config, root, tmp_path):
    return replace(config, root=root, workspace=tmp_path / "nfs", registry="registry.lan")


def test_a_host_with_dies_reports_driver_compiler_and_folders(vacc_config, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    vacc_config.workspace.mkdir()

    facts = probe.probe(vacc_config)

    assert facts["dies"] == [{"id": 2}, {"id": 10}]  # the numbered devices
    assert facts["driver"] == "00.25.12.30 d3_3_v2_9_a3_1 a76bf37 20251230"
    assert facts["compiler"] == "ai-v3.0.0-20250814"
    assert (facts["workspace"], facts["mount"]) == (str(tmp_path / "nfs"), "/test")
    assert facts["roots"]["weights"] == str(tmp_path / "nfs/weights")
    assert facts["roots"]["artifacts"] == str(tmp_path / "nfs/vacc_deploy")
    assert facts["roots"]["spool"] == str(vacc_config.dir / "spool")
    assert facts["cpu"]["avx512"] is True
    assert (facts["registry"], facts["images"], facts["conda"]) == ("registry.lan", [], "")
    for name in ("vacc2", "vacc10"):
        (vacc_config.root / "dev" / name).unlink()
    assert probe.vacc_facts(vacc_config) == {"dies": []}


def test_an_iommu_is_on_by_the_kernels_start_or_by_its_groups(root):
    assert not probe.iommu_is_on(root)
    for line in ("iommu=on", "ro intel_iommu=on quiet", "amd_iommu=on"):
        (root / "proc/cmdline").write_text(line + "\n")
        assert probe.iommu_is_on(root), line

    (root / "proc/cmdline").write_text("quiet\n")
    (root / "sys/kernel/iommu_groups/0").mkdir()
    assert probe.iommu_is_on(root)


@pytest.mark.parametrize(
    ("images", "tools", "expected"),
    [
        (["vllm_vacc:latest"], [], ["guide"]),
        (["registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02"], [], ["current"]),
        ([], ["llmdeploy", "vastgenx"], ["guide", "current"]),
        (["ubuntu:22.04"], [], ["guide", "current"]),
    ],
)
def test_a_stack_is_recognised_by_its_image_or_its_server(images, tools, expected, put):
    for name in tools:
        put(name, "")

    assert probe.stacks(images) == expected


def test_images_are_those_that_docker_lists(put):
    put("docker", "echo vllm_vacc:latest; echo a:b")
    assert probe.docker_images() == ["a:b", "vllm_vacc:latest"]

    put("docker", "echo no daemon; exit 1")
    assert probe.docker_images() == []


SIMULATOR = Path(__file__).parents[3] / "simulator" / "bin"
# The one public text of a card (vendor's SDK): a block for each device.
BLOCKS = """Find 1 cards in system.
0th card info:
UUID: FCA12CD00038
Die ID: 0, 1,
Device id 0 status:
Temperature: 34.43 ℃.
Power: 30.9582 W.
Memory total: 8 GB.
Device id 1 status:
Temperature: 36.1 ℃.
Power: 29.5 W.
"""


@pytest.fixture
def dies(config, tmp_path, put):
    """A host with as many dies as asked for, and a vasmi that prints what the test sets."""

    def make(count, **says):
        root, folder = tmp_path / "root", tmp_path / "bin"
        (root / "dev").mkdir(parents=True)
        for number in range(count):
            (root / "dev" / f"vacc{number}").touch()
        cases = "".join(f"{command}) /bin/cat {folder}/{command};;\n" for command in says)
        for command, text in says.items():
            (folder / command).write_text(text)
        put("vasmi", f'echo "$@" >> {folder}/asked\ncase "$1" in\n{cases}esac')
        return replace(config, root=root)

    return make


def test_the_stand_ins_output_is_read_for_every_die(config, tmp_path, monkeypatch):
    standin_root.build(tmp_path / "root", 8)
    monkeypatch.setenv("PATH", f"{SIMULATOR}:{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("STANDIN_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("STANDIN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("STANDIN_FAULTS", "slow_die")

    readings = probe.readings(replace(config, root=tmp_path / "root"))

    assert set(readings) == {"dies"}
    assert list(readings["dies"]) == [str(number) for number in range(8)]
    assert readings["dies"]["3"]["temp_c"] == 96.4
    assert all(0 < die["power_w"] < 100 for die in readings["dies"].values())


def test_a_card_that_prints_blocks_is_read(dies):
    readings = probe.readings(dies(2, gettemp=BLOCKS, getpwr=BLOCKS))

    assert readings == {
        "dies": {"0": {"temp_c": 34.43, "power_w": 30.9582}, "1": {"temp_c": 36.1, "power_w": 29.5}}
    }


def test_only_dies_that_are_there_are_asked_for(dies, tmp_path):
    config = dies(3, gettemp="", getpwr="")
    (config.root / "dev/vacc1").unlink()

    probe.readings(config)

    asked = (tmp_path / "bin/asked").read_text()
    assert asked == "gettemp -d 0,2\ngetpwr -d 0,2\n"


def test_of_several_sensors_of_a_die_the_hottest_counts(dies):
    text = "device 0\n  Sysc: 61.0 C\n  Oak3: 74.5 C\n  Smu: 60 C\n"

    assert probe.readings(dies(1, gettemp=text)) == {"dies": {"0": {"temp_c": 74.5}}}


@pytest.mark.parametrize(
    "text",
    [
        "card  die  temp(C)\n0  0  71\n0  1  72\n",  # a table without the names of its columns
        "device 0: temperature: 7150\ndevice 1: temperature: 7200\n",  # no unit
        "device 0: 71500 C\ndevice 1: 99999 C\n",  # not degrees of any card
        "device 9: 71 C\n",  # none that was asked for
        "vasmi: permission denied\n",
        "\x00\xff garbage C C C device device 12 C",
        "x" * 2000,
    ],
)
def test_what_cannot_be_read_is_kept_as_text(dies, text):
    readings = probe.readings(dies(2, gettemp=text))

    assert readings == {"dies": {}, "unread": {"gettemp": text.strip()[: probe.UNREAD_CHARS]}}


def test_numbers_for_some_dies_are_not_assigned_to_dies(dies):
    text = "".join(f"card {card} die {die}: {60 + card} C\n" for card in range(4) for die in (0, 1))

    readings = probe.readings(dies(16, gettemp=text))

    assert readings == {"dies": {}, "unread": {"gettemp": text.strip()}}


def test_a_host_without_the_tool_reports_nothing(dies, tmp_path):
    config = dies(1, gettemp="device 0: 50 C\n")
    assert probe.readings(config) == {"dies": {"0": {"temp_c": 50.0}}}

    (tmp_path / "bin/vasmi").unlink()
    assert probe.readings(config) == {}


def test_without_dies_nothing_is_asked(dies, tmp_path):
    assert probe.readings(dies(0, gettemp="device 0: 50 C\n")) == {}
    assert not (tmp_path / "bin/asked").exists()


def test_a_tool_that_does_not_answer_leaves_nothing(dies, tmp_path, monkeypatch):
    config = dies(1)
    (tmp_path / "bin/vasmi").write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.05)

    assert probe.readings(config) == {"dies": {}}


def test_the_heartbeat_carries_readings_until_they_are_old(intake, dies, monkeypatch):
    agent = agents.Agent(dies(1, gettemp="device 0: 50 C\n"))
    agent._read_cards()

    assert agent._report()["load"]["dies"] == {"0": {"temp_c": 50.0}}

    monkeypatch.setattr(agents, "READINGS_FRESH_S", -1.0)
    assert "dies" not in agent._report()["load"]


@pytest.mark.processes
def test_an_agent_asks_its_cards_by_itself(intake, dies, start_agent):
    start_agent(HOST_ROOT=str(dies(1, gettemp="device 0: 50 C\n").root))

    until(lambda: any("dies" in beat["load"] for beat in intake.heartbeats))
