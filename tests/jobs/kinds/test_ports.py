"""Ports that servers of a host have: no second server is given one, at no start of any sort."""

from dataclasses import replace

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef
from jobs.kinds.lib.defaults import defaults_for
from jobs.launch import again, launch
from jobs.models import Artifact, Deployment, Job
from jobs.schedule import deployments, lifecycle
from jobs.schedule.targets import target_of
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job
from tests.jobs.lib.vacc_target import EXACT, QWEN_7B, vacc_host

LLMDEPLOY = {"engine": "llmdeploy", "publish_port": 17810, "subscribe_port": 17110}


def beside(**data):
    """A host with a server on it."""
    ref = AssetRef("deployment", "the other", id=1, data=data)
    return replace(vacc_host(), servers=(ref,))


def refused(kind, target, **raw):
    kind = KINDS[kind]
    with pytest.raises(LaunchError) as caught:
        kind.plan(kind.Params(**raw), target)
    return caught.value.field, str(caught.value)


# -- a first launch --------------------------------------------------------------------------------


def test_another_port_is_proposed_to_a_second_server_of_vllm():
    target = beside(port="8000")

    assert defaults_for(KINDS["deploy-vllm"].Params, target)["port"] == 8001
    assert "port" not in defaults_for(KINDS["deploy-vllm"].Params, vacc_host())


def test_verbatim_keeps_the_printed_port_or_refuses():
    target = beside(port="8000")

    assert "port" not in defaults_for(KINDS["deploy-vllm"].Params, target, EXACT)
    assert refused("deploy-vllm", target, weights="6", **EXACT) == (
        "port",
        "Port 8000 is in use by deployment the other. Port 8001 is free.",
    )


def test_a_typed_port_in_use_is_refused():
    target = beside(port="9900", publish_port=9901)

    field, message = refused("deploy-build-in", target, artifact="3", port=9900)

    assert (field, "the other" in message, "9902 is free" in message) == ("port", True, True)


def test_llmdeploy_s_own_ports_avoid_used_ones():
    target = beside(port="17810")

    assert defaults_for(KINDS["deploy-build-in"].Params, target)["publish_port"] == 17811
    assert refused("deploy-build-in", target, artifact="3")[0] == "publish_port"


def test_a_server_does_not_listen_on_its_own_publish_port():
    field, message = refused("deploy-build-in", vacc_host(), artifact="3", port=17810)

    assert (field, message) == ("publish_port", "The two ports must differ.")


def test_a_waiting_server_reserves_only_its_requested_port():
    waiting = beside(state="waiting", port="8000", asked_port=0)
    asks = beside(state="waiting", port="", asked_port=8000)

    assert "port" not in defaults_for(KINDS["deploy-vllm"].Params, waiting)
    assert defaults_for(KINDS["deploy-vllm"].Params, asks)["port"] == 8001


def test_a_port_of_a_queued_job_is_named_as_that_job_s():
    ref = AssetRef("deployment", "later", job=12, data={"asked_port": 65535})
    target = replace(vacc_host(), servers=(ref,))

    field, message = refused("deploy-build-in", target, artifact="3", port=65535)

    assert (field, message) == (
        "port",
        "Port 65535 is in use by job #12 (later). Port 1024 is free.",
    )


def test_ports_of_ten_thousand_digits_keep_no_port_from_others():
    raw = {"port": "9" * 10_000, "publish_port": "17110"}

    defaults = defaults_for(KINDS["deploy-build-in"].Params, vacc_host(), raw)

    assert defaults["subscribe_port"] == 17111


# -- a second run of the same plan -----------------------------------------------------------------


@pytest.fixture
def host(db):
    return make_host("va16", type="vacc", facts={**GUIDE_FACTS, "stacks": ["guide", "current"]})


def deployed(host, **raw) -> Job:
    """A server of a compiled model that was started and has been stopped."""
    artifact, _new = Artifact.objects.get_or_create(
        host=host,
        model_id=QWEN_7B,
        toolchain="vamc",
        precision="int8",
        label="int8 tp4",
        path="/nfs/workspace/vacc_deploy/x-int8-tp4-1024-2048",
        bytes=7_600_000_000,
        details={"tp": 4, "max_input": 1024, "max_total": 2048},
    )
    given = {"artifact": str(artifact.pk), **raw}
    job = launch.launch("deploy-build-in", given, host=host, user=None)
    Job.objects.filter(pk=job.pk).update(state="running")
    lifecycle.finish_job(job.pk, "succeeded", message=lifecycle.Message("done"))
    Deployment.objects.filter(job=job).update(state="stopped", wanted=False)
    return job


def serve(host, **fields):
    return make_deployment(job=make_job(host=host, state="succeeded"), name="the other", **fields)


def test_a_retry_with_ports_in_use_is_refused(host):
    old = deployed(host)
    serve(host, details=LLMDEPLOY)

    with pytest.raises(LaunchError, match=r"Port 17810.*the other.*17811") as caught:
        again.retry_job(old.pk, None)

    assert caught.value.field == "publish_port"
    assert Job.objects.filter(kind="deploy-build-in").count() == 1


def test_a_retry_with_a_used_listen_port_is_refused(host):
    old = deployed(host, stack="current", port=9900)
    serve(host, host_url="http://127.0.0.1:9900")

    with pytest.raises(LaunchError, match=r"Port 9900.*the other"):
        again.retry_job(old.pk, None)


def test_a_retry_with_any_port_is_accepted(host):
    old = deployed(host, stack="current")
    serve(host, host_url="http://127.0.0.1:9900")

    assert again.retry_job(old.pk, None).plan_sha256 == old.plan_sha256


def test_ports_that_a_waiting_job_will_have_are_not_given_twice(host):
    old = deployed(host)
    first = again.retry_job(old.pk, None)

    with pytest.raises(LaunchError, match=r"Port 17810"):
        again.retry_job(old.pk, None)
    lifecycle.ask_cancel(first.pk, None)
    assert again.retry_job(old.pk, None).pk


def test_a_port_that_a_waiting_job_was_promised_is_not_proposed(host):
    deployed(host)
    raw = {**Job.objects.get().params, "stack": "current", "port": 8000}
    launch.launch("deploy-build-in", raw, host=host, user=None)

    assert defaults_for(KINDS["deploy-vllm"].Params, target_of(host))["port"] == 8001


def test_a_restart_on_ports_in_use_is_refused(host):
    stopped = deployed(host).deployment
    serve(host, details=LLMDEPLOY)

    with pytest.raises(LaunchError, match=r"port 17810.*the other.*17811"):
        deployments.restart_deployment(stopped.pk, None)

    stopped.refresh_from_db()
    assert (stopped.state, stopped.run) == ("stopped", 1)


def test_a_vastgenx_restart_on_a_used_port_is_refused(host):
    stopped = deployed(host, stack="current", port=9900).deployment
    serve(host, host_url="http://127.0.0.1:9900")

    with pytest.raises(LaunchError, match=r"port 9900"):
        deployments.restart_deployment(stopped.pk, None)


def test_a_running_server_does_not_block_itself(host):
    running = deployed(host).deployment
    Deployment.objects.filter(pk=running.pk).update(state="ready", wanted=True)

    assert deployments.restart_deployment(running.pk, None) == 2


# -- preview before a launch -----------------------------------------------------------------------


def test_the_preview_never_shows_a_port_that_another_server_has(host):
    old = deployed(host, stack="current")
    preview = launch.preview("deploy-build-in", old.params, host)
    assert preview.open_slots["port"] == "9900"
    serve(host, host_url="http://127.0.0.1:9900")

    preview = launch.preview("deploy-build-in", old.params, host)

    assert (preview.plan.port, preview.open_slots["port"]) == (9900, "")
    assert "9900" not in preview.script


def test_the_preview_never_shows_a_port_of_a_waiting_job(host):
    old = deployed(host, stack="current")
    launch.launch("deploy-build-in", old.params, host=host, user=None)

    assert launch.preview("deploy-build-in", old.params, host).open_slots["port"] == ""


def test_a_server_that_does_not_exist_yet_has_no_address(host):
    any_port = deployed(host, stack="current").params
    for raw, port in [(any_port, ""), ({**any_port, "port": 9000}, "9000")]:
        maker = launch.launch("deploy-build-in", raw, host=host, user=None)

        slots = launch.preview("evaluate", {"deployment": f"job:{maker.pk}"}, host).open_slots

        assert slots["deployment.url"].rpartition(":")[2] == port


@pytest.mark.parametrize("address", ["", "127.0.0.1", "0.0.0.0", "::", "10.0.0.7", "fd00::7"])
def test_an_address_in_the_network_is_allowed(address):
    ports.refuse_address(address)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("999.1.1.1", "Enter an IP address"),
        ("::::", "Enter an IP address"),
        ("127.0.0.2", "Enter an address of the host in its network"),
        ("::1", "Enter an address of the host in its network"),
        ("169.254.169.254", "Enter an address of the host in its network"),
        ("ff02::1", "Enter an address of the host in its network"),
    ],
)
def test_other_addresses_are_refused_at_their_field(address, reason):
    with pytest.raises(LaunchError, match=reason) as refused:
        ports.refuse_address(address)

    assert refused.value.field == "bind"
