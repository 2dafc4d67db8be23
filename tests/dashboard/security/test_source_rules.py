"""Jobs fetch code and data from permitted sources only: over pages, API, commands and claims."""

import html

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from dashboard.actions import access as actions
from jobs.launch.launch import launch
from jobs.models import Job, Source
from jobs.schedule import dispatch, lifecycle
from tests.dashboard.lib.caller import Caller as Person
from tests.dashboard.lib.host_caller import STARTED, Caller, events
from tests.factories import keep_secret, permit_source, stored
from tests.jobs.lib.queued import leased

pytestmark = pytest.mark.django_db

TEAM = "https://git.example/team"
THEIRS = f"{TEAM}/vllm.git"
IMAGE = "registry.example/ai_deliver/vllm_vacc"
WORDS = "is not a permitted source. Choose a listed one, or ask an administrator to add it"


# Kind, params, the field at fault, and the source that would permit them.
FOREIGN = [
    ("build-images", {"repository": "https://github.com/eve/vllm.git"}, "repository", "git"),
    ("build-images", {"stack": "current", "tag": "eve"}, "tag", "image"),
    ("prepare-opencompass", {"repository": "https://github.com/eve/oc"}, "repository", "git"),
    ("prepare-opencompass", {"index": "https://pypi.evil.example/simple"}, "index", "index"),
    ("prepare-weights", {"endpoint": "http://10.66.6.6:8080"}, "endpoint", "hub"),
    ("prepare-weights", {"revision": "refs/pr/7"}, "revision", "revision"),
    ("prepare-datasets", {"endpoint": "https://hf-mirror.com/eve/x"}, "endpoint", "hub"),
]


def address_of(params, field):
    prefix = {"tag": f"{IMAGE}:", "revision": "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B@"}
    return f"{prefix.get(field, '')}{params[field]}"


def test_the_form_and_the_commands_refuse_a_source_of_one_s_own_at_its_field(page, host):
    kind, params, field, source_type = FOREIGN[0]
    typed = {"host": host.name, **params}
    form, preview = (reverse(name, args=[kind]) for name in ("launch-form", "launch-preview"))
    answers = [page.get(form, typed), page.post(form, typed), page.post(preview, typed)]

    for answer in answers:
        error = html.unescape(answer.text.partition(f'id="e-{field}"')[2].partition("</p>")[0])
        assert f"{params[field]} {WORDS}" in error
        assert f"{reverse('source-list')}?type={source_type}" in error
    assert answers[1].status_code == 422
    for command in ("launch", "plan"):
        with pytest.raises(CommandError) as caught:
            call_command(
                command, kind, "--host=va16-01", "--user=eve", f"--set={field}={params[field]}"
            )
        assert f"{field}: {params[field]} {WORDS}" in str(caught.value)
    assert not Job.objects.exists()


@pytest.mark.parametrize(("kind", "params", "field", "source_type"), FOREIGN)
def test_a_source_is_refused_to_everyone_until_an_administrator_adds_it(
    client, host, ada, eve, kind, params, field, source_type
):
    body = {"kind": kind, "host": host.name, "params": params}
    member = Person(eve)
    client.force_login(ada)
    preview = client.post("/api/v1/jobs/preview", body, content_type="application/json")

    for answer in (member.post("jobs", body), preview):
        assert answer.status_code == 422
        assert f"{address_of(params, field)} {WORDS}" in answer.json()["fields"][field]
    assert not Job.objects.exists()

    permit_source(address_of(params, field), source_type)

    answer = member.post("jobs", body)
    assert answer.status_code == 201, answer.text
    assert Job.objects.get(pk=answer.json()["id"]).params[field] == params[field]


def test_the_form_offers_what_is_permitted(page, host):
    permit_source(TEAM)
    form = page.get(reverse("launch-form", args=["build-images"]), {"host": host.name}).text

    offered = form.partition('<datalist id="o-repository">')[2].partition("</datalist>")[0]

    assert f'<option value="{TEAM}">' in offered
    assert '<option value="https://github.com/vllm-project/vllm.git">' in offered
    assert 'list="o-repository"' in form and 'list="o-tag"' in form
    assert f'href="{reverse("source-list")}">Permitted sources' in form


@pytest.fixture
def permitted():
    return permit_source(TEAM)


def built(host, person):
    return launch("build-images", {"repository": THEIRS}, host=host, user=person)


def ended(job):
    lifecycle.finish_queued_job(job.pk, Job.State.FAILED, message=dispatch.Message("done"))
    return job


def test_a_job_is_not_retried_once_its_source_is_removed(page, eve, host, permitted):
    job = ended(built(host, eve))
    permitted.delete()

    answer = page.post(reverse("job-retry", args=[job.pk]), follow=True)
    by_token = Person(eve).post(f"jobs/{job.pk}/retry")

    assert f"{THEIRS} {WORDS}" in html.unescape(answer.text)
    assert (by_token.status_code, [*by_token.json()["fields"]]) == (422, ["repository"])
    assert Job.objects.count() == 1


def test_a_claim_gets_no_job_once_its_source_is_removed(client, host, ada, eve, permitted):
    job = leased(built(host, eve))
    assert job.state == "starting"
    actions.remove_source(ada, permitted.pk)

    answer = Caller(host).post(f"jobs/{job.pk}/claim", {"claim_id": "n"})

    assert (answer.status_code, answer.json()["state"]) == (409, "failed")
    assert "plan" not in answer.json() and THEIRS in answer.json()["detail"]
    job.refresh_from_db()
    assert (job.state, job.message_id) == ("failed", "job:source")
    client.force_login(ada)
    shown = html.unescape(client.get(reverse("job-detail", args=[job.pk])).text)
    assert f"Source {THEIRS} is not permitted. Add it under Sources, then retry." in shown
    assert f"{reverse('source-list')}?type=git&address=https%3A%2F%2Fgit.example" in shown


def test_a_running_job_keeps_all_it_has_after_its_source_is_removed(host, ada, eve):
    hub = "https://hub.example"
    row = permit_source(hub, "hub")
    value = keep_secret("HF_TOKEN", "hf_0123456789", endpoints=[hub])
    raw = {"endpoint": hub, "token": "HF_TOKEN"}
    job = leased(launch("prepare-weights", raw, host=host, user=eve))
    Caller(host).post(f"jobs/{job.pk}/claim", {"claim_id": "n"})
    Caller(host).stream(job, "events", 0, events(STARTED))
    actions.remove_source(ada, row.pk)

    again = Caller(host).post(f"jobs/{job.pk}/claim", {"claim_id": "n"})

    assert (again.status_code, stored(job, "state")) == (200, "running")
    assert again.json()["secrets"] == {"HF_TOKEN": value}
    assert not Source.objects.exists()
