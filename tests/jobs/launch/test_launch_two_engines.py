"""Jobs with two engines: launch, start, keys, stops, load."""

import pytest

from jobs.access import secrets, sources
from jobs.base.errors import LaunchError
from jobs.launch.again import retry_job
from jobs.launch.launch import launch
from jobs.models import Deployment, Job, Source
from jobs.queries.engines import jobs_against, needing
from jobs.schedule import dispatch
from jobs.schedule.capacity import RequestLoad
from tests.factories import keep_secret, make_deployment, make_endpoint, make_host, make_job
from tests.jobs.lib.queued import leased
from tests.refusals import refused_at

pytestmark = pytest.mark.django_db

URL, OTHER = "http://10.0.0.6:8000", "http://10.0.0.7:8000"
ROOTS = {"weights": "/w", "artifacts": "/a", "environments": "/e", "spool": "/s"}


@pytest.fixture
def host():
    return make_host(facts={"roots": ROOTS})


@pytest.fixture
def served(host):
    return make_deployment(name="ours", job=make_job(host=host, state="succeeded"))


@pytest.fixture
def other():
    keep_secret("REF_KEY", "sk-0123456789", purpose="engine", endpoints=[URL])
    return make_endpoint("H800", url=URL, api_key="REF_KEY", model="team/m")


def launched(host, served, other, **more):
    given = {"deployment": str(served.pk), "reference": f"endpoint:{other.pk}", **more}
    return launch("greedy-probe", given, host=host, user=None)


def test_both_engines_fill_their_slots(host, served, other):
    job = launched(host, served, other)
    assert dispatch.run() == 0  # the host first checks that the reference answers

    assert leased(job).values["deployment.url"] == served.host_url
    assert (job.values["reference.url"], job.values["reference.name"]) == (URL, "team/m")
    assert job.inputs == {"deployment": {"id": served.pk}, "reference": {"endpoint": other.pk}}
    assert secrets.of_job(job) == {"REF_KEY": "sk-0123456789"}


def test_a_key_that_names_another_address_is_refused(host, served, other):
    other.url = OTHER
    other.save()
    Source.objects.create(type="endpoint", address=OTHER)

    with refused_at("reference"):
        launched(host, served, other)


def test_a_key_without_addresses_never_reaches_the_reference(host, served, other):
    keep_secret("OPEN_KEY", "sk-open-0123", purpose="engine", endpoints=[])
    other.api_key = "OPEN_KEY"
    other.save()

    with refused_at("reference"):
        launched(host, served, other)


def test_a_reference_must_be_a_permitted_source(host, served, other):
    job = launched(host, served, other)
    Source.objects.filter(address=URL).delete()

    with refused_at("reference"):
        launched(host, served, other)
    with pytest.raises(sources.Refused):
        sources.of_job(job)


def test_it_waits_until_the_reference_is_ready(host, served, other):
    second = make_deployment(name="second", job=make_job(host=host, state="succeeded"))
    job = launched(host, served, other, reference=str(second.pk))
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
    job = launched(host, served, other, reference=str(second.pk))
    Job.objects.filter(pk=job.pk).update(state=Job.State.CANCELLED, finished_at=job.created_at)
    second.state = Deployment.State.STOPPED
    second.save()

    with pytest.raises(LaunchError, match="second is not running"):
        retry_job(job.pk, None)


def test_both_engines_know_the_job_that_needs_them(host, served, other):
    second = make_deployment(name="second", job=make_job(host=host, state="succeeded"))
    job = launched(host, served, other, reference=str(second.pk))

    servers = [(one.pk, one.job_id) for one in (served, second)]
    assert needing(servers) == {served.job_id: [job], second.job_id: [job]}
    assert jobs_against(other) == []
    external = launched(host, served, other)
    assert jobs_against(other) == [external]


def test_a_benchmark_of_either_engine_disturbs_a_probe(host, served, other):
    job = launched(host, served, other)

    load = RequestLoad.of(job.kind, job.inputs, overlaps=False)
    assert load.refs == ({"id": served.pk}, {"endpoint": other.pk})
