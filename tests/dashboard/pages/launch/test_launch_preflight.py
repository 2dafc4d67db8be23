"""The form has the host check the plan's needs, and lists the differences from the guide."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import AuditEntry, Job, Preflight
from jobs.queries.hosts import dies
from jobs.schedule import preflights
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_guide_weights, make_host, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def host():
    return make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8)


@pytest.fixture
def weights(host):
    return make_guide_weights(host=host)


def ask(browser, host, weights, /, **fields):
    data = {"host": host.name, "weights": str(weights.pk), **fields}
    return browser.post(reverse("launch-check", args=["deploy-vllm"]), data)


@pytest.fixture
def served(host):
    """A deployment that leaves one die too few for the model; its name."""
    held = ",".join(dies(host)[31:])
    made = {"values": {"dies": held}, "product": {"type": "deployment", "name": "qwen"}}
    return make_deployment(job=make_job(host=host, state="succeeded", **made), name="qwen").name


def test_dies_that_are_too_few_are_not_proposed(browser, host, weights, served):
    ask(browser, host, weights)

    assert "dies" not in Preflight.objects.get().values


def test_the_form_names_servers_that_use_the_dies(browser, host, weights, served):
    data = {"host": host.name, "weights": str(weights.pk)}

    shown = browser.get(reverse("launch-form", args=["deploy-vllm"]), data).text

    assert "starts immediately" not in shown
    message = shown[shown.index("this job needs 32 dies") :]
    assert f"only 31 are or will become free. Stop: {served} (port" in message[:120]


def test_the_form_says_when_dies_are_released(browser, host, weights):
    ran = {"kind": "compile-vacc", "title": "m int8", "host": host}
    make_job(**ran, state="succeeded", duration_s=1800.0)
    make_job(**ran, state="running", started_at=now(), values={"dies": ",".join(dies(host)[8:])})
    data = {"host": host.name, "weights": str(weights.pk)}

    shown = browser.get(reverse("launch-form", args=["deploy-vllm"]), data).text

    checks = shown[shown.index('class="t dense checks"') :]
    assert "Starts in about 30 min" in checks[: checks.index("</table>")]
    assert "starts immediately" not in shown


def finding(level, message_id, **args):
    return {"name": "x", "level": level, "message_id": message_id, "message_args": args}


def test_the_form_has_its_host_look_with_what_is_proposed(browser, host, weights):
    answer = ask(browser, host, weights)

    asked = Preflight.objects.get()
    assert (asked.host, asked.job, asked.done_at) == (host, None, None)
    assert asked.values["dies"].startswith("0,1,2")
    assert [check["name"] for check in asked.plan["checks"]][:2] == ["docker", "image"]
    assert 'data-preflight="waits"' in answer.text
    assert Job.objects.count() == 0
    made = AuditEntry.objects.get(action="host.check")
    assert (made.subject, made.detail) == ("host va16-01", {"kind": "deploy-vllm"})
    assert made.user is not None


def test_the_form_shows_findings_and_blockers_in_the_columns_of_its_checks(browser, host, weights):
    ask(browser, host, weights)
    asked = Preflight.objects.get()
    preflights.answer(
        asked, [finding("ok", "check:iommu_off"), finding("failed", "check:dies_missing", dies="7")]
    )

    form = browser.get(reverse("launch-form", args=["deploy-vllm"]), {"host": host.name}).text
    page = browser.get(reverse("launch-findings", args=[asked.pk])).text

    assert 'data-preflight="stops"' in page
    assert "IOMMU is off." in page
    assert "Dies missing from /dev: 7." in page
    assert "hx-get" not in page
    for text in (form, page):
        assert '<table class="t dense checks">' in text


def test_a_host_that_does_not_answer_is_not_asked_for_ever(browser, host, weights):
    ask(browser, host, weights)
    Preflight.objects.update(asked_at=now() - timedelta(minutes=1))

    page = browser.get(reverse("launch-findings", args=[Preflight.objects.get().pk]))

    assert 'data-preflight="silent"' in page.text


@pytest.mark.parametrize("fields", [{"tp": "16"}, {"weights": "99"}])
def test_a_form_without_a_plan_asks_no_host(browser, host, weights, fields):
    answer = ask(browser, host, weights, **fields)

    assert answer.content == b""
    assert Preflight.objects.count() == 0


def test_a_host_that_is_away_is_not_asked(browser, host, weights):
    host.heartbeat_at = now() - timedelta(minutes=5)
    host.save()

    assert ask(browser, host, weights).content == b""


def test_the_look_of_a_job_is_no_form(browser, host, weights):
    job = Job.objects.create(kind="x", title="x", host=host, plan_sha256="x")
    plan = {"schema": 1, "kind": "x", "steps": [], "files": [], "outputs": [], "watches": []}
    asked = Preflight.objects.create(host=host, job=job, plan=plan, plan_sha256="x")

    answer = browser.get(reverse("launch-findings", args=[asked.pk]))

    assert answer.status_code == 404


def test_what_differs_from_the_guide_stands_beside_the_commands(browser, host, weights):
    query = {"host": host.name, "weights": str(weights.pk)}
    page = browser.get(reverse("launch-form", args=["deploy-vllm"]), query).text

    assert "Differences from the guide" in page
    assert "docker exec, with unchanged arguments" in page
    assert reverse("launch-check", args=["deploy-vllm"]) in page


def test_findings_of_the_form_are_shown_while_the_job_is_queued(browser, host, weights, served):
    ask(browser, host, weights)
    look = Preflight.objects.get()
    busy = {"name": "port", "level": "failed", "message_id": "check:port_busy"}
    preflights.answer(look, [busy | {"message_args": {"port": 8000}}])
    data = {"host": host.name, "weights": str(weights.pk)}
    browser.post(reverse("launch-form", args=["deploy-vllm"]), data)
    job = Job.objects.get(state="queued")

    waits = browser.get(reverse("job-detail", args=[job.pk])).text

    assert "Port 8000 is in use" in waits
    assert "The host checks again before the start" in waits

    own = preflights.ask(host, job.plan, {}, job=job)
    preflights.answer(own, [])  # it is free meanwhile
    assert "is in use" not in browser.get(reverse("job-detail", args=[job.pk])).text


def test_findings_of_another_plan_are_not_shown(browser, host, weights, served):
    ask(browser, host, weights, port="9000")
    busy = {"name": "port", "level": "failed", "message_id": "check:port_busy"}
    preflights.answer(Preflight.objects.get(), [busy | {"message_args": {"port": 9000}}])
    data = {"host": host.name, "weights": str(weights.pk)}
    browser.post(reverse("launch-form", args=["deploy-vllm"]), data)

    job = Job.objects.get(state="queued")
    assert "is in use" not in browser.get(reverse("job-detail", args=[job.pk])).text
