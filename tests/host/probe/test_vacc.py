"""Cards of a VACC host, from the files that the vendor's own script looks at."""

from dataclasses import replace

import pytest

from jobs.host import probe


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


def test_dies_are_the_numbered_devices_in_order(root):
    assert probe.dies_below(root / "dev") == [{"id": 2}, {"id": 10}]


def test_a_host_with_dies_reports_driver_compiler_and_folders(vacc_config, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    vacc_config.workspace.mkdir()

    facts = probe.probe(vacc_config)

    assert facts["driver"] == "00.25.12.30 d3_3_v2_9_a3_1 a76bf37 20251230"
    assert facts["compiler"] == "ai-v3.0.0-20250814"
    assert (facts["workspace"], facts["mount"]) == (str(tmp_path / "nfs"), "/test")
    assert facts["roots"]["weights"] == str(tmp_path / "nfs/weights")
    assert facts["roots"]["artifacts"] == str(tmp_path / "nfs/vacc_deploy")
    assert facts["roots"]["spool"] == str(vacc_config.dir / "spool")
    assert facts["cpu"]["avx512"] is True
    assert (facts["registry"], facts["images"], facts["conda"]) == ("registry.lan", [], "")


def test_a_host_without_dies_says_nothing_of_cards(vacc_config, root):
    for name in ("vacc2", "vacc10"):
        (root / "dev" / name).unlink()

    assert probe.vacc_facts(vacc_config) == {"dies": []}


@pytest.mark.parametrize("line", ["iommu=on", "ro intel_iommu=on quiet", "amd_iommu=on"])
def test_an_iommu_that_the_kernel_was_started_with_is_on(root, line):
    (root / "proc/cmdline").write_text(line + "\n")

    assert probe.iommu_is_on(root)


def test_an_iommu_with_groups_is_on(root):
    assert not probe.iommu_is_on(root)

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
def test_a_stack_is_recognised_by_its_image_or_its_server(
    images, tools, expected, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in tools:
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)

    assert probe.stacks(images) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("#!/bin/sh\necho vllm_vacc:latest; echo a:b", ["a:b", "vllm_vacc:latest"]),
        ("#!/bin/sh\necho no daemon; exit 1", []),
    ],
)
def test_images_are_those_that_docker_lists(script, expected, tmp_path, monkeypatch):
    docker = tmp_path / "docker"
    docker.write_text(script + "\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert probe.docker_images() == expected
