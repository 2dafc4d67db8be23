"""Preflight of a form: its host checks what the plan needs; warnings need a confirmation."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import override

from dashboard.management.commands import launch
from jobs.models import AuditEntry, Host, Job, Preflight
from jobs.plans import Check, Plan, Step
from jobs.queries.hosts import dies
from jobs.schedule import preflights
from tests.factories import make_deployment, make_job, make_user

pytestmark = pytest.mark.django_db

FORM = reverse("launch-form", args=["deploy-vllm"])
WAY = ("deepseek-r1", "pytorch")


@pytest.fixture
def form(host, weights):
    """Form data of a deployment."""
    return {"host": host.name, "weights": str(weights.pk)}


def ask(browser, form, **fields):
    return browser.post(reverse("launch-check", args=["deploy-vllm"]), {**form, **fields})


@pytest.fixture
def few_dies(host):
    """A deployment that leaves one die too few for the model; its name."""
    held = ",".join(dies(host)[31:])
    made = {"values": {"dies": held}, "product": {"type": "deployment", "name": "qwen"}}
    return make_deployment(job=make_job(host=host, state="succeeded", **made), name="qwen").name


def test_dies_that_are_too_few_are_not_proposed(browser, form, few_dies):
    ask(browser, form)

    assert "dies" not in Preflight.objects.get().values


def test_the_form_names_servers_that_use_the_dies(browser, form, few_dies):
    shown = browser.get(FORM, form).text

    assert "starts immediately" not in shown
    message = shown[shown.index("this job needs 32 dies") :]
    assert f"only 31 are or will become free. Stop: {few_dies} (port" in message[:120]


def test_the_form_says_when_dies_are_released(browser, host, form):
    ran = {"kind": "compile-vacc", "title": "m int8", "host": host}
    make_job(**ran, state="succeeded", duration_s=1800.0)
    make_job(**ran, state="running", started_at=now(), values={"dies": ",".join(dies(host)[8:])})

    shown = browser.get(FORM, form).text

    checks = shown[shown.index('class="t dense checks"') :]
    assert "Starts in about 30 min" in checks[: checks.index("</table>")]
    assert "starts immediately" not in shown


def finding(level, message_id, **args):
    return {"name": "x", "level": level, "message_id": message_id, "message_args": args}


def test_the_form_has_its_host_look_with_what_is_proposed(browser, host, form):
    answer = ask(browser, form)

    asked = Preflight.objects.get()
    assert (asked.host, asked.job, asked.done_at) == (host, None, None)
    assert asked.values["dies"].startswith("0,1,2")
    assert [check["name"] for check in asked.plan["checks"]][:2] == ["docker", "image"]
    assert 'data-preflight="waits"' in answer.text
    assert Job.objects.count() == 0
    made = AuditEntry.objects.get(action="host.check")
    assert (made.subject, made.detail) == ("host va16-01", {"kind": "deploy-vllm"})
    assert made.user is not None


def test_the_form_shows_findings_and_blockers_in_the_columns_of_its_checks(browser, form):
    ask(browser, form)
    asked = Preflight.objects.get()
    preflights.answer(
        asked, [finding("ok", "check:iommu_off"), finding("failed", "check:dies_missing", dies="7")]
    )

    form = browser.get(FORM, form).text
    page = browser.get(reverse("launch-findings", args=[asked.pk])).text

    assert 'data-preflight="stops"' in page
    assert "IOMMU is off." in page
    assert "Dies missing from /dev: 7." in page
    assert "hx-get" not in page
    for text in (form, page):
        assert '<table class="t dense checks">' in text


def test_a_host_that_does_not_answer_is_not_asked_for_ever(browser, form):
    ask(browser, form)
    Preflight.objects.update(asked_at=now() - timedelta(minutes=1))

    page = browser.get(reverse("launch-findings", args=[Preflight.objects.get().pk]))

    assert 'data-preflight="silent"' in page.text


@pytest.mark.parametrize("fields", [{"tp": "16"}, {"weights": "99"}])
def test_a_form_without_a_plan_asks_no_host(browser, form, fields):
    answer = ask(browser, form, **fields)

    assert answer.content == b""
    Host.objects.update(heartbeat_at=now() - timedelta(minutes=5))
    assert ask(browser, form).content == b""
    assert Preflight.objects.count() == 0


def test_the_look_of_a_job_is_no_form(browser, host, form):
    job = Job.objects.create(kind="x", title="x", host=host, plan_sha256="x")
    plan = {"schema": 1, "kind": "x", "steps": [], "files": [], "outputs": [], "watches": []}
    asked = Preflight.objects.create(host=host, job=job, plan=plan, plan_sha256="x")

    answer = browser.get(reverse("launch-findings", args=[asked.pk]))

    assert answer.status_code == 404


def test_what_differs_from_the_guide_stands_beside_the_commands(browser, form):
    page = browser.get(FORM, form).text

    assert "Differences from the guide" in page
    assert "docker exec, with unchanged arguments" in page
    assert reverse("launch-check", args=["deploy-vllm"]) in page


def test_findings_of_the_form_are_shown_while_the_job_is_queued(browser, host, form, few_dies):
    ask(browser, form)
    look = Preflight.objects.get()
    busy = {"name": "port", "level": "failed", "message_id": "check:port_busy"}
    preflights.answer(look, [busy | {"message_args": {"port": 8000}}])
    browser.post(FORM, {**form, "port": "9000"})  # another plan
    other = Job.objects.get(state="queued")
    assert "is in use" not in browser.get(reverse("job-detail", args=[other.pk])).text
    browser.post(FORM, form)
    job = Job.objects.get(state="queued", pk__gt=other.pk)

    waits = browser.get(reverse("job-detail", args=[job.pk])).text

    assert "Port 8000 is in use" in waits
    assert "The host checks again before the start" in waits

    own = preflights.ask(host, job.plan, {}, job=job)
    preflights.answer(own, [])  # it is free meanwhile
    assert "is in use" not in browser.get(reverse("job-detail", args=[job.pk])).text


# Confirmation of warnings: in the form, on the page of the job, in the API, of a pipeline.


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
    ask(browser, form)
    asked = Preflight.objects.get(job=None)
    answer_amber(asked)
    return asked


def test_the_form_lists_warnings_at_the_checkbox_that_its_button_links_to(member, form):
    asked = look(member, form)

    found = member.get(reverse("launch-findings", args=[asked.pk])).text
    page = member.get(FORM, form).text

    assert 'data-preflight="warning"' in found
    assert f'name="confirm" value="{asked.pk}" form="launch-form"' in found
    assert "Shared memory is 1 GB" in found[found.index("Launch anyway") :]
    assert 'id="confirm"' in found
    why = page[page.index('id="launch-why"') :]
    assert "<span data-needs-confirmation hidden>" in why
    assert 'Needs confirmation</span>: <a href="#confirm">confirm above</a>.' in why


def test_the_tick_launches_and_is_stored_with_the_job(member, form):
    asked = look(member, form)

    without = member.post(FORM, form)
    assert without.status_code == 422
    words = "Not launched: the host asks for confirmation. Shared memory is 1 GB"
    assert words in without.text and reverse("launch-check", args=["deploy-vllm"]) in without.text
    assert Job.objects.count() == 0

    member.post(FORM, {**form, "confirm": asked.pk})

    kept = Job.objects.get().confirmed
    assert [(item["by"], item["message_id"]) for item in kept] == [("lin", "check:shm_small")]
    audit = AuditEntry.objects.get(action="job.launch").detail
    assert audit["confirmed"] == [kept[0]["check"]]


@pytest.mark.parametrize("tick", ["9" * 30, "x", "0", "-1", "another plan's"])
def test_a_tick_of_no_look_at_this_plan_confirms_nothing(member, form, host, tick):
    look(member, form)
    other = preflights.ask(host, Plan("x", (Step("a", ("true",)),)).to_json(), {})
    tick = other.pk if tick == "another plan's" else tick

    answer = member.post(FORM, {**form, "confirm": tick})

    assert answer.status_code == 422


def test_an_early_launch_is_confirmed_on_the_job(member, form):
    member.post(reverse("launch-check", args=["deploy-vllm"]), form)

    member.post(FORM, form)

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


def test_another_member_sees_who_may_say_yes(member, job):
    page = member.get(reverse("job-detail", args=[job.pk])).text

    assert "eve or an administrator can confirm the start" in page
    assert reverse("job-confirm", args=[job.pk]) not in page


def test_the_list_can_be_narrowed_to_jobs_that_ask(member, job):
    other = make_job(title="asks nothing")

    page = member.get(reverse("job-list"), {"state": "needs_confirmation"}).text

    assert f'id="job-{job.pk}"' in page
    assert f'id="job-{other.pk}"' not in page


def call(browser, address, body):
    return browser.post(address, json.dumps(body), content_type="application/json")


def test_an_api_launch_confirms_checks_by_name(member, form):
    asks = {"kind": "deploy-vllm", "host": form["host"], "params": {"weights": form["weights"]}}

    wrong = call(member, reverse("api-jobs"), {**asks, "confirm": ["iommu"]})
    right = call(member, reverse("api-jobs"), {**asks, "confirm": ["shm"]})

    assert wrong.status_code == 422
    assert "Available: all, " in wrong.json()["fields"]["confirm"]
    assert right.status_code == 201
    assert [item["check"] for item in Job.objects.get().confirmed] == ["shm"]
    assert call(member, reverse("api-jobs"), {**asks, "confirm": "shm"}).status_code == 400


def test_the_api_shows_and_takes_the_confirmation_of_a_job(eve, job):
    address = reverse("api-job-confirm", args=[job.pk])

    findings = eve.get(reverse("api-job", args=[job.pk])).json()["needs_confirmation"]
    (row,) = eve.get(reverse("api-host-queue", args=[job.host.name])).json()["jobs"]
    assert row["needs_confirmation"] == findings
    refused = call(eve, address, {"checks": ["disk"]})
    answer = call(eve, address, {"checks": [findings[0]["check"]]})

    assert findings[0]["message"].startswith("Shared memory is 1 GB")
    assert refused.status_code == 409
    assert answer.json()["needs_confirmation"] == []
    assert call(eve, address, {}).status_code == 409


def test_from_a_terminal_the_flag_names_the_check(monkeypatch, form):
    make_user("root", is_staff=True)
    given = {"host": form["host"], "set": [f"weights={form['weights']}"]}
    monkeypatch.setattr(launch, "ANSWER_WITHIN_S", 0.0)  # no host is there to answer

    with pytest.raises(CommandError, match="This job has no confirmable check"):
        call_command("launch", "deploy-vllm", confirm=["weights"], **given)
    call_command("launch", "deploy-vllm", confirm=["all"], **given)

    assert [item["check"] for item in Job.objects.get().confirmed] == ["all"]


def test_a_chain_needs_one_preflight_and_one_checkbox(member, host):
    pipeline = {"host": host.name, "stack": "guide"}
    member.post(reverse("model-pipeline-check", args=WAY), pipeline)
    asked = Preflight.objects.get()
    names = {check["name"] for check in asked.plan["checks"]}
    answer_amber(asked)

    refused = member.post(reverse("model-pipeline", args=WAY), pipeline)
    launched = member.post(reverse("model-pipeline", args=WAY), {**pipeline, "confirm": asked.pk})

    assert {"shm", "dies", "iommu", "docker"} <= names
    assert "image" not in names  # a job of the chain makes it
    assert asked.values["dies"].startswith("0,1,")
    assert AuditEntry.objects.get(action="host.check").detail == {"model": WAY[0]}
    assert refused.status_code == 422
    assert launched.status_code == 302
    kept = {job.kind: [item["by"] for item in job.confirmed] for job in Job.objects.all()}
    assert kept["deploy-vllm"] == ["lin"]
    assert kept["prepare-weights"] == []
