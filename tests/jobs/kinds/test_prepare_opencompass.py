"""Prepare OpenCompass: conda, sources at the guide's tag, packages that it can import."""

from jobs.kinds import KINDS
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import EXACT

KIND = KINDS["prepare-opencompass"]
ENV = "/opt/miniconda3/envs/opencompass"
plans = plans_of(KIND.name)
note_ids, step = plans.ids, plans.step


def test_an_existing_environment_is_kept_unless_verbatim():
    created = ("conda", "create", "-n", "opencompass", "python=3.10", "-y")

    assert step("create", **EXACT).argv == created
    assert step("create").argv[-7:] == (f"{ENV}/bin/python", *created)
    assert "guide:conda_anew" in note_ids(**EXACT)
    assert "guide:conda_there" in note_ids()


def test_packages_are_held_to_what_it_can_import():
    held = step("install")

    assert held.argv[-2:] == ("-c", "/data/host/spool/17/files/constraints.txt")
    assert held.path == (f"{ENV}/bin",)
    (constraints,) = [item for item in plans.planned().files if item.name == "constraints.txt"]
    assert "pyarrow<20" in constraints.text
    assert "-c" not in step("install", **EXACT).argv


def test_the_index_may_be_pip_s_own():
    assert "-i" not in step("install", index="").argv
    assert step("install").argv[4:6] == ("-i", "https://mirrors.aliyun.com/pypi/simple/")


def test_modelscope_is_installed_when_datasets_come_from_there():
    assert "install-modelscope" not in [one.name for one in plans.planned().steps]
    assert step("install-modelscope", dataset_source="modelscope").argv == (
        *("pip", "install", "ModelScope"),
    )


def test_it_is_imported_with_its_own_python():
    assert step("verify").argv == (
        *(f"{ENV}/bin/python", "/data/host/spool/17/files/verify_environment.py"),
        *("opencompass", "opencompass"),
    )


def test_another_tag_or_constraint_is_another_environment(monkeypatch):
    before = plans.product()
    monkeypatch.setattr("jobs.tools.opencompass.commands.CONSTRAINTS", "pandas<2\n")

    after = plans.product()

    assert (before["name"], before["path"]) == ("opencompass", ENV)
    assert before["fingerprint"] != after["fingerprint"]


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
