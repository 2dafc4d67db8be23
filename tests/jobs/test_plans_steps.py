"""Steps of a plan: place, beginning of PATH, cleanup, secrets."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from jobs.base.errors import PlanError
from jobs.plans import (
    Check,
    Plan,
    PlanFile,
    Step,
    Watch,
    fill,
    from_json,
    script,
    secrets,
    step_script,
)
from tests.waiting import PATIENCE_S


def plan_of(*steps: Step, **fields: object) -> Plan:
    return Plan(kind="test", steps=steps, **fields)  # type: ignore[arg-type]


def run_script(plan: Plan, folder: Path, values: dict[str, str] | None = None) -> int:
    path = folder / "run.sh"
    path.write_text(script(plan, values), encoding="utf-8")
    return subprocess.run(["bash", str(path)], cwd=folder, timeout=PATIENCE_S).returncode


def test_a_plan_without_new_parts_has_the_first_schema():
    plan = plan_of(Step("a", ("x",)), files=(PlanFile("f", "text"),))

    data = plan.to_json()

    assert data["schema"] == 1
    assert set(data) == {
        *("schema", "kind", "steps", "files", "outputs", "watches", "dies", "filled")
    }
    assert set(data["steps"][0]) == {"name", "argv", "env", "timeout_s", "serves"}
    assert set(data["files"][0]) == {"name", "text"}


@pytest.mark.parametrize(
    "step", [{"cwd": "/w"}, {"path": ("/b",)}, {"cleanup": ("x",)}, {"health": "/v1/models"}]
)
def test_a_plan_with_something_new_says_so_and_survives_json(step):
    plan = plan_of(
        Step("a", ("x",), **step),
        files=(PlanFile("f", "text", at="{job_dir}/work/f"),),
        checks=(Check("disk", (("path", "{job_dir}"),), asks=True),),
    )

    data = json.loads(json.dumps(plan.to_json()))

    assert data["schema"] == 2
    assert from_json(data) == plan
    assert from_json(data).sha256() == plan.sha256()


def test_a_watch_of_files_has_a_later_schema_and_survives_json():
    watch = Watch("a", reader="evalscope", folder="{job_dir}/work/eval", expected=(("x", 3),))
    plan = plan_of(Step("a", ("x",)), watches=(watch,))

    data = json.loads(json.dumps(plan.to_json()))

    assert data["schema"] == 3
    assert from_json(data) == plan
    assert fill(plan, {"job_dir": "/spool/1"}).watches[0].folder == "/spool/1/work/eval"


def test_a_watch_with_a_key_has_a_later_schema_and_survives_json():
    watch = Watch("a", "http://127.0.0.1:1/metrics", ("x",), key="{secret:KEY}")
    plan = plan_of(Step("a", ("x",)), watches=(watch,))

    data = json.loads(json.dumps(plan.to_json()))

    assert data["schema"] == 4
    assert from_json(data) == plan
    assert secrets(plan) == ("KEY",)
    assert fill(plan, {"secret:KEY": "k{1}"}).watches[0].key == "k{1}"


def test_the_address_of_a_watch_holds_no_secret():
    watch = Watch("a", "http://{secret:KEY}@127.0.0.1/metrics", ("x",))

    with pytest.raises(PlanError, match="only an environment"):
        plan_of(Step("a", ("x",)), watches=(watch,))


@pytest.mark.parametrize("field", [{"port": 8000}, {"address": "10.0.0.7"}])
def test_where_a_server_listens_survives_json(field):
    plan = plan_of(Step("a", ("x",)), **field)

    data = json.loads(json.dumps(plan.to_json()))

    assert data["schema"] == 2
    assert from_json(data) == plan


def test_slots_are_filled_wherever_a_host_reads_them():
    plan = plan_of(
        Step("a", ("x",), cwd="{job_dir}/c", path=("{job_dir}/p",), cleanup=("rm", "{port}")),
        files=(PlanFile("f", "{port}", at="{job_dir}/f"),),
        checks=(Check("port", (("port", "{port}"),)),),
    )

    filled = fill(plan, {"job_dir": "/j", "port": "80"})

    step = filled.steps[0]
    assert (step.cwd, step.path, step.cleanup) == ("/j/c", ("/j/p",), ("rm", "80"))
    assert filled.files == (PlanFile("f", "{port}", at="/j/f"),)
    assert filled.checks == (Check("port", (("port", "80"),)),)


def test_steps_needed_at_each_start_stand_before_the_server():
    plan = plan_of(Step("container", ("x",), serves=True), Step("serve", ("y",), serves=True))

    assert [step.name for step in plan.steps if step.serves] == ["container", "serve"]


def test_a_plan_names_a_secret_and_an_environment_holds_it():
    plan = plan_of(Step("a", ("x",), env=(("HF_TOKEN", "{secret:HF_TOKEN}"),)))

    assert secrets(plan) == ("HF_TOKEN",)


@pytest.mark.parametrize(
    "step",
    [
        Step("a", ("x", "--token={secret:HF_TOKEN}")),
        Step("a", ("x",), cwd="{secret:HF_TOKEN}"),
        Step("a", ("x",), cleanup=("x", "{secret:HF_TOKEN}")),
    ],
)
def test_a_secret_where_it_would_be_shown_is_refused(step):
    with pytest.raises(PlanError, match="only an environment"):
        plan_of(step)


def test_the_script_runs_each_step_in_its_folder_with_its_path(tmp_path):
    tool = tmp_path / "bin dir" / "own-tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\npwd > said; echo $WORD >> said\n")
    tool.chmod(0o755)
    place = tmp_path / "some where"
    place.mkdir()
    plan = plan_of(
        Step("a", ("own-tool",), cwd=str(place), path=(str(tool.parent),), env=(("WORD", "w"),)),
        Step("b", ("sh", "-c", "pwd > said")),
    )

    code = run_script(plan, tmp_path)

    assert code == 0
    assert (place / "said").read_text() == f"{place}\nw\n"
    assert (tmp_path / "work" / "said").read_text() == f"{tmp_path}/work\n"


def test_a_step_as_bash_has_its_values_and_its_open_slots():
    step = Step(
        "a", ("tool", "--url={deployment.url}", "{job_dir}/x", "a {{b}}"), env=(("K", "v"),)
    )

    text = step_script(step, {"deployment.url": "http://it's/"})

    assert text.replace(" \\\n ", "") == (
        """K=v tool '--url=http://it'"'"'s/' "${JOB_DIR}"/x 'a {b}'"""
    )


def test_the_script_puts_a_file_where_its_tool_looks_for_it(tmp_path):
    plan = plan_of(
        Step("a", ("cat", "eval/f.py")),
        files=(PlanFile("f.py", "text", at="{job_dir}/work/eval/f.py"),),
    )

    assert run_script(plan, tmp_path) == 0
    assert (tmp_path / "work" / "eval" / "f.py").read_text() == "text"


def test_the_script_cleans_up_after_each_begun_step_last_first(tmp_path):
    def clean(name: str) -> tuple[str, ...]:
        return ("sh", "-c", f"echo {name} >> {{job_dir}}/cleaned; exit 1")

    plan = plan_of(
        Step("a", ("true",), cleanup=clean("a")),
        Step("b", ("sh", "-c", "exit 4"), cleanup=clean("b")),
        Step("c", ("true",), cleanup=clean("c")),
    )

    code = run_script(plan, tmp_path)

    assert code == 4
    assert (tmp_path / "cleaned").read_text() == "b\na\n"


def test_the_script_ends_a_server_before_what_it_ran_in(tmp_path):
    plan = plan_of(
        Step(
            "container",
            ("true",),
            serves=True,
            cleanup=("sh", "-c", "kill -0 $(cat pid) && echo early > at; echo done >> at"),
        ),
        Step(
            "serve", ("sh", "-c", "echo $$ > pid; exec sleep 60"), serves=True, cwd="{job_dir}/work"
        ),
        Step("wait", ("sh", "-c", "until [ -s pid ]; do sleep 0.05; done; exit 3")),
    )

    code = run_script(plan, tmp_path)

    assert code == 3
    assert (tmp_path / "work" / "at").read_text() == "done\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "work" / "pid").read_text()), 0)
