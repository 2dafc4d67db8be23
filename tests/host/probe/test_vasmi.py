"""Temperature and power of dies, read from the stand-in's text, a card's own, and garbage."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.host import probe
from jobs.host.agent import agent as agents
from simulator import root as standin_root
from tests.waiting import until

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
def dies(config, tmp_path):
    """A host with as many dies as asked for, and a vasmi that prints what the test sets."""

    def make(count, **says):
        root = tmp_path / "root"
        (root / "dev").mkdir(parents=True)
        for number in range(count):
            (root / "dev" / f"vacc{number}").touch()
        folder = tmp_path / "bin"
        folder.mkdir()
        cases = "".join(f"{command}) cat {folder}/{command};;\n" for command in says)
        for command, text in says.items():
            (folder / command).write_text(text)
        program = folder / "vasmi"
        program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\ncase "$1" in\n{cases}esac\n')
        program.chmod(0o755)
        return replace(config, root=root)

    return make


@pytest.fixture(autouse=True)
def own_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


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
    ],
)
def test_what_cannot_be_read_is_kept_as_text(dies, text):
    readings = probe.readings(dies(2, gettemp=text))

    assert readings == {"dies": {}, "unread": {"gettemp": text.strip()}}


def test_numbers_for_some_dies_are_not_assigned_to_dies(dies):
    text = "".join(f"card {card} die {die}: {60 + card} C\n" for card in range(4) for die in (0, 1))

    readings = probe.readings(dies(16, gettemp=text))

    assert readings == {"dies": {}, "unread": {"gettemp": text.strip()}}


def test_unread_text_is_cut(dies):
    readings = probe.readings(dies(1, gettemp="x" * 100_000))

    assert readings["unread"]["gettemp"] == "x" * probe.UNREAD_CHARS


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
    (tmp_path / "bin/vasmi").write_text("#!/bin/sh\nexec sleep 600\n")
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
