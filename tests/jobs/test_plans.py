"""Plans: slots are filled and nothing else changes; script and launcher run the same commands."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.base.errors import PlanError
from jobs.plans import (
    Check,
    Output,
    Plan,
    PlanFile,
    Step,
    Watch,
    fill,
    from_json,
    literal,
    script,
    secrets,
    slots,
    step_script,
)
from tests.waiting import PATIENCE_S

# Everything that a shell could take for its own.
NASTY = 'it\'s "a" $HOME `id` \\ {x} *; é 中\nsecond line !'
RECORDER = """
import json, os, sys
with open(sys.argv[1], "a", encoding="utf-8") as file:
    file.write(json.dumps([sys.argv[2:], os.environ.get("WORD")]) + "\\n")
"""


def plan_of(*steps: Step, **fields: object) -> Plan:
    return Plan(kind="test", steps=steps, **fields)  # type: ignore[arg-type]


def run_script(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "run.sh"
    path.write_text(text, encoding="utf-8")
    command = ["bash", str(path)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)


def test_filling_replaces_slots_and_changes_nothing_else():
    plan = plan_of(
        Step("a", ("tool", "--port={port}", "{{x}}"), env=(("AT", "{job_dir}/x"),)),
        files=(PlanFile("f.txt", "{port}"),),
        outputs=(Output("out", "*.json"),),
        watches=(Watch("engine", "http://127.0.0.1:{port}/metrics", ("m",)),),
    )

    filled = fill(plan, {"port": "8000", "job_dir": "/j"})

    assert filled == replace(
        plan,
        filled=True,
        steps=(Step("a", ("tool", "--port=8000", "{x}"), env=(("AT", "/j/x"),)),),
        watches=(Watch("engine", "http://127.0.0.1:8000/metrics", ("m",)),),
    )


def test_a_value_with_braces_is_not_filled_again():
    plan = plan_of(Step("a", ("{artifact.path}",)))

    filled = fill(plan, {"artifact.path": "/x/{port}"})

    assert filled.steps[0].argv == ("/x/{port}",)


def test_a_plan_is_filled_once():
    filled = fill(plan_of(Step("a", ("true",))), {})

    with pytest.raises(PlanError, match="filled already"):
        fill(filled, {})


def test_a_slot_without_a_value_is_named():
    with pytest.raises(PlanError, match=r"\{weights\.path\} has no value"):
        fill(plan_of(Step("a", ("{weights.path}",))), {"port": "1"})


@pytest.mark.parametrize("text", ["{", "}", "{}", "{Port}", "{secret}", "{{x}", "{weights}"])
def test_a_brace_that_is_no_slot_is_refused(text):
    with pytest.raises(PlanError):
        plan_of(Step("a", (text,)))


@pytest.mark.parametrize("name", ["", "A", "../x", "a b", "-x"])
def test_a_name_that_could_be_a_path_is_refused(name):
    with pytest.raises(PlanError, match="is not a name"):
        plan_of(Step("a", ("true",)), files=(PlanFile(name, ""),))


def test_two_steps_have_two_names():
    with pytest.raises(PlanError, match="names of their own"):
        plan_of(Step("a", ("true",)), Step("a", ("false",)))


def test_a_plan_starts_one_server_at_most():
    with pytest.raises(PlanError, match="one server"):
        plan_of(Step("a", ("x",), serves=True), Step("b", ("y",)), Step("c", ("z",), serves=True))


def test_slots_come_once_in_the_order_of_their_first_use():
    plan = plan_of(
        Step("a", ("{port}", "{job_dir}", "{port}"), env=(("X", "{artifact.path}"),)),
        watches=(Watch("w", "{deployment.url}/metrics", ()),),
    )

    assert slots(plan) == ("port", "job_dir", "artifact.path", "deployment.url")


def test_literal_text_comes_back_as_it_was():
    plan = plan_of(Step("a", (literal(NASTY),)))

    assert fill(plan, {}).steps[0].argv == (NASTY,)


def test_the_checksum_covers_the_files():
    one = plan_of(Step("a", ("x",)), files=(PlanFile("f", "1"),))
    two = replace(one, files=(PlanFile("f", "2"),))

    assert one.sha256() != two.sha256()


@pytest.mark.parametrize("change", [{"schema": 99}, {"steps": None}, {"steps": []}, {"dies": ...}])
def test_what_is_no_plan_of_ours_is_refused(change):
    data = plan_of(Step("a", ("x",))).to_json() | change
    if change.get("dies") is ...:
        del data["dies"]

    with pytest.raises(PlanError):
        from_json(data)


def test_the_script_runs_what_the_launcher_runs(tmp_path):
    args = ("{job_dir}/a b", literal(NASTY), "--{artifact.path}={port}", "", "-x", "{{}}")
    record = tmp_path / "commands.jsonl"
    recorder = (sys.executable, "-c", RECORDER, literal(str(record)))
    plan = plan_of(
        Step("one", (*recorder, *args), env=(("WORD", literal(NASTY) + "{port}"),)),
        Step("two", (*recorder, "{weights.path}")),
    )
    values = {"artifact.path": NASTY, "port": "80", "weights.path": "a}b", "job_dir": str(tmp_path)}

    done = run_script(script(plan, values), tmp_path)

    assert done.returncode == 0, done.stderr
    commands = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    filled = fill(plan, values)
    assert [argv for argv, _ in commands] == [list(step.argv[4:]) for step in filled.steps]
    assert [word for _, word in commands] == [filled.steps[0].env[0][1], None]


def test_the_script_stops_at_the_first_step_that_fails(tmp_path):
    plan = plan_of(Step("one", ("false",)), Step("two", ("touch", "{job_dir}/reached")))

    done = run_script(script(plan), tmp_path)

    assert done.returncode == 1
    assert not (tmp_path / "reached").exists()


def test_the_script_asks_for_what_it_does_not_know(tmp_path):
    plan = plan_of(Step("one", ("touch", "{job_dir}/{weights.path}")))

    done = run_script(script(plan), tmp_path)

    assert "WEIGHTS_PATH: set it first" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize(
    "text", ["", "\n", "a", "a\n", "a\n\n", "END_OF_FILE\nEND_OF_FILE_\n", f"$x {NASTY}"]
)
def test_the_script_writes_the_files_byte_for_byte(tmp_path, text):
    plan = plan_of(Step("one", ("true",)), files=(PlanFile("f.txt", text),))

    run_script(script(plan), tmp_path)

    assert (tmp_path / "files" / "f.txt").read_bytes() == text.encode()


def test_the_script_leaves_no_server_behind_when_a_step_fails(tmp_path):
    plan = plan_of(
        Step("serve", ("sh", "-c", "echo $$ > {job_dir}/pid; exec sleep 60"), serves=True),
        Step("wait", ("sh", "-c", "until [ -s {job_dir}/pid ]; do sleep 0.05; done; exit 3")),
    )

    done = run_script(script(plan), tmp_path)

    assert done.returncode == 3
    pid = (tmp_path / "pid").read_text().strip()
    status = Path(f"/proc/{pid}/stat")
    assert not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_the_script_waits_for_a_server_that_it_started(tmp_path):
    plan = plan_of(
        Step("serve", ("sh", "-c", "sleep 0.3; touch {job_dir}/ended"), serves=True),
        Step("go-on", ("test", "!", "-e", "{job_dir}/ended")),
    )

    done = run_script(script(plan), tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ended").exists()


def test_a_plan_that_was_stored_before_0_1_0_is_read():
    data = plan_of(Step("a", ("x",)), files=(PlanFile("f", "text"),)).to_json() | {"schema": 1}
    plan = from_json(data)
    for name in ("checks", "port", "address", "writes"):
        del data[name]
    for name in ("cwd", "path", "cleanup", "health"):
        del data["steps"][0][name]
    del data["files"][0]["at"]

    assert from_json(data) == plan


def test_the_address_of_a_watch_holds_no_secret():
    watch = Watch("a", "http://{secret:KEY}@127.0.0.1/metrics", ("x",))

    with pytest.raises(PlanError, match="only an environment"):
        plan_of(Step("a", ("x",)), watches=(watch,))


READER = Watch("a", reader="evalscope", folder="{job_dir}/work/eval", expected=(("x", 3),))
KEYED = Watch("a", "http://127.0.0.1:1/metrics", ("x",), interval_s=2.0, key="{secret:KEY}")
STEP = Step("a", ("x",))


@pytest.mark.parametrize(
    "plan",
    [
        plan_of(
            Step("a", ("x", "{port}"), env=(("A", "b"),), timeout_s=1.5, serves=True),
            files=(PlanFile("f", "text"),),
            outputs=(Output("o", "*", required=False),),
            watches=(replace(KEYED, key=""),),
            dies=2,
        ),
        plan_of(Step("a", ("x",), cwd="/w", path=("/b",), cleanup=("x",), health="/v1/models")),
        plan_of(STEP, files=(PlanFile("f", "text", at="{job_dir}/work/f"),)),
        plan_of(STEP, checks=(Check("disk", (("path", "{job_dir}"),), asks=True),)),
        plan_of(STEP, port=8000, address="10.0.0.7"),
        plan_of(STEP, watches=(READER, replace(KEYED, name="b"))),
    ],
)
def test_a_plan_survives_json(plan):
    data = json.loads(json.dumps(plan.to_json()))

    assert from_json(data) == plan
    assert from_json(data).sha256() == plan.sha256()


def test_slots_are_filled_wherever_a_host_reads_them():
    plan = plan_of(
        Step("a", ("x",), cwd="{job_dir}/c", path=("{job_dir}/p",), cleanup=("rm", "{port}")),
        files=(PlanFile("f", "{port}", at="{job_dir}/f"),),
        watches=(READER, KEYED),
        checks=(Check("port", (("port", "{port}"),)),),
    )

    filled = fill(plan, {"job_dir": "/j", "port": "80", "secret:KEY": "k{1}"})

    assert secrets(plan) == ("KEY",)
    assert [(one.folder, one.key) for one in filled.watches] == [("/j/work/eval", ""), ("", "k{1}")]
    step = filled.steps[0]
    assert (step.cwd, step.path, step.cleanup) == ("/j/c", ("/j/p",), ("rm", "80"))
    assert filled.files == (PlanFile("f", "{port}", at="/j/f"),)
    assert filled.checks == (Check("port", (("port", "80"),)),)


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

    code = run_script(script(plan), tmp_path).returncode

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

    assert run_script(script(plan), tmp_path).returncode == 0
    assert (tmp_path / "work" / "eval" / "f.py").read_text() == "text"


def test_the_script_cleans_up_after_each_begun_step_last_first(tmp_path):
    def clean(name: str) -> tuple[str, ...]:
        return ("sh", "-c", f"echo {name} >> {{job_dir}}/cleaned; exit 1")

    plan = plan_of(
        Step("a", ("true",), cleanup=clean("a")),
        Step("b", ("sh", "-c", "exit 4"), cleanup=clean("b")),
        Step("c", ("true",), cleanup=clean("c")),
    )

    code = run_script(script(plan), tmp_path).returncode

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

    code = run_script(script(plan), tmp_path).returncode

    assert code == 3
    assert (tmp_path / "work" / "at").read_text() == "done\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "work" / "pid").read_text()), 0)
