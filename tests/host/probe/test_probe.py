"""Facts that a host reports of itself and of an engine."""

import os
import socket
from pathlib import Path

import pytest

from jobs.host import probe
from jobs.host.run.scraper import samples

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


def test_a_tool_is_listed_with_the_version_that_it_says(config, tmp_path, monkeypatch):
    tool = tmp_path / "vamc"
    tool.write_text("#!/bin/sh\n[ $1 = --version ] && echo 'vamc, version 3.4.1 (abc)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert probe.probe(config)["tools"] == [{"name": "vamc", "version": "3.4.1", "path": str(tool)}]


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


@pytest.mark.parametrize(
    ("says", "version"),
    [("echo llmdeploy 1.6.2", "1.6.2"), ("echo usage; exit 2", ""), ("echo no number", "")],
)
def test_llmdeploy_may_not_answer_with_its_version(monkeypatch, tmp_path, says, version):
    program = tmp_path / "llmdeploy"
    program.write_text(f'#!/bin/sh\n[ "$*" = --version ] || exit 9\n{says}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert probe.tool("llmdeploy")["version"] == version
