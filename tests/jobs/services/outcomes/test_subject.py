"""Stack, parallelism and subject of a result."""

import pytest

from jobs.models import Artifact, Baseline, Result
from jobs.plans import Plan, Step
from jobs.services import results
from jobs.services.outcomes import identity
from tests.comparing import OTHER
from tests.factories import make_artifact, make_deployment, make_job, make_measured
from tests.jobs.lib.importing import imported
from tests.measuring import FACTS, SERVE, make_measuring_host, measured, served

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def host():
    return make_measuring_host("va16")


def test_another_stack_of_the_same_has_the_same_subject(host):
    one = measured(served(host, stack="guide", tp=8))
    other = measured(served(host, OTHER, stack="current", tp=8))

    assert one.subject and one.subject == other.subject
    assert (one.stack, other.stack) == ("guide", "current")
    assert one.fingerprint != other.fingerprint


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


@pytest.mark.parametrize("change", [{"requests": 7}, {"tool": "evalscope 2"}])
def test_other_work_is_another_subject(host, change):
    one = measured(served(host))

    assert measured(served(host), **change).subject not in ("", one.subject)


def test_precision_and_parallelism_are_of_the_subject(host):
    one = measured(served(host, tp=8))
    wider = measured(served(host, tp=16))
    deployment = served(host, tp=8)
    Artifact.objects.filter(pk=deployment.artifact_id).update(label="int4")
    deployment.artifact.refresh_from_db()

    assert len({one.subject, wider.subject, measured(deployment).subject}) == 3


def test_an_unknown_workload_has_no_subject(host):
    assert measured(served(host), dataset="sharegpt").subject == ""


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({}, ""),
        ({"tp": 32}, "tp32"),
        ({"tp": 8, "pp": 1}, "tp8"),
        ({"tp": 8, "pp": 4}, "tp8 × pp4"),
        ({"pp": 4}, "pp4"),
    ],
)
def test_parallelism_is_in_words(host, details, words):
    assert measured(served(host, **details)).parallelism == words


def test_declared_sizes_need_no_tensor_parallel_size():
    assert imported(pp=4, ep=8).parallelism == "pp4 × ep8"


@pytest.mark.parametrize("tp", ["8", None, [8], True, 0, -8, 10**40])
def test_a_wild_parallelism_is_not_recorded(host, tp):
    assert measured(served(host, tp=tp)).parallelism == ""


def test_the_toolchain_stands_for_a_stack_that_is_not_named(host):
    assert measured(served(host)).stack == "llama.cpp"


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
    results.set_baseline(result, None)
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


def test_an_accuracy_has_one_subject_on_every_host():
    subjects = set()
    for name in ("a", "b"):
        host = make_measuring_host(name)
        plan = Plan("deploy", (Step("serve", SERVE, serves=True),))
        serving = make_job(plan=plan, host=host, state="succeeded")
        deployment = make_deployment(job=serving, artifact=make_artifact(host=host))
        job = make_job(host=host, kind="evaluate", state="succeeded", params={"batch": len(name)})
        subjects.add(make_measured(job=job, scores=[1, 0], deployment=deployment).subject)

    assert len(subjects) == 1 and "" not in subjects


def test_the_batch_of_questions_is_not_of_the_subject(host):
    subjects = set()
    for batch in (1, 8):
        job = make_job(host=host, kind="evaluate", state="succeeded", params={"batch": batch})
        subjects.add(make_measured(job=job, scores=[1, 0]).subject)

    assert len(subjects) == 1


def test_results_of_before_get_a_subject_at_the_next_start(host):
    result = measured(served(host, stack="guide"))
    wanted = result.subject
    type(result).objects.update(subject="", stack="", identity={**result.identity, "schema": 2})

    assert identity.keep_missing() == 1

    result.refresh_from_db()
    assert (result.subject, result.stack) == (wanted, "guide")
