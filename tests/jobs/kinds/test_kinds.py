"""Every kind: its plan on a real target, its slots, its script."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS
from jobs.kinds import KINDS, check_makers
from jobs.kinds.lib import base
from jobs.kinds.lib.base import Kind, KindParams, Target, rules_of
from jobs.kinds.lib.defaults import defaults_for, unswitched
from jobs.kinds.lib.load import RANDOM
from jobs.metrics import METRICS
from jobs.plans import fill, script, slots
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import PARAMS, VALUES, here
from tests.jobs.lib.vacc_target import EXACT, VACC_PARAMS, vacc_host, vacc_values

RECORDER = """
import json, os, sys
with open(sys.argv[1], "a", encoding="utf-8") as file:
    file.write(json.dumps(sys.argv[3:]) + "\\n")
if sys.argv[2] == "server":
    import time
    time.sleep(0.5)
"""

ALL_PARAMS = [*PARAMS, *VACC_PARAMS]
every_kind = pytest.mark.parametrize(
    ("kind", "raw"),
    ALL_PARAMS,
    ids=[f"{kind}-{index}" for index, (kind, _) in enumerate(ALL_PARAMS)],
)


def is_here(kind, raw):
    """Return True for values of a form on this computer, not on a VACC host."""
    return KINDS[kind].is_available(here()) and (kind, raw) not in VACC_PARAMS


def home(kind, raw, root="/nfs"):
    """A host that can do such work."""
    return here() if is_here(kind, raw) else vacc_host(root=str(root))


def values(kind, raw, **given):
    """Return slot values there."""
    known = VALUES if is_here(kind, raw) else vacc_values(vacc_host())
    return {**known, **given}


def planned(kind, raw, target=None):
    target = target or home(kind, raw)
    return KINDS[kind].plan(KINDS[kind].Params(**raw), target)


@every_kind
def test_what_runs_is_the_preview_with_its_slots_filled(kind, raw):
    preview = planned(kind, raw)

    run = fill(preview, values(kind, raw))

    assert [(f.name, f.text) for f in run.files] == [(f.name, f.text) for f in preview.files]
    assert (run.outputs, run.kind) == (preview.outputs, kind)
    assert [step.name for step in run.steps] == [step.name for step in preview.steps]
    assert [len(step.argv) for step in run.steps] == [len(step.argv) for step in preview.steps]
    assert not any(value in slots(preview) for step in run.steps for value in step.argv)


@every_kind
def test_the_script_of_a_kind_runs_the_same_commands(kind, raw, tmp_path):
    plan = planned(kind, raw, home(kind, raw, tmp_path))
    record = tmp_path / "commands.jsonl"
    recorded = replace(
        plan,
        steps=tuple(
            replace(
                step,
                argv=(
                    *(sys.executable, "-c", RECORDER.replace("{", "{{").replace("}", "}}")),
                    *(str(record), "server" if step.serves else "step", *step.argv),
                ),
            )
            for step in plan.steps
        ),
    )
    filled = values(kind, raw, job_dir=str(tmp_path), serve_dir=str(tmp_path))
    for step in fill(plan, filled).steps:
        Path(step.cwd).mkdir(parents=True, exist_ok=True)
    path = tmp_path / "run.sh"
    path.write_text(script(recorded, filled), encoding="utf-8")

    subprocess.run(["bash", str(path)], cwd=tmp_path, check=True, capture_output=True)

    commands = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    wanted = [list(step.argv) for step in fill(plan, filled).steps]
    assert sorted(commands) == sorted(wanted)  # a server starts beside the step after it


@every_kind
def test_a_plan_brings_every_file_that_its_commands_name(kind, raw):
    plan = planned(kind, raw)
    names = {item.name for item in plan.files}

    for step in plan.steps:
        for word in step.argv:
            folder, _, name = word.rpartition("/files/")
            assert not folder or name in names


@every_kind
def test_titles_and_inputs_come_from_the_target(kind, raw):
    module, target = KINDS[kind], home(kind, raw)
    params = module.Params(**raw)

    inputs = module.inputs(params, target)

    assert module.title_of(params, target)
    # The deployment that a job makes has its number from the dashboard, before it starts.
    asset_slots = {
        name
        for name in slots(module.plan(params, target))
        if "." in name and name != "deployment.id"
    }
    assert {name.split(".")[0] for name in asset_slots} <= set(inputs)
    assert all(name.split(".")[1] in inputs[name.split(".")[0]].data for name in asset_slots)


@every_kind
def test_a_host_that_has_not_reported_gets_no_plan(kind, raw):
    target = replace(home(kind, raw), facts={})

    with pytest.raises(LaunchError, match="has not reported"):
        planned(kind, raw, target)


def test_every_field_has_a_label_and_help():
    for kind in KINDS.values():
        for name, spec in kind.Params.model_json_schema()["properties"].items():
            assert spec.get("description"), f"{kind.name}.{name}"
            assert spec.get("label"), f"{kind.name}.{name}"


def test_the_keys_of_the_kinds_are_their_names():
    assert {key: kind.name for key, kind in KINDS.items()} == {key: key for key in KINDS}


def chosen(module, raw, target, field, value):
    """``raw`` with a choice, and what follows it by itself."""
    given = {
        name: one
        for name, one in raw.items()
        if (rules_of(module.Params)[name].follows or ("",))[0] != field
    } | {field: value}
    return defaults_for(module.Params, target, given) | given


@every_kind
def test_choices_offer_what_a_plan_takes(kind, raw):
    module, target = KINDS[kind], home(kind, raw)

    shown = set(module.Params.model_fields) - unswitched(module.Params, target, raw)
    for field in shown:
        for choice in module.choices(field, target) or ():
            try:
                planned(kind, chosen(module, raw, target, field, choice.value), target)
            except LaunchError as error:  # another stack may want another field to be changed
                # Random prompts are offered on every host: the error says which tokenizer to get.
                is_random = (field, choice.value) == ("prompts", RANDOM)
                is_none = choice.value == ""  # with an early stop, the error asks for a baseline
                assert error.field not in (field, "") or is_random or is_none


@pytest.mark.parametrize(
    ("kind", "target", "field", "values"),
    [
        ("apply-modification", vacc_host(), "weights", ["1", "job:17"]),
        ("prepare-opencompass", vacc_host(), "stack", ["guide"]),
        ("compile", here(), "weights", ["1", "job:17"]),
        ("convert-weights", here(), "weights", ["1", "job:17"]),
        ("compile-vacc", vacc_host(), "calibration", ["", "5"]),
        ("deploy-build-in", vacc_host(), "artifact", ["3", "job:18"]),
        ("deploy-vllm", vacc_host(), "stack", ["guide", "current"]),
        ("deploy-vllm", vacc_host({"stacks": ["current"]}), "stack", ["current"]),
        ("deploy-vllm", vacc_host({"dies": []}), "stack", ["vllm-cpu"]),
        ("deploy-vllm", here(), "weights", ["4"]),
        ("benchmark-throughput", here(), "weights", ["4"]),
        ("benchmark-online", vacc_host(), "deployment", ["8", "9"]),  # of vLLM alone
        ("evaluate-evalscope", vacc_host(), "stack", ["current"]),
        ("evaluate-opencompass", vacc_host(), "stack", ["guide"]),
        ("greedy-probe", here(), "reference", ["5", "3"]),  # first another engine
    ],
)
def test_a_field_offers_what_the_kind_can_use(kind, target, field, values):
    assert plans_of(kind).offered(field, target) == values


@pytest.mark.parametrize(
    ("kind", "raw", "notes"),
    [
        ("prepare-weights", EXACT, "weights_linked verify_added"),
        ("apply-modification", EXACT, "modification_in_words config_vacc_made"),
        ("prepare-datasets", {"dataset": "alpaca"}, "dataset_linked verify_added"),
        (
            *("prepare-datasets", {"dataset": "opencompass"}),
            "comments_run wget_resumes unzip_overwrites verify_added",
        ),
        (
            *("prepare-datasets", {"dataset": "opencompass", **EXACT}),
            "comments_run unzip_asks verify_added",
        ),
        (
            *("deploy-vllm", {}),
            "detached workspace_here docker_exec own_name label dies_named served_name"
            " listens_everywhere waits_ready think_tags",
        ),
        (
            *("deploy-vllm", EXACT),
            "detached workspace_here docker_exec dies_unnamed address name_is_path waits_ready"
            " think_tags",
        ),
        (
            *("benchmark-online", {}),
            "docker_exec result_fetched backend_added folder_made address_named comparable seed"
            " tokenizer_code",
        ),
        (
            *("benchmark-online", EXACT),
            "docker_exec result_fetched backend_fails address_unnamed folder_missing same_requests",
        ),
        (
            *("benchmark-latency", {}),
            "detached workspace_here docker_exec plugin_imported own_name label results_mounted"
            " json_kept dies_named",
        ),
        (
            *("benchmark-latency", EXACT),
            "detached workspace_here docker_exec plugin_missing dies_unnamed",
        ),
        (
            *("benchmark-throughput", {}),
            "detached workspace_here docker_exec plugin_imported own_name label results_mounted"
            " json_kept dies_named dataset_name_dropped",
        ),
        (
            *("benchmark-throughput", EXACT),
            "detached workspace_here docker_exec plugin_missing dies_unnamed dataset_name_fails",
        ),
        ("evaluate-evalscope", {}, "evalscope_command evalscope_key"),
        (
            *("evaluate-opencompass", {}),
            "config_made conda_path own_folder details_kept scored_meanwhile in_parallel retries",
        ),
    ],
)
def test_notes_name_the_differences_from_the_guide(kind, raw, notes):
    assert plans_of(kind).ids(**raw) == [f"guide:{name}" for name in notes.split()]


def test_a_label_names_the_precision_of_the_source():
    module = KINDS["compile"]
    labels = [
        module.product(module.Params(weights="1", precision=precision), here())["label"]
        for precision in ("fp16", "int8")
    ]

    assert labels == ["F16 from Q4_1", "Q8_0 from Q4_1"]


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (8, "7")])
def test_a_server_leaves_one_core_to_others(cores, threads):
    plan = planned("deploy", {"artifact": "2"}, here({"cpu": {"cores": cores}}))

    argv = plan.steps[1].argv
    assert argv[argv.index("--threads") + 1] == threads


def test_a_server_has_the_threads_that_were_asked_for():
    argv = planned("deploy", {"artifact": "2", "threads": 3}).steps[1].argv

    assert argv[argv.index("--threads") + 1] == "3"


@pytest.mark.parametrize(
    ("host_type", "listen"), [("this-computer", "127.0.0.1"), ("vacc", "0.0.0.0")]
)
def test_the_dashboard_can_reach_a_server_of_another_host(host_type, listen):
    argv = planned("deploy", {"artifact": "2"}, replace(here(), type=host_type)).steps[1].argv

    assert argv[argv.index("--host") + 1] == listen


def test_the_server_needs_nothing_from_its_job_s_folder():
    plan = planned("deploy", {"artifact": "2", "reasoning": True})

    served = next(step for step in plan.steps if step.serves)
    assert not any("{job_dir}" in word for word in served.argv)


def test_a_deployment_is_watched_while_it_serves():
    (watch,) = planned("deploy", {"artifact": "2"}).watches

    assert watch.url == "http://127.0.0.1:{port}/metrics"
    assert "llamacpp:requests_processing" in watch.metrics


def test_a_benchmark_watches_the_engine():
    watch, client = planned("benchmark", {"deployment": "3"}).watches

    assert (client.name, client.reader) == ("client", "client")
    assert watch.url == "{deployment.url}/metrics"
    assert "llamacpp:requests_processing" in watch.metrics


def test_an_evaluation_asks_as_many_questions_as_its_limit():
    plan = planned("evaluate", {"deployment": "3", "limit": 40})

    lines = [line for f in plan.files if f.name.endswith(".jsonl") for line in f.text.splitlines()]
    sets = {json.loads(line)["id"] for line in lines}
    assert len(lines) == len(sets) == 40
    assert {json.loads(line)["language"] for line in lines} == {"en", "zh"}


def test_an_evaluation_asks_every_question_without_a_limit():
    plan = planned("evaluate", {"deployment": "3"})

    lines = [line for f in plan.files if f.name.endswith(".jsonl") for line in f.text.splitlines()]
    assert len(lines) == len(QUESTION_SETS["basics"].questions)


def test_a_tool_reaches_no_hub():
    for kind in ("benchmark", "evaluate"):
        env = dict(planned(kind, {"deployment": "3"}).steps[0].env)

        assert env["HF_HUB_OFFLINE"] == "1"
        caches = [value for name, value in env.items() if name.endswith(("_HOME", "_CACHE"))]
        assert caches and all(value.startswith("{job_dir}/") for value in caches)


def test_a_plan_is_the_same_each_time():
    assert planned("evaluate", {"deployment": "3"}) == planned("evaluate", {"deployment": "3"})


def test_metrics_are_named_after_themselves():
    assert {key: metric.name for key, metric in METRICS.items()} == {key: key for key in METRICS}


def test_kinds_need_no_target_but_the_one_given():
    empty = Target("h", "vacc", facts=here().facts)

    assert planned("prepare", {}, empty).steps[0].name == "fetch"


def test_scripts_are_python_that_parses():
    folder = Path(__file__).parents[3] / "jobs" / "tools"

    for path in folder.glob("*/scripts/*.py"):
        compile(path.read_text(encoding="utf-8"), str(path), "exec")


MAKES = [
    (kind, raw)
    for kind, raw in ALL_PARAMS
    if (made := KINDS[kind].product(KINDS[kind].Params(**raw), home(kind, raw)))
    and made["type"] != "deployment"
]


@pytest.mark.parametrize(
    ("kind", "raw"), MAKES, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(MAKES)]
)
def test_products_for_other_jobs_outlive_the_jobs_folder(kind, raw):
    target = home(kind, raw)
    made = KINDS[kind].product(KINDS[kind].Params(**raw), target)
    given = values(kind, raw, job_dir="/host/spool/17")

    run = fill(planned(kind, raw), given)

    # llama.cpp's artifact has no name before it is there; its command has the folder.
    artifacts = target.facts["roots"]["artifacts"]
    path = made.get("path") or next(
        word for step in run.steps for word in step.argv if word.startswith(artifacts)
    )
    assert not path.startswith("/host/spool/17")


@pytest.mark.parametrize(
    "rule",
    [
        *({"aset": "weights"}, {"asset": "weight"}, {"source": "gti"}, {"way": "vlm"}),
        *({"stack_most": "max"}, {"of_model": ("vllm", "most")}, {"of_model": ("v", "max_input")}),
        *({"follows": ("deployment", "stak")}, {"within": (("deployment", "max_totl", 1),)}),
    ],
    ids=str,
)
def test_a_misspelt_rule_of_a_field_is_an_error(rule):
    with pytest.raises(ValidationError, match="for Rules"):
        base.field(1, "Length", "Shape", **rule)


def test_a_rule_names_fields_of_its_kind():
    class Params(KindParams):
        length: int = base.field(1, "Length", "Shape", follows=("deploymnt", "stack"))

    with pytest.raises(TypeError, match="names unknown fields"):
        type("Wrong", (Kind,), {}, params=Params)


def test_a_rule_names_a_kind():
    class Params(KindParams):
        weights: str = base.field(
            ..., "Weights", "Model", asset="weights", made_by="convert-weight"
        )

    wrong = type("Wrong", (Kind,), {"name": "wrong"}, params=Params)

    with pytest.raises(TypeError, match="no kind is called convert-weight"):
        check_makers([wrong])
