"""Prepare OpenCompass: conda, sources at the guide's tag, packages that it can import."""

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.plans import fill
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import EXACT, VaccPlans, vacc_host, vacc_values

KIND = KINDS["prepare-opencompass"]
ENV = "/opt/miniconda3/envs/opencompass"


def planned(facts=None, **raw):
    return fill(KIND.plan(KIND.Params(**raw), vacc_host(facts)), vacc_values(vacc_host()))


def steps(facts=None, **raw):
    return {step.name: step for step in planned(facts, **raw).steps}


plans = VaccPlans(KIND, {})
note_ids = plans.ids


def test_an_existing_environment_is_kept_unless_verbatim():
    created = ("conda", "create", "-n", "opencompass", "python=3.10", "-y")

    assert steps(**EXACT)["create"].argv == created
    assert steps()["create"].argv[-7:] == (f"{ENV}/bin/python", *created)
    assert "guide:conda_anew" in note_ids(**EXACT)
    assert "guide:conda_there" in note_ids()


def test_packages_are_held_to_what_it_can_import():
    held = steps()["install"]

    assert held.argv[-2:] == ("-c", "/data/host/spool/17/files/constraints.txt")
    assert held.path == (f"{ENV}/bin",)
    (constraints,) = [item for item in planned().files if item.name == "constraints.txt"]
    assert "pyarrow<20" in constraints.text
    assert "-c" not in steps(**EXACT)["install"].argv


def test_the_index_may_be_pip_s_own():
    assert "-i" not in steps(index="")["install"].argv
    assert steps()["install"].argv[4:6] == ("-i", "https://mirrors.aliyun.com/pypi/simple/")


def test_modelscope_is_installed_when_datasets_come_from_there():
    assert "install-modelscope" not in steps()
    assert steps(dataset_source="modelscope")["install-modelscope"].argv == (
        *("pip", "install", "ModelScope"),
    )


def test_it_is_imported_with_its_own_python():
    assert steps()["verify"].argv == (
        *(f"{ENV}/bin/python", "/data/host/spool/17/files/verify_environment.py"),
        *("opencompass", "opencompass"),
    )


def test_another_tag_or_constraint_is_another_environment(monkeypatch):
    before = plans.product()
    monkeypatch.setattr("jobs.tools.opencompass.commands.CONSTRAINTS", "pandas<2\n")

    after = plans.product()

    assert (before["name"], before["path"]) == ("opencompass", ENV)
    assert before["fingerprint"] != after["fingerprint"]


def test_a_host_without_conda_is_refused():
    with pytest.raises(LaunchError, match="has no conda"):
        planned({"conda": ""})


def test_a_stack_without_it_is_neither_offered_nor_taken():
    assert [choice.value for choice in KIND.choices("stack", vacc_host())] == ["guide"]
    assert plans.refused(stack="current") == "stack"


def test_a_command_is_not_run_for_what_is_there(tmp_path):
    host = Runner(tmp_path)
    host.put("conda", f"#!/bin/sh\necho ran \"$@\" >> '{tmp_path}/said'\nexit 4\n")
    argv = list(host.plan("prepare-opencompass", {}).steps[0].argv)
    place = argv.index(f"{ENV}/bin/python")
    step = type(host.plan("prepare-opencompass", {}).steps[0])
    (tmp_path / "python").touch()

    there = host.run(step("create", (*argv[:place], str(tmp_path / "python"), *argv[place + 1 :])))
    missing = host.run(step("create", (*argv[:place], str(tmp_path / "no"), *argv[place + 1 :])))

    assert (there.returncode, missing.returncode) == (0, 4)
    assert (tmp_path / "said").read_text() == "ran create -n opencompass python=3.10 -y\n"
