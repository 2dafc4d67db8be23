"""Apply VACC patch: dry run, undo, and refusal for another model."""

import json

import pytest

from jobs.base.messages import Message
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.readings import read_outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import QWEN_7B, vacc_host

KIND = KINDS["apply-modification"]
SOURCES = ("modeling_qwen2_vacc.py", "configuration_qwen2_vacc.py", "quantization_vacc.py")
APPLY = {"weights": "1"}
plans = plans_of(KIND.name)
planned, product = plans.planned, plans.product


@pytest.fixture
def host(tmp_path):
    """A host with the 7B distill's config.json and the vendor's three source files."""
    runner = Runner(tmp_path)
    runner.folder = tmp_path / "a {b} space/weights/DeepSeek-R1-Distill-Qwen-7B"
    runner.source = tmp_path / "a {b} space/source_code"
    for folder in (runner.folder, runner.source):
        folder.mkdir(parents=True)
    config = MODELS[QWEN_7B].architecture.config_values()
    (runner.folder / "config.json").write_text(json.dumps(config, indent=2))
    for name in SOURCES:
        (runner.source / name).write_text(f"# {name}\n")
    return runner


def test_it_shows_before_it_writes():
    assert [step.name for step in planned().steps] == ["show", "apply"]
    assert [step.name for step in planned(only_show=True).steps] == ["show"]
    # Undoing needs no source.
    without = vacc_host({"modification_dir": ""})
    assert [step.name for step in planned(without, undo=True).steps] == ["undo"]


def test_the_catalogue_s_own_module_makes_the_file_on_the_host():
    (module,) = [item for item in planned().files if item.name == "modification.py"]

    assert "def config_vacc(" in module.text
    assert "django" not in module.text and "pydantic" not in module.text


def test_the_weights_are_amended_not_made_anew():
    assert (product()["type"], product()["amends"]) == ("weights", True)
    assert product()["details"] == {"modification": True}
    assert product(undo=True)["details"] == {"modification": False}
    assert product(only_show=True) is None


def test_what_changes_is_shown_and_nothing_is_written(host):
    done = host.step("apply-modification", APPLY, "show")

    assert done.returncode == 0, done.stderr
    assert '+  "_attn_implementation": "eager"' in done.stdout
    assert "+# modeling_qwen2_vacc.py" in done.stdout
    assert "4 of 4 files would be written" in done.stdout
    assert [path.name for path in host.folder.iterdir()] == ["config.json"]


def test_four_files_are_beside_the_weights_afterwards(host):
    done = host.step("apply-modification", APPLY, "apply")

    assert done.returncode == 0, done.stderr
    made = json.loads((host.folder / "config_vacc.json").read_text())
    own = json.loads((host.folder / "config.json").read_text())
    assert {key: made[key] for key in own} == own
    assert made["insert_slice"] is True
    assert all((host.folder / name).read_text() == f"# {name}\n" for name in SOURCES)
    outcome = read_outcome(KIND, KIND.Params(**APPLY), None, host.outputs())
    args = {"files": 4, "path": str(host.folder)}
    assert outcome.message == Message("modification:applied", args)


def test_undoing_puts_back_what_was_there_before_the_first_time(host):
    (host.folder / SOURCES[0]).write_text("# older\n")
    before = {path.name: path.read_text() for path in host.folder.iterdir()}
    host.step("apply-modification", APPLY, "apply")
    (host.source / SOURCES[0]).write_text("# newer\n")
    host.step("apply-modification", APPLY, "apply")
    assert (host.folder / SOURCES[0]).read_text() == "# newer\n"

    done = host.step("apply-modification", {**APPLY, "undo": True}, "undo")

    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text() for path in host.folder.iterdir()} == before
    outcome = read_outcome(KIND, KIND.Params(**APPLY, undo=True), None, host.outputs())
    assert outcome.message.id == "modification:undone"


def test_files_changed_since_are_left_as_they_are(host):
    host.step("apply-modification", APPLY, "apply")
    (host.folder / SOURCES[1]).write_text("# by hand\n")

    done = host.step("apply-modification", {**APPLY, "undo": True}, "undo")

    assert (done.returncode, "was changed after it was written" in done.stderr) == (1, True)
    assert (host.folder / SOURCES[1]).read_text() == "# by hand\n"
    assert (host.folder / SOURCES[0]).exists()


def test_what_is_missing_is_named(host):
    undone = host.step("apply-modification", {**APPLY, "undo": True}, "undo")
    (host.source / SOURCES[2]).unlink()
    shown = host.step("apply-modification", APPLY, "show")

    assert (undone.returncode, "has no applied patch" in undone.stderr) == (1, True)
    assert (shown.returncode, f"holds no {SOURCES[2]}" in shown.stderr) == (1, True)


@pytest.mark.parametrize("step", ["show", "apply"])
def test_the_weights_of_another_model_are_refused(host, step):
    config = MODELS["deepseek-r1-distill-qwen-14b"].architecture.config_values()
    (host.folder / "config.json").write_text(json.dumps(config))

    done = host.step("apply-modification", APPLY, step)

    assert done.returncode == 3
    assert "these are not the weights of that model: hidden_size, intermediate_size" in done.stderr
    assert "config.json: hidden_size is 5120, the catalogue says 3584" in done.stdout
    assert [path.name for path in host.folder.iterdir()] == ["config.json"]
