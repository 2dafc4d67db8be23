"""Page of a pipeline: shown after its launch, with its jobs, and its retry."""

import re
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import AuditEntry, Host, Job
from tests.comparing import text_of
from tests.factories import (
    make_deployment,
    make_host,
    make_job,
    make_result,
    make_user,
    make_verbatim_failure,
)

KINDS = ("prepare", "compile", "deploy", "benchmark", "evaluate")
SMALL = "smollm2-135m-instruct"


def make_chain(chain, by=None, **states):
    """Five jobs, each after the one before; those not in ``states`` have succeeded."""
    host, jobs = make_host(), []
    for kind in KINDS:
        state = states.get(kind, "succeeded")
        params = {} if kind == "prepare" else {"deployment": "1"}
        job = make_job(
            **{"kind": kind, "host": host, "chain": chain, "state": state, "created_by": by},
            **{"model_id": SMALL, "params": params},
        )
        job.after.set(jobs[-1:])
        jobs.append(job)
    return jobs


def shown(client, chain):
    return client.get(reverse("pipeline", args=[chain])).text


def test_each_job_stands_with_its_state_and_why_it_waits(member, chain):
    jobs = make_chain(chain, deploy="running", benchmark="queued", evaluate="queued")

    html = shown(member, chain)

    rows = re.findall(r'<tr id="job-(\d+)">(.*?)</tr>', html, re.S)
    assert [int(number) for number, _row in rows] == [job.pk for job in jobs]
    assert "running" in text_of(rows[2][1])
    assert f"job {jobs[2].pk}" in text_of(rows[3][1])
    assert "2 of 5 succeeded" in text_of(html)
    assert f"Running: #{jobs[2].pk}" in text_of(html)
    assert f"Next: #{jobs[3].pk}" in text_of(html)
    assert 'data-live="job deployment"' in html


def test_a_pipeline_of_an_offline_host_is_blocked(member, chain):
    jobs = make_chain(chain, deploy="queued", benchmark="queued")
    assert "Next: #" in text_of(shown(member, chain))

    Host.objects.filter(pk=jobs[0].host_id).update(heartbeat_at=None)
    assert "Blocked:" in text_of(shown(member, chain))


def test_what_remains_is_a_round_estimate(member, chain):
    running = make_chain(chain, deploy="succeeded", benchmark="running", evaluate="queued")[3]
    progress = {"done": 99.0, "total": 100.0, "unit": "%"}
    started = now() - timedelta(seconds=40.1)
    Job.objects.filter(pk=running.pk).update(progress=progress, started_at=started)

    assert re.search(r"remaining\s+5 s", text_of(shown(member, chain)))


def test_it_ends_in_the_chat_and_the_results(member, chain):
    jobs = make_chain(chain)
    deployment = make_deployment(job=jobs[2])
    result = make_result(job=jobs[3], metrics={"output_tokens_per_s": 90.7})

    html = shown(member, chain)

    assert "SmolLM2-135M-Instruct: pipeline of 5 jobs" in html
    assert f"{reverse('playground')}?deployment={deployment.pk}" in html
    assert reverse("result-detail", args=[result.pk]) in html
    assert "90.7" in text_of(html)
    assert reverse("pipeline-retry", args=[chain]) not in html
    job = member.get(reverse("job-detail", args=[jobs[1].pk])).text
    assert reverse("pipeline", args=[chain]) in job


def test_one_button_retries_from_the_first_failure(member, chain):
    host = make_host()
    first = make_job(kind="prepare", host=host, chain=chain, state="failed")
    second = make_job(kind="prepare", host=host, chain=chain, state="cancelled")
    second.after.add(first)

    html = shown(member, chain)
    answer = member.post(reverse("pipeline-retry", args=[chain]))

    assert f"Retry from #{first.pk} Prepare (2 jobs)" in text_of(html)
    assert answer.url == reverse("pipeline", args=[chain])
    again = list(Job.objects.filter(repeats__in=[first, second]).order_by("pk"))
    assert [job.repeats for job in again] == [first, second]
    assert again[0] in again[1].after.all()
    after = shown(member, chain)
    assert [int(n) for n in re.findall(r'<tr id="job-(\d+)"', after)] == [job.pk for job in again]
    assert reverse("job-detail", args=[first.pk]) in after  # the attempt before
    assert AuditEntry.objects.filter(action="job.repeat").count() == 2


def test_unknown_pipelines_get_no_page(member, chain):
    assert member.get(reverse("pipeline", args=[chain])).status_code == 404
    assert member.post(reverse("pipeline-retry", args=[chain])).status_code == 404
    assert member.get(reverse("pipeline-cancel", args=[chain])).status_code == 404


@pytest.mark.parametrize("state", Job.State.values)
def test_the_page_opens_whatever_the_state_of_a_job(member, chain, state):
    make_chain(chain, evaluate=state)

    assert member.get(reverse("pipeline", args=[chain])).status_code == 200


def test_more_jobs_cost_no_more_questions(member, chain, django_assert_max_num_queries):
    make_chain(chain, deploy="running", benchmark="queued", evaluate="queued")
    member.get(reverse("pipeline", args=[chain]))
    other = uuid.uuid4()
    make_chain(other), make_chain(other)

    with django_assert_max_num_queries(24):
        member.get(reverse("pipeline", args=[other]))


def states_of(jobs):
    rows = Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("pk")
    return [(row.state, row.cancel_asked_at is not None) for row in rows]


@pytest.fixture
def half_done(lin, chain):
    """Two succeeded, one runs, two wait; and a job of no pipeline waits for the last."""
    states = {"deploy": "running", "benchmark": "queued", "evaluate": "queued"}
    jobs = make_chain(chain, by=lin, **states)
    other = make_job(kind="evaluate", host=jobs[0].host)
    Job.objects.filter(pk=jobs[-1].pk).update(product={"type": "artifact"})
    other.after.add(jobs[-1])
    return [*jobs, other]


def test_cancelling_the_rest_asks_first_and_says_how_many(member, chain, half_done):
    address = reverse("pipeline-cancel", args=[chain])
    assert f'href="{address}" data-confirm' in shown(member, chain)

    html = member.get(address).text

    text = text_of(html)
    *_done, running, benchmark, _evaluate, other = half_done
    assert "data-confirm-page" in html
    assert f"3 jobs will be cancelled: #{running.pk} Deploy , #{benchmark.pk} Benchmark" in text
    assert "1 running job loses unwritten work" in text
    assert f"1 dependent job outside the pipeline is cancelled too: #{other.pk}" in text
    assert "Cancel 3 jobs" in text
    assert [state for state, _asked in states_of(half_done[2:5])] == ["running", *["queued"] * 2]


def test_the_rest_is_cancelled_and_what_succeeded_stays(member, chain, half_done):
    answer = member.post(reverse("pipeline-cancel", args=[chain]))

    assert answer.url == reverse("pipeline", args=[chain])
    # The host ends what runs; the last, of no pipeline, waited for one of these.
    states = ("succeeded", "succeeded", "running", "cancelled", "cancelled", "cancelled")
    is_asked = (False, False, True, True, True, False)
    assert states_of(half_done) == [*zip(states, is_asked, strict=True)]
    entries = AuditEntry.objects.filter(action="job.cancel").order_by("subject")
    assert [entry.subject for entry in entries] == [f"job {job.pk}" for job in half_done[2:5]]
    assert {entry.detail["pipeline"] for entry in entries} == {str(chain)}
    html = shown(member, chain)
    assert reverse("pipeline-cancel", args=[chain]) not in html  # all is cancelled, or asked to be


def test_a_retry_waits_for_the_end_of_cancelled_jobs(member, chain, half_done):
    again = reverse("pipeline-retry", args=[chain])
    running = half_done[2]
    member.post(reverse("pipeline-cancel", args=[chain]))

    assert again not in shown(member, chain)
    answer = member.post(again, follow=True)
    message = f"Job {running.pk} is still being cancelled. Retry when it has ended."
    assert message in answer.text
    assert not Job.objects.filter(repeats__isnull=False).exists()

    Job.objects.filter(pk=running.pk).update(state="cancelled", finished_at=running.created_at)

    assert f"Retry from #{running.pk} Deploy (3 jobs)" in text_of(shown(member, chain))


def test_nothing_is_left_to_retry_or_cancel_of_a_pipeline_that_has_succeeded(member, lin, chain):
    make_chain(chain, by=lin)
    again = member.post(reverse("pipeline-retry", args=[chain]), follow=True)
    assert "No job of the pipeline failed or was cancelled." in again.text

    html = shown(member, chain)
    answer = member.post(reverse("pipeline-cancel", args=[chain]), follow=True)

    assert reverse("pipeline-cancel", args=[chain]) not in html
    assert "No job to cancel: all jobs have ended or are being cancelled." in answer.text
    assert not AuditEntry.objects.filter(action="job.cancel").exists()


def test_only_who_may_cancel_each_job_cancels_the_rest(member, chain, half_done):
    address = reverse("pipeline-cancel", args=[chain])
    Job.objects.filter(pk=half_done[3].pk).update(created_by=make_user("ada"))

    assert address not in shown(member, chain)
    assert member.get(address).status_code == member.post(address).status_code == 403
    assert states_of(half_done[2:3]) == [("running", False)]


def test_a_repeating_failure_offers_correction_first(member, chain):
    common = {"chain": chain, "model_id": "deepseek-r1-distill-qwen-1.5b"}
    failed = make_verbatim_failure(**common)
    for kind in ("deploy-build-in", "benchmark"):
        # What waited for it.
        params = {"concurrency": [1, 4]}
        make_job(kind=kind, host=failed.host, state="cancelled", params=params, **common)

    head = shown(member, chain).partition('class="head"')[2].partition("</section>")[0]

    primary = re.search(r'<a class="btn btn-primary" href="([^"]+)">(.*?)</a>', head, re.S)
    address = primary[1].replace("&amp;", "&")
    assert "Preview corrected pipeline" in primary[2]
    assert (
        "/models/deepseek-r1-distill-qwen-1.5b/pipelines/build-in/?host=va16&stack=guide" in address
    )
    assert {"as_in_guide=0", "precision=fp16", "concurrency=1%2C4"} <= set(address.split("&"))
    assert '<button class="btn" type="submit">' in head
    assert member.get(address).status_code == 200


def test_the_head_of_a_pipeline_that_may_pass_names_each_failure_and_a_retry_first(member, chain):
    jobs = make_chain(chain, benchmark="failed", evaluate="lost")
    Job.objects.filter(pk=jobs[3].pk).update(message_id="job:not_taken")

    html = shown(member, chain)

    assert "Preview " not in html
    assert '<button class="btn btn-primary" type="submit">' in html
    head = re.search(r'<p class="sub told">(.*?)</p>', html, re.S)[1]
    assert f"#{jobs[3].pk}" in head and f"#{jobs[4].pk}" in head
