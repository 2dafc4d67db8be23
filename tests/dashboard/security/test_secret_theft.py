"""Nobody gets a secret by a job: over pages, API, commands, retries, restarts and claims."""

import html
import json
import re

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import get_resolver, reverse

from jobs.access import secrets
from jobs.launch.launch import launch
from jobs.models import AuditEntry, Deployment, Job
from jobs.plans import Plan, Step
from jobs.schedule import dispatch, lifecycle
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.dashboard.lib.caller import Caller as Person
from tests.dashboard.lib.host_caller import LOG, STARTED, Caller, ended, events
from tests.dashboard.lib.routes import every_pattern
from tests.factories import (
    keep_secret,
    make_deployment,
    make_host,
    make_job,
    make_user,
    make_weights,
    secret_values,
    stored,
)
from tests.jobs.lib.queued import leased

pytestmark = pytest.mark.django_db

KIND = "prepare-weights"
VALUE = "hf_Marker0123456789"
EVIL = "http://10.66.6.6:8080"
HUB = "https://huggingface.co"


@pytest.fixture
def adas(host, ada):
    """A hub token that ada alone may use."""
    return keep_secret("HF_TOKEN", VALUE, people=[ada])


@pytest.fixture
def anyones(host):
    return keep_secret("HF_TOKEN", VALUE)


def asked(**params):
    return {"token": "HF_TOKEN", "endpoint": HUB, "checksums": False, **params}


def test_form_api_and_commands_refuse_a_theft_at_its_field(page, eve, adas):
    params, field = asked(), "token"
    words = "You may not use secret HF_TOKEN"
    typed = {"host": "va16-01", **params, "checksums": "0"}
    form, preview = (reverse(name, args=[KIND]) for name in ("launch-form", "launch-preview"))
    answers = [page.get(form, typed), page.post(form, typed), page.post(preview, typed)]

    assert all(words in html.unescape(answer.text) for answer in answers)
    assert answers[1].status_code == 422
    settings = [f"--set={name}={value}" for name, value in params.items()]
    for command in ("launch", "plan"):
        with pytest.raises(CommandError, match=f"{field}: {words}"):
            call_command(command, KIND, "--host=va16-01", "--user=eve", *settings)
    person = Person(eve)
    for path in ("jobs/preview", "jobs"):
        answer = person.post(path, {"kind": KIND, "host": "va16-01", "params": params})
        assert (answer.status_code, words in answer.json()["fields"][field]) == (422, True)
    assert not Job.objects.exists()


def test_who_may_use_it_launches_as_ever(host, ada, adas):
    job = launch(KIND, asked(), host=host, user=ada)

    assert "HF_TOKEN" in json.dumps(job.plan)
    assert VALUE not in json.dumps(job.plan)


def test_another_s_job_is_not_retried_with_their_secret(page, eve, host, ada, adas):
    job = launch(KIND, asked(), host=host, user=ada)
    lifecycle.finish_queued_job(job.pk, Job.State.FAILED, message=dispatch.Message("done"))

    answer = page.post(reverse("job-retry", args=[job.pk]), follow=True)
    by_token = Person(eve).post(f"jobs/{job.pk}/retry")

    assert "You may not use secret HF_TOKEN" in answer.text
    assert by_token.status_code == 422
    assert "You may not use secret HF_TOKEN" in by_token.json()["fields"]["token"]
    assert Job.objects.count() == 1


def serving(host, person, **fields):
    """A stopped server of ``person`` with an engine key."""
    env = (("VLLM_API_KEY", "{secret:API_KEY}"),)
    step = Step("serve", ("vllm", "serve"), env=env, serves=True)
    plan = Plan(kind="deploy-vllm", steps=(step,))
    job = make_job(plan=plan, host=host, state="succeeded", created_by=person)
    return make_deployment(job=job, state="stopped", wanted=False, created_by=person, **fields)


def test_a_server_is_not_restarted_by_who_may_not_use_its_key(page, eve, host, ada):
    keep_secret("API_KEY", "engine-key", purpose="engine", people=[ada])
    server = serving(host, eve)

    answer = page.post(reverse("deployment-restart", args=[server.pk]), follow=True)
    by_token = Person(eve).post(f"deployments/{server.pk}/restart")

    assert "You may not use secret API_KEY" in answer.text
    assert (by_token.status_code, Deployment.objects.get().run) == (422, 1)


def claimed(host, job):
    return Caller(host).post(f"jobs/{job.pk}/claim", {"claim_id": "n"})


RULES = [
    ({"hosts": "other"}, "job:secret_host"),
    ({"people": "other"}, "job:secret_person"),
    ({"endpoints": ["https://hub.example"]}, "job:secret_endpoint"),
    ({"purpose": "engine"}, "job:secret_purpose"),
]


def changed(rules):
    """The rules of the token are others now."""
    rules = dict(rules)
    if "hosts" in rules:
        rules["hosts"] = [make_host()]
    if "people" in rules:
        rules["people"] = [make_user()]
    keep_secret("HF_TOKEN", VALUE, **rules)


@pytest.mark.parametrize(("rules", "message_id"), RULES)
def test_a_claim_that_is_not_allowed_gets_no_secret(host, eve, anyones, rules, message_id):
    job = leased(launch(KIND, asked(), host=host, user=eve))
    assert job.state == "starting"
    changed(rules)

    answer = claimed(host, job)

    assert answer.status_code == 409
    assert VALUE not in answer.text and "secrets" not in answer.json()
    assert "HF_TOKEN" in answer.json()["detail"]
    assert stored(job, "state", "message_id") == ("failed", message_id)


def test_a_host_gets_no_secret_with_a_restart_that_is_not_allowed(host, eve):
    keep_secret("API_KEY", "engine-key", purpose="engine", hosts=[make_host()])
    server = serving(host, eve, run=2)
    Deployment.objects.update(wanted=True, state="waiting")

    answer = Caller(host).post(f"deployments/{server.pk}/claim", {"run": 2})

    assert (answer.status_code, answer.json()["state"]) == (409, "failed")
    assert "engine-key" not in answer.text
    assert stored(server, "state", "message_id") == ("failed", "job:secret_host")


def test_a_job_that_runs_keeps_what_it_has_and_a_second_claim_gets_nothing(host, eve, anyones):
    job = leased(launch(KIND, asked(), host=host, user=eve))
    assert claimed(host, job).json()["secrets"] == {"HF_TOKEN": VALUE}
    Caller(host).stream(job, "events", 0, events(STARTED))
    changed({"people": "other"})

    answer = claimed(host, job)

    assert answer.status_code == 200 and answer.json()["secrets"] == {}
    assert stored(job, "state") == "running"


def test_no_table_file_page_or_answer_has_a_secret(
    settings, client, host, ada, django_user_model, capsys
):
    """All that a secret touches is done; then everything is searched for its value."""
    values = {"HF_TOKEN": VALUE, "API_KEY": "engine-Marker-0123"}
    client.force_login(ada)
    client.post(
        reverse("secret-keep"),
        {"name": "HF_TOKEN", "value": VALUE, "purpose": "hub", "endpoints": HUB}
        | {"all_hosts": "on", "everyone": "on"},
    )
    keep_secret("API_KEY", values["API_KEY"], purpose="engine")
    assert secret_values(values) == values
    job = leased(launch(KIND, asked(), host=host, user=ada))
    assert VALUE in claimed(host, job).text
    caller = Caller(host)
    caller.stream(job, "log", 0, LOG)
    caller.stream(job, "events", 0, events(STARTED, ended()))
    weights = f"{GUIDE_FACTS['roots']['weights']}/DeepSeek-R1"
    row = make_weights(host=host, model_id="deepseek-r1", precision="fp8", path=weights)
    raw = {"weights": str(row.pk), "api_key": "API_KEY", "stack": "current"}
    launch("deploy-vllm", raw, host=host, user=ada)
    secrets.rotate()
    call_command("list_secrets")
    call_command("plan", KIND, "--host=va16-01", "--set=token=HF_TOKEN", f"--set=endpoint={HUB}")

    found = {
        **_tables(),
        **_files(settings.DATA_DIR),
        **_answers(client, job),
        "commands": capsys.readouterr().out.encode(),
    }

    assert len(found) > 50
    for name, content in found.items():
        for value in values.values():
            assert value.encode() not in content, name


def _tables():
    with connection.cursor() as cursor:
        tables = {}
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')
            tables[model._meta.db_table] = str(cursor.fetchall()).encode()
    assert AuditEntry.objects.filter(action="secret.manage").exists()
    assert "gAAAA" in tables["jobs_secret"].decode()
    return tables


def _files(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "encryption_key" for path in paths)
    return {str(path): path.read_bytes() for path in paths}


NOT_ASKED = ("logout", "api-job-events")  # the last goes on, with what a log has


def _answers(client, job):
    """Every page and API operation that GET reaches, with the numbers and names that exist."""
    names = {"job_id": job.pk, "record_id": job.pk, "name": "HF_TOKEN", "kind_name": KIND}
    answers = {}
    for route, pattern in every_pattern(get_resolver().url_patterns):
        if getattr(pattern.callback, "for_hosts", False) or pattern.name in NOT_ASKED:
            continue
        address = "/" + re.sub(
            r"<(?:\w+:)?(\w+)>", lambda found: str(names.get(found[1], "1")), route
        )
        is_filled = pattern.name.startswith(("launch", "secret", "source"))
        query = {"from": str(job.pk), "name": "HF_TOKEN", "token": "HF_TOKEN"} if is_filled else {}
        answer = client.get(address, query)
        answers[address] = b"".join(answer) if answer.streaming else answer.content
    assert b"HF_TOKEN" in answers["/secrets/"]
    return answers
