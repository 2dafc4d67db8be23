"""Jobs against an endpoint, or two engines: preview, launch, start, claim, retry."""

import pytest

from dashboard.actions import endpoints
from jobs.access import secrets, sources
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.launch.again import next_steps, retry_failed_jobs, retry_job
from jobs.launch.launch import launch, preview
from jobs.models import Deployment, Endpoint, Job, Source
from jobs.plans import from_json
from jobs.queries.engines import jobs_against, needing
from jobs.schedule import dispatch, lifecycle
from jobs.schedule.capacity import RequestLoad
from tests.factories import (
    keep_secret,
    make_deployment,
    make_endpoint,
    make_environments,
    make_host,
    make_job,
    make_user,
)
from tests.jobs.lib.queued import leased
from tests.refusals import refused_at

URL, KEY = "https://h800.example/gate", "sk-0123456789"
ROOTS = {"weights": "/w", "artifacts": "/a", "environments": "/e", "spool": "/s"}


@pytest.fixture
def host(db):
    host = make_host(facts={"roots": ROOTS})
    make_environments(host)
    return host


@pytest.fixture
def endpoint(db):
    keep_secret("H800_KEY", KEY, purpose="engine", endpoints=[URL])
    return make_endpoint("H800", url=URL, api_key="H800_KEY", model="team/m")


def raw(endpoint, **more):
    return {"deployment": f"endpoint:{endpoint.pk}", "concurrency": [1], "requests": 2, **more}


def launched(host, endpoint, kind="benchmark"):
    params = raw(endpoint) if kind == "benchmark" else {"deployment": f"endpoint:{endpoint.pk}"}
    return launch(kind, params, host=host, user=None)


def test_its_first_step_checks_from_the_host_with_the_key_in_its_environment(host, endpoint):
    job = launched(host, endpoint)

    plan = from_json(job.plan)
    first, measure = plan.steps
    assert (first.name, dict(first.env)["API_KEY"]) == ("endpoint", "{secret:H800_KEY}")
    assert first.argv[2:5] == ("{deployment.url}", "--served-model-name", "{deployment.name}")
    assert dict(measure.env)["API_KEY"] == "{secret:H800_KEY}"
    assert dict(measure.env)["no_proxy"].endswith(",{deployment.host}")
    assert "H800_KEY" not in " ".join(word for step in plan.steps for word in step.argv)
    assert KEY not in str(job.plan)


def test_the_address_fills_the_slots_of_a_deployment(host, endpoint):
    job = launched(host, endpoint)

    assert dispatch.run() == 1

    job.refresh_from_db()
    assert job.values["deployment.url"] == URL
    assert (job.values["deployment.name"], job.values["deployment.host"]) == (
        "team/m",
        "h800.example",
    )
    assert job.inputs == {"deployment": {"endpoint": endpoint.pk}}
    assert secrets.of_job(job) == {"H800_KEY": KEY}


@pytest.mark.parametrize("kind", ["benchmark", "evaluate"])
def test_the_title_has_the_endpoint_s_name(host, endpoint, kind):
    assert launched(host, endpoint, kind).title.startswith("H800")


def test_the_form_shows_known_values_before_the_launch(host, endpoint):
    shown = preview("benchmark", raw(endpoint), host)

    assert shown.errors == {}
    assert shown.values["deployment.url"] == URL
    assert KEY not in shown.script


def test_counters_are_scraped_only_where_the_check_found_them(host, endpoint):
    with_counters = launched(host, endpoint)
    endpoint.found = {}
    endpoint.save()

    without = launched(host, endpoint)

    assert [w["name"] for w in with_counters.plan["watches"]] == ["engine", "client"]
    assert [w["name"] for w in without.plan["watches"]] == ["client"]


def test_a_client_that_would_show_the_key_is_refused_at_its_field(host, endpoint):
    shown = preview("benchmark-guidellm", raw(endpoint), host)

    assert "process list" in shown.errors["deployment"]


def test_vllm_s_client_needs_a_tokenizer(host, endpoint):
    host.facts = {**host.facts, "cpu": {"cores": 4}}
    host.save()

    shown = preview("benchmark-online", raw(endpoint, stack="vllm-cpu", dataset="random"), host)

    assert "tokenizer" in shown.errors["deployment"]


# -- the list of permitted addresses --------------------------------------------------------------


def test_an_address_that_left_the_list_is_refused_in_the_form_and_fails_queued_jobs(host, endpoint):
    job = launched(host, endpoint)
    source = Source.objects.get(type="endpoint")
    assert sources.stopped_by_removal(source) == [job]
    source.delete()

    assert "Sources" in preview("benchmark", raw(endpoint), host).errors["deployment"]
    with pytest.raises(LaunchError):
        launched(host, endpoint)
    assert dispatch.run() == 0
    job.refresh_from_db()
    assert (job.state, job.message_id) == ("failed", "job:source")
    assert job.message_args["address"] == URL


def test_a_claim_checks_the_address_that_the_job_was_given(host, endpoint):
    job = launched(host, endpoint)
    dispatch.run()
    job.refresh_from_db()
    sources.of_job(job)
    make_endpoint(url="http://10.0.0.7")
    endpoint.url = "http://10.0.0.7"
    endpoint.save()
    Source.objects.filter(address=URL).delete()

    with pytest.raises(sources.SourceRefused):
        sources.of_job(job)


def test_a_key_that_the_person_may_not_use_is_refused(host, endpoint):
    secrets.keep("H800_KEY", None, purpose="engine", endpoints=[URL], people=[make_user()])

    shown = preview("benchmark", raw(endpoint), host, user=make_user())

    assert "H800_KEY" in shown.errors["deployment"]


# -- archived, retried, continued -----------------------------------------------------------------


def test_an_archived_endpoint_is_offered_to_no_launch_or_retry_and_cancels_queued_jobs(
    host, endpoint
):
    job = launched(host, endpoint)
    again = retry_job(job.pk, None)
    assert (again.inputs, again.plan_sha256) == (job.inputs, job.plan_sha256)

    endpoints.archive(None, endpoint, is_archived=True)

    assert "deployment" in preview("benchmark", raw(endpoint), host).errors
    with pytest.raises(LaunchError, match="archived"):
        retry_job(job.pk, None)
    dispatch.run()
    job.refresh_from_db()
    assert (job.state, job.message_id) == ("cancelled", "job:endpoint_archived")


def test_a_benchmark_is_followed_by_an_evaluation_of_the_endpoint(host, endpoint):
    job = launched(host, endpoint)
    Job.objects.filter(pk=job.pk).update(state="succeeded", finished_at=job.created_at)
    job.refresh_from_db()

    steps = {step.kind: step.raw for step in next_steps(job, None)}

    assert steps["evaluate"]["deployment"] == f"endpoint:{endpoint.pk}"


def test_a_pipeline_of_environment_and_benchmark_is_retried(endpoint):
    host = make_host(facts={"roots": ROOTS})
    job = launched(host, endpoint)
    first = job.after.get()
    lifecycle.finish_queued_job(first.pk, "failed", message=Message("job:failed"))

    again = retry_failed_jobs(job.chain, None)

    assert again[-1].inputs == {"deployment": {"endpoint": endpoint.pk}}


# A greedy probe has two engines.

REFERENCE, OTHER = "http://10.0.0.6:8000", "http://10.0.0.7:8000"


@pytest.fixture
def served(host):
    return make_deployment(name="ours", job=make_job(host=host, state="succeeded"))


@pytest.fixture
def other():
    keep_secret("REF_KEY", "sk-0123456789", purpose="engine", endpoints=[REFERENCE])
    return make_endpoint("H800", url=REFERENCE, api_key="REF_KEY", model="team/m")


def probed(host, served, other, **more):
    given = {"deployment": str(served.pk), "reference": f"endpoint:{other.pk}", **more}
    return launch("greedy-probe", given, host=host, user=None)


def test_both_engines_fill_their_slots(host, served, other):
    job = probed(host, served, other)
    assert dispatch.run() == 0  # the host first checks that the reference answers

    assert leased(job).values["deployment.url"] == served.host_url
    assert (job.values["reference.url"], job.values["reference.name"]) == (REFERENCE, "team/m")
    assert job.inputs == {"deployment": {"id": served.pk}, "reference": {"endpoint": other.pk}}
    assert secrets.of_job(job) == {"REF_KEY": "sk-0123456789"}


@pytest.mark.parametrize("changed", [{"url": OTHER}, {"api_key": "OPEN_KEY"}])
def test_a_key_never_reaches_an_address_that_it_does_not_name(host, served, other, changed):
    keep_secret("OPEN_KEY", "sk-open-0123", purpose="engine", endpoints=[])
    Source.objects.create(type="endpoint", address=OTHER)
    Endpoint.objects.filter(pk=other.pk).update(**changed)

    with refused_at("reference"):
        probed(host, served, other)


def test_a_reference_must_be_a_permitted_source(host, served, other):
    job = probed(host, served, other)
    Source.objects.filter(address=REFERENCE).delete()

    with refused_at("reference"):
        probed(host, served, other)
    with pytest.raises(sources.SourceRefused):
        sources.of_job(job)


def test_it_waits_until_the_reference_is_ready(host, served, other):
    second = make_deployment(name="second", job=make_job(host=host, state="succeeded"))
    job = probed(host, served, other, reference=str(second.pk))
    second.state = Deployment.State.LOADING
    second.save()

    assert dispatch.run() == 0
    assert dispatch.why_waiting(job).args["name"] == "second"

    second.state = Deployment.State.STOPPED
    second.save()
    dispatch.run()
    job.refresh_from_db()
    assert (job.state, job.message_args["name"]) == (Job.State.CANCELLED, "second")


def test_a_stopped_reference_cannot_be_retried(host, served, other):
    second = make_deployment(name="second", job=make_job(host=host, state="succeeded"))
    job = probed(host, served, other, reference=str(second.pk))
    Job.objects.filter(pk=job.pk).update(state=Job.State.CANCELLED, finished_at=job.created_at)
    second.state = Deployment.State.STOPPED
    second.save()

    with pytest.raises(LaunchError, match="second is not running"):
        retry_job(job.pk, None)


def test_both_engines_know_the_job_that_needs_them(host, served, other):
    second = make_deployment(name="second", job=make_job(host=host, state="succeeded"))
    job = probed(host, served, other, reference=str(second.pk))

    servers = [(one.pk, one.job_id) for one in (served, second)]
    assert needing(servers) == {served.job_id: [job], second.job_id: [job]}
    assert jobs_against(other) == []
    external = probed(host, served, other)
    assert jobs_against(other) == [external]


def test_a_benchmark_of_either_engine_disturbs_a_probe(host, served, other):
    job = probed(host, served, other)

    load = RequestLoad.of(job.kind, job.inputs, overlaps=False)
    assert load.refs == ({"id": served.pk}, {"endpoint": other.pk})
