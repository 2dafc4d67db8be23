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
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.vacc_target import EXACT, QWEN_7B, vacc_host
from tests.refusals import refused_at

LLMDEPLOY = {"engine": "llmdeploy", "publish_port": 17810, "subscribe_port": 17110}


def beside(**data):
    """A host with a server on it."""
    ref = AssetRef("deployment", "the other", id=1, data=data)
    return replace(vacc_host(), servers=(ref,))


# -- a first launch --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "raw", "there", "ports"),
    [
        ("deploy-vllm", {}, {}, {}),
        ("deploy-vllm", {}, {"port": "8000"}, {"port": 8001}),
        ("deploy-vllm", EXACT, {"port": "8000"}, {}),  # the printed one
        # A waiting server reserves only its requested port.
        ("deploy-vllm", {}, {"state": "waiting", "port": "8000", "asked_port": 0}, {}),
        (
            *("deploy-vllm", {}, {"state": "waiting", "port": "", "asked_port": 8000}),
            {"port": 8001},
        ),
        ("deploy-build-in", {}, {"port": "17810"}, {"publish_port": 17811}),
        ("deploy-build-in", {}, LLMDEPLOY, {"publish_port": 17811, "subscribe_port": 17111}),
        # Ten thousand digits keep no port from others.
        (
            *("deploy-build-in", {"port": "9" * 10_000, "publish_port": "17110"}, {}),
            {"subscribe_port": 17111},
        ),
    ],
)
def test_a_form_proposes_free_ports(kind, raw, there, ports):
    proposed = defaults_for(KINDS[kind].Params, beside(**there), raw)

    assert {name: port for name, port in proposed.items() if name.endswith("port")} == ports


@pytest.mark.parametrize(
    ("kind", "raw", "there", "field", "says"),
    [
        (
            *("deploy-vllm", EXACT, {"port": "8000"}, "port"),
            "Port 8000 is in use by deployment the other. Port 8001 is free.",
        ),
        (
            *("deploy-build-in", {"port": 9900}, {"port": "9900", "publish_port": 9901}, "port"),
            "the other. Port 9902 is free.",
        ),
        ("deploy-build-in", {}, {"port": "17810"}, "publish_port", "17811 is free"),
        ("deploy-build-in", {}, {"subscribe_port": 17110}, "subscribe_port", "17111 is free"),
    ],
)
def test_a_used_port_is_refused_at_its_field(kind, raw, there, field, says):
    assert plans_of(kind).refused(beside(**there), says, **raw) == field


def test_a_port_of_a_queued_job_is_named_as_that_job_s():
    ref = AssetRef("deployment", "later", job=12, data={"asked_port": 65535})
    says = r"Port 65535 is in use by job #12 \(later\)\. Port 1024 is free\."

    refused = plans_of("deploy-build-in").refused
    assert refused(replace(vacc_host(), servers=(ref,)), says, port=65535) == "port"


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


@pytest.mark.parametrize(
    ("raw", "other", "reason"),
    [
        ({}, {"details": LLMDEPLOY}, r"ort 17810.*the other.*17811"),
        (
            *({"stack": "current", "port": 9900}, {"host_url": "http://127.0.0.1:9900"}),
            r"ort 9900.*the other",
        ),
    ],
)
def test_a_retry_and_a_restart_on_ports_in_use_are_refused(host, raw, other, reason):
    old = deployed(host, **raw)
    serve(host, **other)

    with pytest.raises(LaunchError, match=reason):
        again.retry_job(old.pk, None)
    with pytest.raises(LaunchError, match=reason):
        deployments.restart_deployment(old.deployment.pk, None)

    assert Job.objects.filter(kind="deploy-build-in").count() == 1
    stopped = Deployment.objects.get(job=old)
    assert (stopped.state, stopped.run) == ("stopped", 1)


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
    with refused_at("bind", reason):
        ports.refuse_address(address)
