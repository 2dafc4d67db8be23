"""Identity of results: repeats of one measurement or not; stack, parallelism and subject."""

from dataclasses import replace

import pytest

from dashboard.actions import results
from jobs.kinds import KINDS
from jobs.kinds.deploy import BuildInParams
from jobs.kinds.lib.base import TeamPrompts
from jobs.models import Artifact, Baseline, Dataset, Environment, Job, Preflight, Result
from jobs.plans import Plan, PlanFile, Step
from jobs.queries.results.provenance import provenance
from jobs.queries.results.repeats import counted_with, read_points, repeats_of, values_at
from jobs.services.outcomes import identity
from jobs.tools.vacc import build_in
from tests.comparing import OTHER
from tests.factories import (
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_measured,
    make_prompts,
    stored,
)
from tests.jobs.lib.importing import imported
from tests.jobs.lib.target import here
from tests.measuring import FACTS, SERVE, make_measuring_host, measured, served

pytestmark = pytest.mark.django_db

IMAGE = "registry/vllm_vacc:VVI-25"


@pytest.fixture
def host():
    return make_measuring_host("va16")


def are_repeats(one, other):
    return list(repeats_of(one)) == [other] and list(repeats_of(other)) == [one]


def test_a_second_run_of_the_same_is_a_repeat_and_one_of_other_work_is_none(host):
    deployment = served(host)
    one = measured(deployment)

    assert are_repeats(one, measured(deployment))
    for params in ({"requests": 100}, {"output_tokens": 512}, {"seed": 7}, {"dataset": "random"}):
        assert not repeats_of(measured(deployment, **params)).exists(), params
    for change in ({"requests": 7}, {"tool": "evalscope 2"}):
        other = measured(served(host), **change)
        assert other.subject not in ("", one.subject), change


def test_only_fixed_seeds_belong_to_the_identity(host):
    deployment = served(host)

    fresh, again = (measured(deployment, seed=None) for _ in range(2))
    fixed, other = measured(deployment, seed=1), measured(deployment, seed=2)

    assert are_repeats(fresh, again)
    assert not repeats_of(fixed).exists()
    assert not repeats_of(other).exists()
    assert are_repeats(fixed, measured(deployment, seed=1))


def test_runs_with_a_shared_concurrency_are_repeats(host):
    deployment = served(host)
    one = measured(deployment, points=((1, 50.0), (4, 90.0)), concurrency=[1, 4])
    other = measured(deployment, points=((4, 94.0), (8, 99.0)), concurrency=[4, 8])

    runs = counted_with(one)

    assert runs == [one, other]
    ids = [run.pk for run in runs]
    assert values_at(read_points(ids), ids, "output_tokens_per_s", 4) == [90.0, 94.0]
    assert values_at(read_points(ids), ids, "output_tokens_per_s", 8) == [99.0]


LIMITS = {"tp": 32, "mtp": False, "max_total": 2048}


def test_other_arguments_of_the_engine_or_limits_are_no_repeat(host):
    measured(served(host, **LIMITS))

    for argv, limits in (
        ((*SERVE[:3], "8192", *SERVE[4:]), {}),
        ((*SERVE, "--chat-template", "/t/other.jinja"), {}),
        ((*SERVE, "--speculative-config", "mtp"), {}),
        *((SERVE, limits) for limits in ({"mtp": True}, {"tp": 16}, {"max_total": 4096})),
    ):
        other = measured(served(host, argv, **LIMITS | limits))
        assert not repeats_of(other).exists(), (argv, limits)


def test_equal_deployments_have_one_identity(host):
    first = served(host, (*SERVE, "--template", "/one/reasoning.jinja"))
    second = served(host, (*SERVE, "--template", "/two/reasoning.jinja"))
    second.artifact = first.artifact
    second.name, second.host_url = "another", "http://127.0.0.1:20999"
    second.save()

    assert are_repeats(measured(first), measured(second))


def configured(host, artifact=None, **fields):
    """Return a deployment with llmdeploy and its generated file."""
    made = {"path": fields.pop("path", "/nfs/vacc_deploy/qwen-int8-tp4"), "max_total": 2048}
    params = BuildInParams(artifact="1", **fields)
    deployment = served(host)
    if artifact is not None:
        deployment.artifact = artifact
        deployment.save()
    file = PlanFile("llmdeploy.yaml", build_in.llmdeploy_text(params, made))
    step = Step(
        "serve", ("/e/llama/bin/llmdeploy", "api", "{serve_dir}/llmdeploy.yaml"), serves=True
    )
    Job.objects.filter(pk=deployment.job_id).update(
        plan=Plan("deploy-build-in", (step,), files=(file,)).to_json()
    )
    deployment.refresh_from_db()
    return deployment


PLACES = {
    "path": "/data/vacc_deploy/other-int8-tp4",
    "bind": "10.24.73.25",
    "publish_port": 17811,
    "subscribe_port": 17111,
}


def test_configurations_count_without_ports_and_paths(host):
    first = configured(host)

    one, other = measured(first), measured(configured(host, first.artifact, **PLACES))

    assert one.identity["parts"]["deployment"]["config_sha256"]
    assert are_repeats(one, other)
    for changed in ({"batch_size": 32}, {"prompt_template": "deepseek"}):
        assert not repeats_of(measured(configured(host, first.artifact, **changed))).exists()


def test_other_weights_are_no_repeat(host):
    one, other = served(host), served(host)
    other.artifact.sha256 = "c" * 64
    other.artifact.save()

    measured(one)

    assert not repeats_of(measured(other)).exists()


def test_another_host_is_no_repeat(host):
    measured(served(host))
    there = make_host("va17", facts=FACTS)
    Environment.objects.create(host=there, name="llama", fingerprint="pins of llama", path="/e/l")

    assert not repeats_of(measured(served(there))).exists()


def test_another_version_of_the_tool_or_the_engine_is_no_repeat(host):
    deployment = served(host)
    measured(deployment)

    assert not repeats_of(measured(deployment, tool="evalscope 1.15")).exists()
    Environment.objects.filter(name="llama").update(fingerprint="newer pins")
    assert not repeats_of(measured(deployment)).exists()


def in_container(host, image_id):
    """Return a deployment with an image found by the preflight check."""
    argv = ("docker", "run", "-d", "--name", "vllm", IMAGE, "vllm", "serve", "/w")
    deployment = served(host, argv)
    if image_id:
        finding = {"name": "image", "level": "ok", "message_id": "check:image"}
        finding["message_args"] = {"image": IMAGE, "id": image_id}
        known = {"plan": deployment.job.plan, "done_at": deployment.created_at}
        Preflight.objects.create(host=host, job=deployment.job, findings=[finding], **known)
    return deployment


def test_another_image_under_the_same_tag_is_no_repeat(host):
    old, new = in_container(host, "sha256:1"), in_container(host, "sha256:2")

    first = measured(old)

    assert not repeats_of(measured(new)).exists()
    assert are_repeats(first, measured(old))


def test_a_result_of_an_unknown_image_stands_alone(host):
    deployment = in_container(host, "")

    one, other = measured(deployment), measured(deployment)

    assert one.identity["unknown"] == ["engine.image"]
    assert one.fingerprint == ""
    assert not repeats_of(other).exists()


def test_a_disturbed_run_is_listed_and_not_counted(host):
    deployment = served(host)
    one, other = measured(deployment), measured(deployment)
    Result.objects.filter(pk=other.pk).update(disturbed=True)

    assert counted_with(one) == [one]
    assert list(repeats_of(one, uncounted=True)) == [other]


def test_plan_files_count_in_any_line_order(host):
    deployment = served(host)
    one, other, third = (measured(deployment) for _ in range(3))
    for result, text in ((other, "two\none\ntwo\n"), (third, "one\nthree\n")):
        result.job.plan["files"][0]["text"] = text
        result.job.save()
        identity.keep(result)

    assert are_repeats(one, other)
    assert not repeats_of(third).exists()


def test_a_prepared_data_set_counts_by_its_checksum(host):
    deployment = served(host)
    dataset = {"dataset": "sharegpt"}
    alone = measured(deployment, **dataset)
    assert alone.identity["unknown"] == ["workload.dataset_sha256"]
    assert alone.subject == ""

    about = {"name": "sharegpt", "path": "/e/evalscope/bin", "details": {"sha256": "d"}}
    Dataset.objects.create(host=host, **about, files=1, bytes=9)

    assert are_repeats(measured(deployment, **dataset), measured(deployment, **dataset))


def test_the_driver_of_a_host_with_dies_is_of_the_identity(host):
    deployment = served(host)
    plan = Plan("deploy", (Step("serve", SERVE, serves=True),), dies=4)
    Job.objects.filter(pk=deployment.job_id).update(plan=plan.to_json())

    unknown = measured(deployment)
    host.facts = {**FACTS, "driver": "V3.3"}
    host.save()
    deployment.refresh_from_db()
    known, again = measured(deployment), measured(deployment)

    assert unknown.identity["unknown"] == ["host.driver"]
    assert are_repeats(known, again)


@pytest.mark.postgresql
@pytest.mark.parametrize("at_once", [1, 2, 200])
def test_results_of_before_get_an_identity_once(host, monkeypatch, at_once):
    monkeypatch.setattr(identity, "_KEPT_AT_ONCE", at_once)
    deployment = served(host)
    one, other = measured(deployment), measured(deployment)
    wanted = one.fingerprint
    Result.objects.update(identity={}, fingerprint="")

    assert identity.keep_missing() == 2
    assert identity.keep_missing() == 0

    assert stored(other, "fingerprint") == wanted


def by_guidellm(deployment, plan=None, **params):
    """Return the result of a GuideLLM benchmark; ``plan`` replaces the current plan."""
    kind = KINDS["benchmark-guidellm"]
    result = measured(deployment, tool="guidellm 0.8.1", **params)
    job = result.job
    today = kind.plan(kind.Params(deployment="3", concurrency=params["concurrency"]), here())
    job.kind, job.plan = kind.name, (plan or today).to_json()
    job.save()
    identity.keep(result)
    return result


def test_fresh_guidellm_seeds_are_repeats(host):
    deployment = served(host)
    one = by_guidellm(deployment, concurrency=[1], seed=None)
    other = by_guidellm(deployment, concurrency=[1, 4], seed=None)
    fixed = by_guidellm(deployment, concurrency=[1], seed=7)

    assert are_repeats(one, other)
    assert one.identity["parts"]["workload"]["seed"] == "fresh"
    assert fixed.identity["parts"]["workload"]["seed"] == "fixed: 7"
    assert not repeats_of(fixed).exists()


def by_team(deployment, target, **params):
    """A result of GuideLLM with prompts of the team."""
    kind = KINDS["benchmark-guidellm"]
    plan = kind.plan(kind.Params(deployment="3", prompts="Chat"), target)
    return by_guidellm(deployment, plan, concurrency=[1], prompts="Chat", **params)


def test_the_identity_has_the_checksum_of_team_prompts(host):
    deployment = served(host)
    row = make_prompts("Why?", "How?\nWhen?", name="Chat")
    sets = {"Chat": ("Why?", "How?\nWhen?"), "other": ("Why?", "How?")}
    one, same, other = (
        by_team(
            deployment,
            replace(here(), prompts=(TeamPrompts("Chat", 2, 40, lambda found=found: found),)),
        )
        for found in (sets["Chat"], sets["Chat"], sets["other"])
    )

    assert one.identity["parts"]["workload"]["prompts_sha256"] == row.sha256
    assert are_repeats(one, same)
    assert not repeats_of(other).exists()
    assert provenance(one).parts["dataset_sha256"] == row.sha256


def test_prompts_that_were_not_sent_are_no_part_of_the_workload(host):
    deployment = served(host)
    names = {"dataset": "random", "concurrency": [1]}
    old, new = measured(deployment, **names), measured(deployment, **names, prompts="Chat")

    assert are_repeats(old, new)


def test_equal_guidellm_prompts_are_no_repeat(host):
    deployment = served(host)
    plan = Plan(
        "benchmark-guidellm",
        (Step("measure-1", ("/e/guidellm/bin/guidellm", "run")),),
        files=(PlanFile("prompts-12-at-1.txt", "1-1 Why?\n1-2 How?\n"),),
    )
    old, older = (by_guidellm(deployment, plan, concurrency=[1]) for _ in range(2))
    # Rerun today: the same plan, with the form's new field in the parameters.
    again = by_guidellm(deployment, plan, concurrency=[1], seed=None)

    today = by_guidellm(deployment, concurrency=[1], seed=None)

    assert today.fingerprint
    assert not repeats_of(today).exists()
    assert are_repeats(old, older)
    assert again.fingerprint != today.fingerprint


def test_another_stack_of_the_same_has_the_same_subject(host):
    one = measured(served(host, stack="guide", tp=8))
    other = measured(served(host, OTHER, stack="current", tp=8))

    assert one.subject and one.subject == other.subject
    assert (one.stack, other.stack) == ("guide", "current")
    assert one.fingerprint != other.fingerprint
    assert measured(served(host)).stack == "llama.cpp"  # the toolchain, where none is named


def test_equal_hosts_share_a_subject_and_others_do_not(host):
    one = measured(served(host))
    twin = measured(served(make_measuring_host("va16-2")))
    strange = make_measuring_host("other")
    strange.facts = {**FACTS, "cpu": {"model": "EPYC", "cores": 64}}
    strange.save()

    assert twin.subject == one.subject
    assert measured(served(strange)).subject != one.subject


def test_a_host_of_an_unknown_processor_equals_only_itself():
    hosts = [make_measuring_host(name) for name in ("a", "b")]
    for host in hosts:
        host.facts = {"roots": FACTS["roots"]}
        host.save()

    one, again, other = (measured(served(host)) for host in (hosts[0], hosts[0], hosts[1]))

    assert one.subject == again.subject != other.subject


def test_precision_and_parallelism_are_of_the_subject(host):
    one = measured(served(host, tp=8))
    wider = measured(served(host, tp=16))
    deployment = served(host, tp=8)
    Artifact.objects.filter(pk=deployment.artifact_id).update(label="int4")
    deployment.artifact.refresh_from_db()

    assert len({one.subject, wider.subject, measured(deployment).subject}) == 3


def test_parallelism_is_in_words(host):
    for details, words in (
        ({}, ""),
        ({"tp": 32}, "tp32"),
        ({"tp": 8, "pp": 1}, "tp8"),
        ({"tp": 8, "pp": 4}, "tp8 × pp4"),
        ({"pp": 4}, "pp4"),
        ({"tp": "8"}, ""),
        ({"tp": 10**40}, ""),
    ):
        assert measured(served(host, **details)).parallelism == words


def test_declared_sizes_need_no_tensor_parallel_size():
    assert imported(pp=4, ep=8).parallelism == "pp4 × ep8"


def test_a_benchmark_without_a_deployment_names_its_stack(host):
    job = make_job(
        host=host, kind="benchmark-latency", state="succeeded", params={"stack": "guide", "tp": 8}
    )

    result = make_measured(job=job, points=[(1, {"batch_latency_mean_s": 2.0})])

    assert (result.stack, result.parallelism) == ("guide", "tp8")


def test_a_device_of_others_has_no_stack_and_its_own_subject(host):
    ours = measured(served(host))
    theirs = measured(served(host))
    theirs.run_context = {**theirs.run_context, "device": {"text": "8 × H800", "count": 8}}
    identity.keep(theirs)

    assert theirs.stack == ""
    assert theirs.subject not in ("", ours.subject)


def with_devices(host, count):
    result = measured(served(host))
    result.run_context = {**result.run_context, "device": {"text": "H800", "count": count}}
    result.save()
    identity.keep(result)
    return result


def test_another_number_of_devices_is_another_subject(host):
    eight, again, sixteen = (with_devices(host, count) for count in (8, 8, 16))

    assert eight.subject == again.subject != sixteen.subject


def test_a_baseline_follows_its_subject_at_the_next_start(host):
    result = with_devices(host, 8)
    results.set_baseline(None, result)
    earlier = "0" * 64
    Baseline.objects.update(subject=earlier)
    Result.objects.update(subject=earlier, identity={**result.identity, "schema": 5})

    identity.keep_missing()

    assert Baseline.objects.get().subject == result.subject


def test_a_baseline_takes_no_subject_that_has_one(host):
    current, earlier = with_devices(host, 8), with_devices(host, 8)
    for one, subject in ((current, current.subject), (earlier, "0" * 64)):
        Baseline.objects.create(result=one, subject=subject)
    Result.objects.filter(pk=earlier.pk).update(subject="0" * 64, identity={})

    identity.keep_missing()

    assert Baseline.objects.get(subject=current.subject).result == current


def test_an_accuracy_has_one_subject_on_every_host_and_with_every_batch():
    subjects = set()
    for name, batch in (("a", 1), ("b", 1), ("b2", 8)):
        host = make_measuring_host(name)
        plan = Plan("deploy", (Step("serve", SERVE, serves=True),))
        serving = make_job(plan=plan, host=host, state="succeeded")
        deployment = make_deployment(job=serving, artifact=make_artifact(host=host))
        job = make_job(host=host, kind="evaluate", state="succeeded", params={"batch": batch})
        subjects.add(make_measured(job=job, scores=[1, 0], deployment=deployment).subject)

    assert len(subjects) == 1 and "" not in subjects
