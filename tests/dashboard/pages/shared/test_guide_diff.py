"""Differences of a command from the guide: marked word by word, with reasons."""

from dataclasses import replace

import pytest
from django.template.loader import render_to_string
from django.urls import reverse

from dashboard.pages.shared.plan import ABOUT, against, command_view
from dashboard.text.messages import MESSAGES
from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.kinds.lib.guide import guide_diff, model_named, target_for
from jobs.launch.again import retry_job
from jobs.launch.launch import launch
from jobs.models import Job
from jobs.plans import Plan, PlanFile, Step
from tests.factories import make_guide_host, make_guide_weights, make_host


def view_of(kind, model="deepseek-r1", *, stack="guide", exact=False, facts=None, **given):
    """A kind's commands on the guide's own host, or one of other ``facts``, marked."""
    target = target_for(model_named(model), stack)
    target = replace(target, facts={**target.facts, **(facts or {})})
    fields = KINDS[kind].Params.model_fields
    known = {"stack": stack, "weights": "1", "artifact": "1", "deployment": "1", "model": model}
    raw = {
        name: value for name, value in {**known, EXACT: exact, **given}.items() if name in fields
    }
    params = KINDS[kind].Params.model_validate(raw)
    plan = KINDS[kind].plan(params, target)
    diff = against(guide_diff(KINDS[kind], params, target, plan))
    return command_view(plan, {}, guide=diff)


OTHER = {"mount": "/ws"}  # a folder that is not the guide's


def step(view, name):
    return next(item for item in view.steps if item.name == name)


def line(view, name, flag):
    return next(item for item in step(view, name).lines if item.flag == flag)


def test_an_argument_beyond_the_guide_is_marked_with_a_reason():
    view = view_of("benchmark-online")

    backend = line(view, "measure", "--backend")
    assert backend.ours
    assert "exits with code 1" in backend.mark.reason
    assert view.notes[backend.mark.number - 1] == backend.mark.reason
    assert line(view, "measure", "--dataset-name").mark is None


def test_an_argument_with_another_value_says_what_the_guide_has():
    host = line(view_of("deploy-vllm"), "serve", "--host")

    assert "10.24.73.25 is its own machine's" in host.mark.reason
    assert host.guide_text == "10.24.73.25"
    assert [piece.ours for piece in host.pieces] == [True]
    assert not host.ours  # the option itself is the guide's


def test_added_steps_and_omitted_parts_have_a_reason():
    view = view_of("benchmark-throughput")

    assert "import vllm_vacc" in step(view, "plug-in").mark.reason
    assert step(view, "measure").mark is None
    ((text, mark),) = step(view, "measure").left_out
    assert text == "--dataset-name random"
    assert "vLLM 0.7.2 does not support it" in mark.reason


def test_words_that_only_moved_to_another_line_are_not_ours():
    view = view_of("prepare-datasets", dataset="opencompass")

    download = step(view, "download-core").lines
    assert [(item.flag, item.ours, [p.ours for p in item.pieces]) for item in download] == [
        ("", False, [False]),
        ("-c", True, [False]),
    ]


def test_verbatim_marks_only_what_needs_a_terminal():
    view = view_of("deploy-vllm", exact=True)

    marked = [item.flag or "run" for part in view.steps for item in part.lines if item.mark]
    assert "--host" not in marked
    assert "-dit" in marked


def test_a_file_that_the_guide_has_otherwise_shows_its_lines():
    view = view_of("evaluate-opencompass")

    file = next(item for item in view.files if item.name == "eval_ds.py")
    assert file.ours
    assert any(changed for _text, changed in file.lines)


def test_each_note_that_marks_is_a_note_of_some_kind():
    assert set(ABOUT) <= set(MESSAGES)


# Options whose reason speaks of what they do, in other words.
IN_WORDS = {
    "--ref": "tag",
    "--endpoint": "chat endpoint",
    "--percentile-metrics": "percentiles",
    "--metric-percentiles": "percentiles",
    "--random-input-len": "--random-prefix-len",
    "--served-model-name": "model name",
    "--result-dir": "result folder",
    "-w": "folder|(--name)",  # the line may have the container's name, too
    "-v": "mount",
    "-e": "VACC_VISIBLE_DEVICES",
    "-c": "limited",
}


def own_marks(view):
    """Everything of ours in a view: (step, flag or text, mark, whether its step is ours)."""
    for part in view.steps:
        is_added = part.mark is not None
        if is_added:
            yield part.name, "", part.mark, True
        for item in (*part.lines, *part.env):
            if item.mark:
                yield part.name, item.flag, item.mark, is_added
        for text, mark in part.left_out:
            yield part.name, text.split()[0], mark, is_added


@pytest.mark.parametrize("stack", ["guide", "current"])
def test_everything_of_ours_in_every_kinds_command_has_its_own_reason(stack):
    wrong = []
    for name, kind in KINDS.items():
        if EXACT not in kind.Params.model_fields:
            continue
        for model in ("deepseek-r1", "deepseek-r1-distill-qwen-7b"):
            try:
                view = view_of(name, model, stack=stack)
            except LaunchError:  # not of this model
                continue
            for part, flag, mark, is_added in own_marks(view):
                flag = flag.rstrip("=")
                says = {flag, *IN_WORDS.get(flag, flag).split("|")}
                is_named = not flag.startswith("-") or any(one in mark.reason for one in says)
                if not mark.number or not (is_named or is_added):
                    wrong.append((name, part, flag, mark.reason))
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "part", "flag", "reason"),
    [
        ("deploy-vllm", "container", "--label", "--label vacc.job"),
        ("deploy-vllm", "container", "--name=", "a name of its own"),
        ("benchmark-latency", "container", "--name=", "a name of its own"),
        ("benchmark-throughput", "container", "--label", "--label vacc.job"),
        ("benchmark-online", "measure", "--trust-remote-code", "a tokenizer may need"),
    ],
)
def test_an_option_has_the_reason_that_it_has(kind, part, flag, reason):
    assert reason in line(view_of(kind), part, flag).mark.reason


@pytest.mark.parametrize("kind", ["benchmark-latency", "benchmark-throughput"])
def test_the_mount_of_results_is_told_from_that_of_the_workspace(kind):
    mounts = [
        item for item in step(view_of(kind, facts=OTHER), "container").lines if item.flag == "-v"
    ]

    reasons = [item.mark.reason for item in mounts]
    assert "mounted at /results" in reasons[1]
    assert "mounted at /ws" in reasons[0]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("kind", "part", "reason"),
    [
        ("deploy-vllm", "wait", "waits until the server answers"),
        ("benchmark-online", "fetch", "docker cp copies the result"),
    ],
)
def test_a_step_that_verbatim_has_too_says_that_it_is_ours(kind, part, reason, exact):
    assert reason in step(view_of(kind, exact=exact), part).mark.reason


def test_a_difference_without_a_note_is_marked_too():
    plan = Plan("x", (Step("a", ("tool", "--n", "4")), Step("b", ("c",))))
    guide_text = Plan("x", (Step("a", ("tool", "--n", "5")), Step("d", ("e",))))
    data = {"notes": [], "plan": guide_text.to_json()}

    view = command_view(plan, {}, guide=against(data))

    changed = line(view, "a", "--n")
    assert changed.mark.reason == "The guide has another command here, or none."
    assert changed.guide_text == "5"
    assert step(view, "b").mark.reason == "Not a step of the guide."
    assert view.steps_gone == ("d",)


def test_files_that_both_have_are_not_kept_twice():
    kind, target = KINDS["deploy-vllm"], target_for("deepseek-r1", "guide")
    params = kind.Params.model_validate({"stack": "guide", "weights": "1"})
    plan = kind.plan(params, target)
    assert isinstance(plan.files[0], PlanFile)

    kept = guide_diff(kind, params, target, plan)

    assert kept["plan"]["files"] == []


@pytest.fixture
def host():
    return make_guide_host()


@pytest.fixture
def weights(host):
    return make_guide_weights(host=host)


def test_a_job_and_its_retry_store_the_differences(host, weights):
    job = launch("deploy-vllm", {"weights": str(weights.pk)}, host=host, user=None)
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=job.created_at)

    again = retry_job(job.pk, None)

    assert {"id": "guide:dies_named", "args": {}} in job.guide["notes"]
    assert again.guide == Job.objects.get(pk=job.pk).guide


def test_a_kind_that_the_guide_does_not_know_keeps_nothing():
    job = launch("prepare", {"what": "weights"}, host=make_host("this-computer"), user=None)

    assert job.guide == {}


def test_form_job_and_pipeline_show_the_marks_and_the_list(browser, host, weights):
    job = launch("deploy-vllm", {"weights": str(weights.pk)}, host=host, user=None)
    pages = {
        "form": reverse("launch-form", args=["deploy-vllm"]) + f"?host={host.name}",
        "job": reverse("job-detail", args=[job.pk]),
        "pipeline": reverse("model-pipeline", args=["deepseek-r1", "pytorch"]),
    }

    for address in pages.values():
        page = browser.get(address).text
        assert "guide: 10.24.73.25" in page, address
        assert page.count('<span class="mk"') > 5, address


def test_guide_verbatim_is_a_switch_and_no_field(browser, host, weights):
    address = reverse("launch-form", args=["deploy-vllm"])

    page = browser.get(address, {"host": host.name, "as_in_guide": "1"}).text

    switch = page[page.index('id="guide-switch"') : page.index('id="effect"')]
    assert switch.count('form="launch-form"') == 2
    assert 'value="1" form="launch-form" checked' in switch
    assert page.count('name="as_in_guide"') == 2
    assert "10.24.73.25" in page[page.index('id="effect"') :]
    assert "guide: 10.24.73.25" not in page


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", ["deploy-vllm", "benchmark-throughput", "benchmark-latency"])
def test_a_changed_argument_is_marked_with_the_guide_s_text(kind, exact):
    view = view_of(kind, exact=exact, facts=OTHER)

    terminal, folder = line(view, "container", "-dit"), line(view, "container", "-v")
    assert terminal.guide_text == "-it"
    assert "no terminal is attached" in terminal.mark.reason
    assert folder.guide_text == "/nfs/workspace:/test"
    assert "mounted at /ws" in folder.mark.reason
    assert terminal.mark.number and folder.mark.number
    assert line(view_of("deploy-vllm"), "container", "-v").mark is None


@pytest.mark.parametrize(("port", "reason"), [(0, "free port of the host"), (8123, "port 8123")])
def test_a_port_that_the_guide_has_not_is_marked(port, reason):
    marked = line(view_of("deploy-vllm", port=port), "serve", "--port")

    assert reason in marked.mark.reason
    assert marked.guide_text == "8000"
    assert line(view_of("deploy-vllm"), "serve", "--port").guide_text == ""


def test_no_note_speaks_of_an_option_that_the_command_has_not():
    for stack in ("guide", "current"):
        view = view_of("benchmark-online", stack=stack)
        flags = {item.flag for step in view.steps for item in step.lines}
        is_noted = any("temperature" in note for note in view.notes)
        assert is_noted is ("--temperature" in flags), stack


def test_a_step_of_our_own_is_not_shown_as_the_guide_s():
    view = view_of("evaluate-opencompass")

    assert "collect" not in {step.name for step in view.steps}
    assert view.steps_gone == ()


def test_the_folder_that_a_command_works_in_is_shown_beside_it():
    view = view_of("build-images")

    folders = {item.name: "".join(piece.text for piece in item.cwd) for item in view.steps}
    assert folders["build-base"] == "/nfs/workspace/vllm"
    assert folders["build-vacc"] == "/nfs/workspace/docker"
    page = render_to_string("_command.html", {"view": view})
    assert "/nfs/workspace/docker" in page
