import json
import uuid

import pytest

from jobs import logstore
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.launch import again, launch
from jobs.launch.launch import InvalidParams
from jobs.models import Deployment, Environment, Job, JobStep, Weights
from jobs.plans import fill, from_json
from jobs.schedule import agent_tasks, dispatch, lifecycle
from jobs.schedule.targets import target_of
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import (
    make_artifact,
    make_deployment,
    make_endpoint,
    make_environments,
    make_host,
    make_job,
    make_user,
    make_weights,
    stored,
)


@pytest.fixture
def bare():
    return make_host()


@pytest.fixture
def host(bare):
    """A host with all environments."""
    make_environments(bare)
    return bare


@pytest.fixture
def old(host):
    """A compile, launched."""
    raw = {"weights": str(make_weights(host=host).pk)}
    return launch.launch("compile", raw, host=host, user=None)


def succeed(job: Job) -> None:
    lifecycle.finish_job(job.pk, "succeeded", message=Message("done"))


def after(job: Job) -> set[int]:
    return set(job.after.values_list("pk", flat=True))


@pytest.mark.postgresql
def test_what_is_stored_is_what_was_previewed(host):
    weights = make_weights(host=host)
    raw = {"weights": str(weights.pk), "precision": "int8"}
    preview = launch.preview("compile", raw, host)

    job = launch.launch("compile", raw, host=host, user=make_user())

    assert job.plan == preview.plan.to_json()
    assert job.plan_sha256 == preview.plan.sha256()
    assert from_json(job.plan) == preview.plan
    assert job.title == "SmolLM2-135M-Instruct, int8"
    assert job.inputs == {"weights": {"id": weights.pk}}
    names = list(JobStep.objects.filter(job=job).values_list("name", flat=True))
    assert names == [step.name for step in preview.plan.steps]


def test_a_reused_number_begins_with_an_empty_log(host):
    """An older database was put back; the files of what it has forgotten are there still."""
    before = make_deployment(host=host)
    keys = (f"job/{before.job.pk + 1}", f"deployment/{before.pk + 1}")
    for key in keys:
        logstore.store().append(key, 0, b"of the forgotten one\n")

    raw = {"artifact": str(make_artifact(host=host).pk)}
    job = launch.launch("deploy", raw, host=host, user=make_user())

    assert (f"job/{job.pk}", f"deployment/{job.deployment.pk}") == keys
    assert [logstore.store().size(key) for key in keys] == [0, 0]


def test_dispatch_fills_the_values_of_the_preview(host):
    raw = {"weights": str(make_weights(host=host).pk), "precision": "int8"}
    preview = launch.preview("compile", raw, host)
    job = launch.launch("compile", raw, host=host, user=None)

    dispatch.run()

    job.refresh_from_db()
    assert preview.values.items() <= job.values.items()
    chosen = {"job_dir": "/spool/1", "serve_dir": "/serve/1", "port": "1"}
    assert fill(from_json(job.plan), job.values | chosen) == fill(preview.plan, job.values | chosen)


def test_a_preview_shows_known_values_and_those_chosen_at_start(host):
    weights = make_weights(host=host, path="/w/x.gguf")

    preview = launch.preview("compile", {"weights": str(weights.pk)}, host)

    assert preview.values["weights.path"] == "/w/x.gguf"
    assert preview.open_slots["job"] == "1"
    assert set(preview.values) | set(preview.open_slots) >= {"weights.path", "job", "job_dir"}
    assert 'WEIGHTS_PATH="${WEIGHTS_PATH:-/w/x.gguf}"' in preview.script
    assert Job.objects.count() == 0


def test_a_preview_names_the_environments_prepared_first(bare):
    Environment.objects.create(host=bare, name="llama.cpp", fingerprint="old", path="/e")
    raw = {"weights": str(make_weights(host=bare).pk)}

    assert launch.preview("compile", raw, bare).will_add == ["llama.cpp"]
    make_environments(bare)
    assert launch.preview("compile", raw, bare).will_add == []


def test_errors_stand_at_their_fields(bare):
    raw = {"artifact": "", "context": "12", "threads": "x", "colour": "red"}

    errors = launch.preview("deploy", raw, bare).errors

    assert errors == {
        "artifact": "Required.",
        "context": "At least 256.",
        "threads": "Enter a whole number.",
        "colour": "This job type has no such field.",
    }


def test_what_the_host_does_not_offer_is_refused(bare):
    raw = {"what": "weights", "model": "gpt-9"}
    cards = make_host(type="vacc", facts={**GUIDE_FACTS, "stacks": ["guide"]})

    assert launch.preview("prepare", raw, bare).errors == {
        "model": "Unknown model. Choose one from the catalogue."
    }
    assert launch.preview("prepare-weights", {"stack": "current"}, cards).errors == {
        "stack": "“current” is not available on this host."
    }


@pytest.mark.parametrize(
    ("kind", "raw", "facts", "says"),
    [
        ("compile", {"weights": "77"}, None, ""),
        ("dance", {}, None, "dance"),
        ("prepare", {"what": "weights"}, {}, "has not reported"),
    ],
)
def test_a_launch_that_is_refused_leaves_nothing(kind, raw, facts, says):
    host = make_host() if facts is None else make_host(facts=facts)

    with pytest.raises(LaunchError, match=says) as refused:
        launch.launch(kind, raw, host=host, user=None)

    assert says or list(refused.value.fields) == ["weights"]
    assert Job.objects.count() == 0


def test_an_environment_is_prepared_once_in_the_chain_of_its_job(bare):
    raw = {"weights": str(make_weights(host=bare).pk)}

    job, second = (launch.launch("compile", raw, host=bare, user=None) for _ in range(2))

    first = Job.objects.get(kind="prepare")
    assert after(job) == after(second) == {first.pk}
    assert first.params["environment"] == "llama.cpp"
    assert first.chain == job.chain is not None


def test_a_promise_can_be_worked_on_before_and_after_it_is_kept(host):
    maker = launch.launch("prepare", {"what": "weights"}, host=host, user=None)
    raw = {"weights": f"job:{maker.pk}"}

    job = launch.launch("compile", raw, host=host, user=None)
    assert after(job) == {maker.pk}
    assert job.inputs == {"weights": {"job": maker.pk}}
    succeed(maker)
    weights = make_weights(host=host, job=maker)
    job = launch.launch("compile", raw, host=host, user=None)
    assert job.inputs == {"weights": {"id": weights.pk}}
    assert after(job) == set()


@pytest.mark.postgresql
def test_a_deploy_job_has_its_deployment_from_the_start(host):
    artifact, user = make_artifact(host=host), make_user()

    job = launch.launch("deploy", {"artifact": str(artifact.pk)}, host=host, user=user)

    deployment = Deployment.objects.get(job=job)
    assert (deployment.state, deployment.artifact) == ("waiting", artifact)
    assert (deployment.name, deployment.created_by) == (job.title, user)


def test_the_tour_is_one_chain_of_five(bare):
    jobs = launch.launch_tour(bare, make_user())

    assert [job.kind for job in jobs] == ["prepare", "compile", "deploy", "benchmark", "evaluate"]
    prepare, compile_, deploy, benchmark, evaluate = jobs
    assert {job.chain for job in Job.objects.all()} == {prepare.chain}
    assert isinstance(prepare.chain, uuid.UUID)
    assert prepare.pk in after(compile_)
    assert compile_.pk in after(deploy)
    assert deploy.pk in after(benchmark)
    assert {deploy.pk, benchmark.pk} <= after(evaluate)
    environments = Job.objects.exclude(pk__in=[job.pk for job in jobs])
    assert {job.params["environment"] for job in environments} == {"llama.cpp", "evalscope"}


def test_a_tour_that_cannot_be_launched_leaves_nothing():
    with pytest.raises(LaunchError):
        launch.launch_tour(make_host(facts={}), make_user())

    assert Job.objects.count() == 0


def test_run_again_has_the_very_plan(old):
    user = make_user()
    Job.objects.filter(pk=old.pk).update(plan={**old.plan, "dies": 0, "kind": "compile"})
    succeed(old)

    new = again.retry_job(old.pk, user)

    assert (new.plan, new.plan_sha256, new.title) == stored(old, "plan", "plan_sha256", "title")
    assert (new.repeats, new.created_by, new.inputs) == (old, user, old.inputs)
    assert new.steps.count() == old.steps.count()


@pytest.mark.parametrize(
    ("was", "can_prioritize", "now_is"), [(2, False, 2), (0, False, 1), (0, True, 0), (1, False, 1)]
)
def test_run_again_waits_as_the_old_job_did(old, was, can_prioritize, now_is):
    Job.objects.filter(pk=old.pk).update(priority=was, exclusive=True)

    new = again.retry_job(old.pk, None, can_prioritize=can_prioritize)

    assert (new.priority, new.exclusive) == (now_is, True)


def test_run_again_of_what_is_gone_is_refused(old):
    succeed(old)
    Weights.objects.all().delete()

    with pytest.raises(LaunchError, match="no longer exists"):
        again.retry_job(old.pk, None)

    assert Job.objects.count() == 1


def test_retrying_an_outdated_job_or_one_of_a_replaced_environment_is_refused(old):
    plan = json.dumps(old.plan).replace("/e/", "/elsewhere/")
    for changed, words in (
        ({"plan": json.loads(plan)}, "Launch a new job"),
        ({"params": {**old.params, "field_of_then": 1}}, "no longer exists"),
    ):
        Job.objects.filter(pk=old.pk).update(**changed)
        with pytest.raises(LaunchError, match=words):
            again.retry_job(old.pk, None)


def test_retrying_on_a_stopped_deployment_says_restart(host):
    deployment = make_deployment(host=host, artifact=make_artifact(host=host))
    raw = {"deployment": str(deployment.pk)}
    old = launch.launch("benchmark", raw, host=host, user=None)
    succeed(old)
    Deployment.objects.update(state="stopped")

    with pytest.raises(LaunchError, match="Restart it first"):
        again.retry_job(old.pk, None)


def test_run_again_keeps_the_environment_of_its_plan_or_prepares_one_that_is_gone(old):
    succeed(old)
    Environment.objects.update(fingerprint="of last year")

    new = again.retry_job(old.pk, None)

    assert (after(new), new.plan) == (set(), stored(old, "plan"))
    Environment.objects.all().delete()
    new = again.retry_job(old.pk, None)
    assert after(new) == {Job.objects.get(kind="prepare").pk}


def test_cancelling_a_job_notifies_its_host_and_frees_its_place(
    monkeypatch, bare, django_capture_on_commit_callbacks
):
    sent = []
    monkeypatch.setattr(agent_tasks, "send", lambda *args: sent.append(args))
    running = make_job(host=bare, state="running", claim_id="n")
    queued = make_job(host=bare)

    with django_capture_on_commit_callbacks(execute=True):
        assert launch.cancel(running.pk, make_user())
        assert launch.cancel(queued.pk, make_user())

    assert sent == [(bare.name, "stop", running.pk)]
    assert not launch.cancel(queued.pk, make_user())


def test_a_launch_starts_at_once_where_there_is_room(bare, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = launch.launch("prepare", {"what": "weights"}, host=bare, user=None)

    assert stored(job, "state") == "starting"


def test_a_target_offers_what_is_there_and_what_is_promised(host):
    artifact = make_artifact(host=host)
    make_artifact(host=make_host())
    ready = make_deployment(host=host, artifact=artifact)
    make_deployment(host=host, state="stopped")
    make_deployment(host=host, wanted=False, state="stopping")
    maker = launch.launch("prepare", {"what": "weights"}, host=host, user=None)
    starter = launch.launch("deploy", {"artifact": str(artifact.pk)}, host=host, user=None)

    target = target_of(host)

    assert [ref.key for ref in target.weights] == [f"job:{maker.pk}"]
    assert [ref.key for ref in target.artifacts] == [str(artifact.pk)]
    assert [ref.key for ref in target.deployments] == [str(ready.pk), f"job:{starter.pk}"]
    assert target.deployments[0].data["label"] == "Q8_0 from Q4_1"
    assert {ref.data["name"] for ref in target.environments} == set(ENVIRONMENTS)


@pytest.mark.parametrize("count", [1, 3])
def test_a_target_takes_as_many_queries_however_much_is_there(
    bare, count, django_assert_num_queries
):
    for _ in range(count):
        make_deployment(host=bare, artifact=make_artifact(host=bare))
        make_weights(host=bare)
        make_endpoint()

    with django_assert_num_queries(8):
        target_of(bare)


def test_work_that_a_host_cannot_do_is_refused(bare):
    bare.facts = {**bare.facts, "dies": [{"id": 0}]}
    bare.save()
    weights = make_weights(host=bare)

    with pytest.raises(InvalidParams, match="does not support this job type"):
        launch.launch(
            "compile", {"precision": "int8", "weights": str(weights.pk)}, host=bare, user=None
        )
