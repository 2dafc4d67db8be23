"""vLLM's kinds through a launch: defaults, values of dispatch, input of the next job."""

import pytest

from jobs.access import secrets
from jobs.launch import launch
from jobs.launch.launch import InvalidParams
from jobs.models import Deployment
from jobs.plans import fill, from_json
from tests.factories import keep_secret, make_deployment, make_guide_weights, make_job
from tests.jobs.lib.queued import leased
from tests.refusals import refused_at

ON_HOST = {"job_dir": "/spool/1", "serve_dir": "/serve/1", "port": "8000"}


@pytest.fixture
def weights(host):
    return make_guide_weights(host=host)


def started(job):
    """The filled plan of a job that dispatch has started, its host content with all."""
    assert leased(job).state == "starting"
    return fill(from_json(job.plan), job.values | ON_HOST)


def test_a_preview_has_the_port_and_number_of_the_deployment(host, weights):
    preview = launch.preview("deploy-vllm", {"weights": str(weights.pk)}, host)

    assert preview.errors == {}
    assert (preview.open_slots["port"], preview.open_slots["deployment.id"]) == ("8000", "1")
    assert len(preview.open_slots["dies"].split(",")) == 32


def test_the_container_is_called_after_its_deployment(host, weights):
    job = launch.launch("deploy-vllm", {"weights": str(weights.pk)}, host=host, user=None)

    container, serve, _wait = started(job).steps
    assert f"--name=vllm-{job.deployment.pk}" in container.argv
    assert serve.argv[2] == f"vllm-{job.deployment.pk}"
    assert job.deployment.details["container"] == "vllm-{deployment.id}"


@pytest.mark.postgresql
def test_a_benchmark_finds_a_promised_deployments_container(host, weights):
    deploy = launch.launch("deploy-vllm", {"weights": str(weights.pk)}, host=host, user=None)
    raw = {"deployment": f"job:{deploy.pk}"}
    preview = launch.preview("benchmark-online", raw, host)
    assert preview.open_slots["deployment.host"] == "127.0.0.1"
    bench = launch.launch("benchmark-online", raw, host=host, user=None)
    deploy.state, deploy.finished_at = "succeeded", deploy.created_at
    deploy.save()
    Deployment.objects.update(state="ready", host_url="http://127.0.0.1:8000")

    measure = next(item for item in started(bench).steps if item.name == "measure")

    assert measure.argv[2] == f"vllm-{deploy.deployment.pk}"
    assert {"127.0.0.1", "8000", "DeepSeek-R1", "/test/weights/DeepSeek-R1"} <= set(measure.argv)


def test_a_deployment_of_another_engine_is_refused(host):
    job = make_job(host=host, state="succeeded")
    other = make_deployment(host=host, job=job, details={"engine": "vastgenx", "stack": "current"})

    with pytest.raises(InvalidParams) as caught:
        launch.launch("benchmark-online", {"deployment": str(other.pk)}, host=host, user=None)

    assert list(caught.value.fields) == ["deployment"]


def test_a_secret_that_does_not_exist_is_refused_at_its_field(host, weights):
    raw = {"weights": str(weights.pk), "api_key": "NOT_THERE"}

    with refused_at("api_key", "Secret NOT_THERE does not exist"):
        launch.launch("deploy-vllm", raw, host=host, user=None)


def test_a_benchmark_without_the_servers_key_is_refused(host, weights):
    keep_secret("API_KEY", "token-abc123", purpose="engine")
    served = {"weights": str(weights.pk), "api_key": "API_KEY"}
    job = launch.launch("deploy-vllm", served, host=host, user=None)
    raw = {"deployment": f"job:{job.pk}"}
    assert not launch.preview("benchmark-online", raw, host).errors

    secrets.forget("API_KEY")

    errors = launch.preview("benchmark-online", raw, host).errors
    assert "API_KEY does not exist" in errors["deployment"]
