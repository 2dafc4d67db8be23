"""A job that did not succeed has a card: its cause, and the action that helps."""

import re
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now

from dashboard.pages.shared.failures import actions, advice, server_advice
from dashboard.text.messages import MESSAGES, message
from jobs import logstore
from jobs.base.messages import Message
from jobs.models import Job, Preflight
from jobs.services.outcomes.outcomes import cause
from tests.factories import (
    make_deployment,
    make_guide_host,
    make_host,
    make_job,
    make_user,
    make_verbatim_failure,
)

NO_FILE = "FileNotFoundError: [Errno 2] No such file or directory: '/test/nope.txt'"
AGAIN, EDIT = "Retry unchanged", "Edit and rerun"


def card(client, job) -> str:
    html = client.get(reverse("job-detail", args=[job.pk])).text
    return html.partition('id="why"')[2].partition("</section>")[0]


def primary(job, user) -> str:
    labels = [action.words for action in actions(job, user) if action.primary]
    assert len(labels) <= 1
    return labels[0] if labels else ""


@pytest.mark.parametrize(
    ("state", "message_id"),
    [
        *((state, "work:exit") for state in Job.State.values),
        *(("failed", message_id) for message_id in ("check:weights_missing", "policy:program")),
    ],
)
def test_a_job_that_did_not_succeed_has_a_card(client, lin, state, message_id):
    shown = card(client, make_job(state=state, message_id=message_id))

    assert ("<h2" in shown) is (state in ("failed", "errored", "cancelled", "lost"))
    assert shown == "" or "<h2" in shown


def test_a_job_failed_early_lists_all_missing_parts(client, lin):
    first, second = ({"path": "/nfs/w"}, {"image": "vllm_vacc:latest"})
    job = make_job(state="failed", message_id="check:weights_missing", message_args=first)
    findings = [
        {"name": "x", "level": level, "message_id": message_id, "message_args": args}
        for level, message_id, args in (
            ("failed", job.message_id, first),
            ("failed", "check:image_missing", second),
            ("ok", "check:docker", {"version": 1}),
        )
    ]
    Preflight.objects.create(
        host=job.host, job=job, plan=job.plan, plan_sha256="", findings=findings, done_at=now()
    )

    html, shown = client.get(reverse("job-detail", args=[job.pk])).text, card(client, job)

    assert "No weights in /nfs/w" in html
    assert "No weights in /nfs/w" not in shown  # the page's head says it
    assert "Image vllm_vacc:latest not found" in shown
    assert "Docker 1 is running" not in shown
    assert "no command ran" in html
    assert "data-log-url" not in html


def test_the_headline_is_the_telling_log_line(client, lin):
    job = make_job(state="failed", message_id="work:exit", started_at=now(), log_bytes=200)
    log = f'starts\nTraceback (most recent call last):\n  File "a.py", line 3\n{NO_FILE}\n'
    logstore.store().append(f"job/{job.pk}", 0, log.encode())

    text = re.sub(r"&#x27;", "'", card(client, job))

    assert re.search(r"<h2[^>]*>" + re.escape(NO_FILE), text)


def test_the_telling_line_is_stored_with_the_verdict():
    job = make_job(state="running")
    logstore.store().append(f"job/{job.pk}", 0, f"starts\n{NO_FILE}\n".encode())
    verdict = Message("work:exit", {"step": "fetch", "exit_code": 1})

    facts = cause(job, exit_code=1, message=verdict)

    assert facts == {"telling": {"line": 2, "text": NO_FILE}}
    assert message(verdict.id, {**verdict.args, **facts}).startswith(f"{NO_FILE} · Step")


@pytest.mark.parametrize("kept", [5, "x", {"text": 5}, {}, None, []])
def test_odd_arguments_leave_a_readable_message(kept):
    args = {"step": "fetch", "exit_code": 1, "telling": kept}

    assert message("work:exit", args).startswith("Step")


@pytest.mark.parametrize(
    ("state", "message_id", "wanted"),
    [
        ("failed", "work:exit", EDIT),
        ("failed", "check:port_busy", EDIT),
        ("failed", "check:docker_down", ""),
        ("failed", "policy:program", ""),
        ("failed", "check:weights_missing", "Open form “Prepare weights”"),
        ("failed", "check:image_missing", "Open form “Build images”"),
        ("failed", "job:not_taken", AGAIN),
        ("failed", "job:secret_gone", ""),
        ("errored", "job:unreadable", ""),
        ("errored", "job:plan", EDIT),
        ("cancelled", "job:cancelled", AGAIN),
        ("lost", "host:rebooted", AGAIN),
        ("lost", "job:given_up", EDIT),
        ("failed", "hub-unreachable", AGAIN),
        ("failed", "option-unknown", EDIT),
        ("failed", "docker-down", ""),
    ],
)
def test_a_retry_is_primary_only_where_it_can_succeed(lin, state, message_id, wanted):
    args = {}
    if ":" not in message_id:  # a known failure
        args = {"failure": {"id": message_id, "args": {}, "where": ""}}
        message_id = "work:exit"

    assert primary(make_job(state=state, message_id=message_id, message_args=args), lin) == wanted


def test_a_repair_opens_its_form_with_the_failed_job_s_model(client, lin):
    of = {"host": make_guide_host(), "model_id": "deepseek-r1-distill-llama-70b"}
    params = {"stack": "current"}
    job = make_job(**of, state="failed", message_id="check:weights_missing", params=params)

    form = client.get(actions(job, lin)[0].address).context["form"]

    values = {field.name: field.value for field in form.fields}
    assert (values["model"], values["stack"]) == (job.model_id, "current")


def test_a_cancelled_dependent_links_to_its_cause(lin):
    first = make_job(state="failed")
    args = {"job": first.pk, "state": "failed"}
    of = {"host": first.host, "state": "cancelled"}
    job = make_job(**of, message_id="job:predecessor", message_args=args)

    remedies = actions(job, lin)

    assert remedies[0].address == reverse("job-detail", args=[first.pk])
    assert [action.words for action in remedies[1:]] == [EDIT]


def using(server, message_id, state="failed", **fields):
    """A job of the server's host that used it, and ended with this message."""
    inputs = {"deployment": {"id": server.pk}}
    return make_job(host=server.host, state=state, message_id=message_id, inputs=inputs, **fields)


def test_what_a_silent_deployment_failed_leads_to_its_page(lin):
    server = make_deployment(name="r1-va16", host=make_host(), state="failed")

    assert primary(using(server, "benchmark:no_request"), lin) == "Open deployment r1-va16"


def test_an_administrator_is_led_to_the_secrets(lin):
    job = make_job(state="failed", message_id="job:secret_gone", message_args={"name": "HF_TOKEN"})

    (first, *_others) = actions(job, make_user(is_staff=True))

    assert first.primary and first.address.endswith("?name=HF_TOKEN")


def test_the_overview_offers_the_action_that_helps(client, lin):
    job = make_job(state="failed", message_id="check:weights_missing", finished_at=now())
    Job.objects.filter(pk=job.pk).update(created_by=lin)

    html = client.get(reverse("overview")).text

    panel = html.partition('aria-labelledby="failed-today-title"')[2].partition("</section>")[0]
    assert "Open form “Prepare weights”" in panel
    assert reverse("job-retry", args=[job.pk]) not in panel


@pytest.mark.parametrize("message_id", ["job:deployment_gone", "benchmark:no_request"])
def test_a_down_deployment_offers_its_restart(client, lin, message_id):
    server = make_deployment(name="t1", host=make_host(), state="stopped", created_by=lin)
    state = "cancelled" if message_id == "job:deployment_gone" else "failed"
    job = using(server, message_id, state, message_args={"name": "t1", "state": "stopped"})

    html = client.get(reverse("job-detail", args=[job.pk])).text

    assert [action.words for action in actions(job, lin)] == ["Restart t1", EDIT]
    assert reverse("job-retry", args=[job.pk]) not in html
    assert "Deployment t1 is not running. Restart it, then retry this job." in html

    server.state = "ready"
    server.save()

    html = client.get(reverse("job-detail", args=[job.pk])).text
    assert reverse("job-retry", args=[job.pk]) in html
    assert AGAIN in [action.words for action in actions(job, lin)]


def test_a_deployment_of_another_user_is_opened_not_restarted(lin):
    server = make_deployment(name="t1", host=make_host(), state="stopped", created_by=make_user())

    assert primary(using(server, "job:deployment_gone", "cancelled"), lin) == "Open deployment t1"


def test_a_job_of_a_pipeline_offers_the_pipeline_again_first(client, lin):
    chain, host = uuid4(), make_host()
    first = make_job(host=host, chain=chain, state="cancelled", message_id="job:cancelled")
    of = {"host": host, "chain": chain, "state": "cancelled"}
    args = {"job": first.pk, "state": "cancelled"}
    later = make_job(**of, message_id="job:predecessor", message_args=args)
    later.after.add(first)
    again = reverse("pipeline-retry", args=[chain])

    (own, *_rest), (of_later, *_rest) = actions(first, lin), actions(later, lin)
    assert (own.words, own.address) == ("Retry the pipeline from here", again)
    assert of_later.words == f"Retry the pipeline from #{first.pk}"
    assert again in card(client, first)


def test_a_retried_job_does_not_offer_its_pipeline(lin):
    chain, host = uuid4(), make_host()
    old = make_job(host=host, chain=chain, state="failed", message_id="host:rebooted")
    make_job(host=host, chain=chain, state="succeeded")
    make_job(host=host, chain=chain, state="succeeded", repeats=old)

    assert primary(old, lin) == AGAIN


@pytest.mark.parametrize("kind", ["benchmark", "benchmark-online"])
def test_a_deployment_that_is_stopped_is_named_with_what_to_do(client, kind):
    host = make_host()
    server = make_deployment(name="t1", host=host, state="stopped")
    client.force_login(make_user())

    answer = client.get(
        reverse("launch-form", args=[kind]), {"host": host.name, "deployment": server.pk}
    ).text

    assert "t1, stopped</option>" in answer
    assert "Deployment t1 is not running. Restart it, or choose another deployment." in answer
    assert f'href="{reverse("deployment-detail", args=[server.pk])}">Open deployment t1' in answer
    assert "not on this host" not in answer and "not on the host" not in answer


def test_a_failed_verbatim_command_offers_correction(client, lin):
    job = make_verbatim_failure()

    shown, first = card(client, job), actions(job, lin)[0]

    assert "4 dies cannot share 2 KV heads evenly" in shown and "align_qkv" in shown
    assert (first.words, first.primary) == ("Correct and rerun", True)
    assert first.address.endswith(f"from={job.pk}&as_in_guide=0")
    form = client.get(first.address).text
    assert re.search(r'name="as_in_guide" value="0"[^>]* checked', form)


def test_what_is_for_the_host_leads_to_its_page_before_a_retry(lin):
    job = make_job(state="failed", message_id="host:disk_full")

    first = actions(job, lin)[0]

    assert first.address == reverse("host-detail", args=[job.host.name])
    assert not first.primary


@pytest.mark.parametrize(
    ("started", "says"), [(None, "which did not start"), (now(), "retry of #")]
)
def test_a_job_repeats_only_what_ran(client, lin, started, says):
    first = make_job(state="cancelled", started_at=started)
    job = make_job(host=first.host, repeats=first)

    html = client.get(reverse("job-detail", args=[job.pk])).text

    assert says in html


# Advice on failed jobs fits the job.


RAN = {"started_at": now(), "log_bytes": 900}


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.mark.parametrize(
    ("message_ids", "fields", "begin"),
    [
        (["work:exit"], {}, "Read the last lines"),
        (["work:exit", "work:output_missing"], {"log_bytes": 0}, "The log is empty:"),
        (
            ["work:exit", "work:output_missing", "host:disk_full"],
            {"removed_at": now()},
            "The log was removed",
        ),
    ],
)
def test_a_log_is_to_be_read_if_there_is_one(message_ids, fields, begin):
    for message_id in message_ids:
        job = make_job(state="failed", message_id=message_id, **{**RAN, **fields})
        assert advice(job).startswith(begin), message_id
    for message_id in ("internal:plan", "policy:program", "job:plan"):
        refused = advice(make_job(state="failed", message_id=message_id))
        assert refused.endswith("There is no log, because no command ran.")


@pytest.mark.parametrize(
    ("state", "message_id"),
    [
        ("failed", "job:unreadable"),
        ("lost", "job:host_gone"),
        ("lost", "host:rebooted"),
        ("cancelled", "cancelled"),
    ],
)
def test_removed_files_are_not_reported_as_kept(state, message_id):
    made = {"state": state, "message_id": message_id, **RAN}

    before, after = advice(make_job(**made)), advice(make_job(**made, removed_at=now()))

    promises = ("kept", "arrives")
    assert any(word in before for word in promises)
    assert after
    assert not any(word in after for word in promises)


def test_advice_that_is_not_about_a_log_stays_when_the_log_goes():
    made = {"state": "failed", "message_id": "benchmark:no_request", **RAN}

    assert advice(make_job(**made, removed_at=now())) == advice(make_job(**made))


@pytest.mark.parametrize("message_id", ["work:log_limit", "host:disk_full", "job:unreadable"])
def test_a_stored_message_promises_no_removable_file(message_id):
    text = message(message_id, dict.fromkeys(("step", "limit", "log", "free", "reserve"), 1))

    assert message_id in MESSAGES
    assert "is complete" not in text
    assert "kept." not in text
    assert advice(make_job(state="failed", message_id=message_id, **RAN))


def test_a_server_without_a_log_has_no_advice_to_read_it():
    text = server_advice(make_deployment(state="failed", log_bytes=9))
    gone = server_advice(make_deployment(state="failed", log_bytes=9, removed_at=now()))
    silent = server_advice(make_deployment(state="failed", log_bytes=9, log_from=9, run=2))
    empty = server_advice(make_deployment(state="failed"))

    assert text.startswith("Read the end of the server's log")
    assert gone.startswith("The log was removed")
    assert empty.startswith("The server exited without output")
    assert silent == empty  # lines of an earlier run do not count
