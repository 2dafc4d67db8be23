"""Confirmation of preflight warnings: in the form, on the job's page, in the API, for a chain."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils.translation import override

from jobs.models import AuditEntry, Host, Job, Preflight
from jobs.plans import Check, Plan, Step
from jobs.schedule import preflights
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_guide_weights, make_host, make_job, make_user

pytestmark = pytest.mark.django_db

WAY = ("deepseek-r1", "pytorch")
KIND = ["deploy-vllm"]


@pytest.fixture
def host():
    facts = {**GUIDE_FACTS, "stacks": ["guide", "current"]}
    return make_host("va16-01", facts=facts, slots=8, type=Host.Type.SIMULATED)


@pytest.fixture
def form(host):
    """Form data of a deployment."""
    return {"host": host.name, "weights": str(make_guide_weights(host=host).pk)}


@pytest.fixture
def ada(client):
    client.force_login(make_user("ada"))
    return client


@pytest.fixture
def job(host):
    """A job of eve that needs confirmation."""
    check = Check("shm", (("bytes", "9"),), asks=True)
    plan = Plan(kind="prepare", steps=(Step("a", ("true",)),), checks=(check,))
    made = make_job(host=host, plan=plan, created_by=make_user("eve"))
    preflights.answer(preflights.ask(host, made.plan, {}, job=made), [amber("shm")])
    return Job.objects.get(pk=made.pk)


@pytest.fixture
def eve(client, job):
    client.force_login(job.created_by)
    return client


def amber(name):
    args = {"total": "1 GB", "wanted": "9 GB"}
    return {"name": name, "level": "warn", "message_id": "check:shm_small", "message_args": args}


def answer_amber(asked):
    """The host found too little shared memory, and nothing else amiss."""
    good = {"level": "ok", "message_id": "check:iommu_off", "message_args": {}}
    names = [check["name"] for check in asked.plan["checks"]]
    findings = [amber(name) if name == "shm" else {"name": name, **good} for name in names]
    preflights.answer(asked, findings)


def look(browser, form):
    browser.post(reverse("launch-check", args=KIND), form)
    asked = Preflight.objects.get(job=None)
    answer_amber(asked)
    return asked


def test_the_form_lists_warnings_at_the_checkbox_that_its_button_links_to(ada, form):
    asked = look(ada, form)

    found = ada.get(reverse("launch-findings", args=[asked.pk])).text
    page = ada.get(reverse("launch-form", args=KIND), form).text

    assert 'data-preflight="warning"' in found
    assert f'name="confirm" value="{asked.pk}" form="launch-form"' in found
    assert "Shared memory is 1 GB" in found[found.index("Launch anyway") :]
    assert 'id="confirm"' in found
    why = page[page.index('id="launch-why"') :]
    assert "<span data-needs-confirmation hidden>" in why
    assert 'Needs confirmation</span>: <a href="#confirm">confirm above</a>.' in why


def test_without_the_tick_nothing_is_launched(ada, form):
    look(ada, form)

    answer = ada.post(reverse("launch-form", args=KIND), form)

    page = answer.text
    assert answer.status_code == 422
    assert "Not launched: the host asks for confirmation. Shared memory is 1 GB" in page
    assert reverse("launch-check", args=KIND) in page
    assert Job.objects.count() == 0


def test_the_tick_launches_and_is_stored_with_the_job(ada, form):
    asked = look(ada, form)

    ada.post(reverse("launch-form", args=KIND), {**form, "confirm": asked.pk})

    kept = Job.objects.get().confirmed
    assert [(item["by"], item["message_id"]) for item in kept] == [("ada", "check:shm_small")]
    audit = AuditEntry.objects.get(action="job.launch").detail
    assert audit["confirmed"] == [kept[0]["check"]]


@pytest.mark.parametrize("tick", ["9" * 30, "x", "0", "-1", "another plan's"])
def test_a_tick_of_no_look_at_this_plan_confirms_nothing(ada, form, host, tick):
    look(ada, form)
    other = preflights.ask(host, Plan("x", (Step("a", ("true",)),)).to_json(), {})
    tick = other.pk if tick == "another plan's" else tick

    answer = ada.post(reverse("launch-form", args=KIND), {**form, "confirm": tick})

    assert answer.status_code == 422


def test_an_early_launch_is_confirmed_on_the_job(ada, form):
    ada.post(reverse("launch-check", args=KIND), form)

    ada.post(reverse("launch-form", args=KIND), form)

    assert Job.objects.get().confirmed == []


@pytest.mark.parametrize(
    "page", ["job-detail", "job-list", "overview", "host-queue", "host-detail"]
)
def test_an_unconfirmed_job_has_both_buttons_everywhere(eve, job, page):
    args = {"job-detail": [job.pk], "host-queue": [job.host.name], "host-detail": [job.host.name]}
    address = reverse(page, args=args.get(page, []))

    shown = eve.get(address).text

    assert "Shared memory is 1 GB" in shown
    assert "Start anyway" in shown
    assert reverse("job-confirm", args=[job.pk]) in shown
    assert reverse("job-cancel", args=[job.pk]) in shown
    assert "needs confirmation" in shown
    assert page != "overview" or "1 needs confirmation" in shown


def test_in_chinese_one_word_says_that_a_job_needs_confirmation(eve, job, form):
    asked = look(eve, form)
    chinese = {"headers": {"accept-language": "zh-hans"}}

    with override("zh-hans"):
        overview = eve.get(reverse("overview"), **chinese).text
        html = eve.get(reverse("launch-findings", args=[asked.pk]), **chinese).text

    assert "1个待确认" in overview
    assert "</svg>待确认</span>" in overview
    assert "</svg>待确认</span>" in html


def test_a_click_starts_it_and_page_and_audit_log_say_who_clicked(eve, job):
    eve.post(reverse("job-confirm", args=[job.pk]), {"check": "shm(bytes=9)"})

    job.refresh_from_db()
    assert job.confirmed[0]["by"] == "eve"
    assert AuditEntry.objects.get(action="job.confirm").detail == {"checks": ["shm(bytes=9)"]}
    shown = " ".join(eve.get(reverse("job-detail", args=[job.pk])).text.split())
    assert "Confirmed by eve" in shown
    assert "Shared memory is 1 GB" in shown


def test_a_button_confirms_only_findings_its_page_showed(eve, job):
    eve.post(reverse("job-confirm", args=[job.pk]), {"check": "disk(path=/)"})

    job.refresh_from_db()
    assert (job.confirmed, len(job.open_confirmations)) == ([], 1)


def test_another_member_sees_who_may_say_yes(ada, job):
    page = ada.get(reverse("job-detail", args=[job.pk])).text

    assert "eve or an administrator can confirm the start" in page
    assert reverse("job-confirm", args=[job.pk]) not in page


def test_the_list_can_be_narrowed_to_jobs_that_ask(ada, job):
    other = make_job(title="asks nothing")

    page = ada.get(reverse("job-list"), {"state": "needs_confirmation"}).text

    assert f'id="job-{job.pk}"' in page
    assert f'id="job-{other.pk}"' not in page


def call(browser, address, body):
    return browser.post(address, json.dumps(body), content_type="application/json")


def test_an_api_launch_confirms_checks_by_name(ada, form):
    asks = {"kind": KIND[0], "host": form["host"], "params": {"weights": form["weights"]}}

    wrong = call(ada, reverse("api-jobs"), {**asks, "confirm": ["iommu"]})
    right = call(ada, reverse("api-jobs"), {**asks, "confirm": ["shm"]})

    assert wrong.status_code == 422
    assert "Available: all, " in wrong.json()["fields"]["confirm"]
    assert right.status_code == 201
    assert [item["check"] for item in Job.objects.get().confirmed] == ["shm"]
    assert call(ada, reverse("api-jobs"), {**asks, "confirm": "shm"}).status_code == 400


def test_the_api_shows_and_takes_the_confirmation_of_a_job(eve, job):
    address = reverse("api-job-confirm", args=[job.pk])

    findings = eve.get(reverse("api-job", args=[job.pk])).json()["needs_confirmation"]
    refused = call(eve, address, {"checks": ["disk"]})
    answer = call(eve, address, {"checks": [findings[0]["check"]]})

    assert findings[0]["message"].startswith("Shared memory is 1 GB")
    assert refused.status_code == 409
    assert answer.json()["needs_confirmation"] == []
    assert call(eve, address, {}).status_code == 409


def test_the_queue_in_the_api_has_the_job_that_needs_confirmation(eve, job):
    (row,) = eve.get(reverse("api-host-queue", args=[job.host.name])).json()["jobs"]

    assert row["id"] == job.pk
    assert row["needs_confirmation"][0]["message"].startswith("Shared memory is 1 GB")


def test_from_a_terminal_the_flag_names_the_check(form):
    make_user("root", is_staff=True)
    given = {"host": form["host"], "set": [f"weights={form['weights']}"]}

    with pytest.raises(CommandError, match="This job has no confirmable check"):
        call_command("launch", *KIND, confirm=["weights"], **given)
    call_command("launch", *KIND, confirm=["all"], **given)

    assert [item["check"] for item in Job.objects.get().confirmed] == ["all"]


def test_a_chain_needs_one_preflight_and_one_checkbox(ada, host):
    pipeline = {"host": host.name, "stack": "guide"}
    ada.post(reverse("model-pipeline-check", args=WAY), pipeline)
    asked = Preflight.objects.get()
    names = {check["name"] for check in asked.plan["checks"]}
    answer_amber(asked)

    refused = ada.post(reverse("model-pipeline", args=WAY), pipeline)
    launched = ada.post(reverse("model-pipeline", args=WAY), {**pipeline, "confirm": asked.pk})

    assert {"shm", "dies", "iommu", "docker"} <= names
    assert "image" not in names  # a job of the chain makes it
    assert asked.values["dies"].startswith("0,1,")
    assert AuditEntry.objects.get(action="host.check").detail == {"model": WAY[0]}
    assert refused.status_code == 422
    assert launched.status_code == 302
    kept = {job.kind: [item["by"] for item in job.confirmed] for job in Job.objects.all()}
    assert kept["deploy-vllm"] == ["ada"]
    assert kept["prepare-weights"] == []
