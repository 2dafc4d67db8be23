"""Incomplete runs are not counted; other work on the host disturbs a benchmark and is named."""

import re

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.metrics.measured import Measurement, Outcome
from jobs.models import Conversation, Job, Result, Turn
from jobs.queries.jobs.durations import durations
from jobs.queries.results.repeats import repeats_of
from tests.comparing import text_of
from tests.dashboard.lib.host_caller import end, ended, taken_job
from tests.dashboard.lib.points import SOME_FAILED
from tests.factories import make_job, make_measured, make_user
from tests.measuring import make_measuring_host, measured, served


def benchmark(failed, total=200):
    done = Message("benchmark:done", {"output_tokens_per_s": 13.0, "concurrency": 2})
    metrics = {
        **{"output_tokens_per_s": 13.0},
        **{"requests": float(total - failed), "failed_requests": float(failed)},
    }
    measurement = Measurement("benchmark", "everyday", "evalscope 1.14.1", metrics, [(2, metrics)])
    return Outcome(message=done, measured=measurement)


def evaluation(unscored, total=142):
    done = Message("evaluate:done", {"accuracy": 50.0, "questions": total - unscored})
    metrics = {"accuracy": 0.5, "questions": float(total - unscored)}
    remarks = [Message("evaluate:unscored", {"unscored": unscored, "total": total})]
    measurement = Measurement("evaluation", "basics (142)", "evalscope", metrics, remarks=remarks)
    return Outcome(message=done, measured=measurement)


@pytest.mark.parametrize(
    ("outcome", "state", "message"),
    [
        (benchmark(180), "failed", "benchmark:mostly_failed"),
        (benchmark(100), "failed", "benchmark:mostly_failed"),
        (evaluation(122), "failed", "evaluate:mostly_unscored"),
        (benchmark(0), "succeeded", "benchmark:done"),
    ],
)
def test_a_run_of_which_half_or_more_failed_is_a_failure(caller, kind, outcome, state, message):
    kind.outcome = outcome
    job = taken_job(caller)

    end(caller, job, ended())

    assert (job.state, job.message_id) == (state, message)
    assert job.message_args.get("failed") in (180, 100, 122, None)
    assert [one.incomplete for one in Result.objects.all()] == [False] * (state == "succeeded")


@pytest.mark.parametrize(
    ("outcome", "flag"),
    [
        (benchmark(1), "1 of 200 requests failed"),
        (evaluation(70), "70 of 142 questions were not scored"),
    ],
)
def test_a_partly_failed_run_is_flagged_everywhere(caller, kind, admin_client, outcome, flag):
    kind.outcome, kind.title = outcome, "Fake"
    job = taken_job(caller)

    end(caller, job, ended())

    Job.objects.update(kind="benchmark", params={"deployment": "1"})
    job.refresh_from_db()
    result = Result.objects.get(job=job)
    assert (job.state, result.incomplete) == ("succeeded", True)
    for address in (reverse("result-list"), reverse("overview")):
        assert f'title="{flag}."' in admin_client.get(address).text, address
    for name, one in (("job-detail", job), ("result-detail", result)):
        text = text_of(admin_client.get(reverse(name, args=[one.pk])).text)
        assert "Incomplete: " in text and f"{flag}." in text, name


def test_an_evaluation_shows_requested_and_measured_tokens(caller, kind, admin_client, monkeypatch):
    answers = [
        {
            **{"subset": "en", "question": f"{n}?", "expected": "1", "answer": "1", "score": 1.0},
            "detail": {"input_tokens": 30, "output_tokens": n},
        }
        for n in (10, 20)
    ]
    metrics = {"accuracy": 1.0, "questions": 2.0}
    measurement = Measurement("evaluation", "basics (2)", "evalscope", metrics, answers=answers)
    kind.outcome, kind.Params = Outcome(measured=measurement), KINDS["evaluate"].Params
    kind.answer_limit = KINDS["evaluate"].answer_limit
    monkeypatch.setitem(KINDS, "evaluate", kind)
    job = taken_job(caller, params={"deployment": "1", "max_tokens": 48})
    Job.objects.filter(pk=job.pk).update(kind="evaluate")

    end(caller, job, ended())

    answer = admin_client.get(reverse("api-result", args=[job.result.pk])).json()
    assert answer["asked"] == {"output_tokens": 48}
    assert answer["measured"] == {"input_tokens": 30.0, "output_tokens": 15.0}
    assert answer["concurrent_load"] == {
        **{"jobs": [], "deployments": [], "chats": 0},
        "keys": [],
    }


def test_list_api_and_export_mark_an_incomplete_run(admin_client):
    deployment = served(make_measuring_host())
    whole, lacking = measured(deployment), measured(deployment)
    Result.objects.filter(pk=lacking.pk).update(incomplete=True)
    assert list(repeats_of(whole)) == []

    answer = admin_client.get(reverse("api-result", args=[whole.pk])).json()
    assert (answer["repeats"], answer["incomplete_repeats"]) == ([], [f"res-{lacking.pk}"])
    assert admin_client.get(reverse("api-result", args=[lacking.pk])).json()["incomplete"] is True
    exported = admin_client.get(reverse("result-file", args=[lacking.pk, "json"])).json()
    assert exported["incomplete"] is True
    rows = admin_client.get(reverse("result-list"), {"stamp": "incomplete"}).context["page"].results
    assert [row.pk for row in rows] == [lacking.pk]


def test_an_incomplete_run_is_not_used_for_forecasts():
    job = make_job(state=Job.State.SUCCEEDED, kind="benchmark", duration_s=5.0)
    make_measured(job=job, incomplete=True)
    draft = Job(kind="benchmark", title=job.title, host=job.host, params={})

    assert durations(draft, job.host) is None


@pytest.fixture
def server():
    return served(make_measuring_host())


def test_a_chat_with_the_deployment_disturbs_the_run(admin_client, server):
    quiet = measured(server)
    html = admin_client.get(reverse("result-detail", args=[quiet.pk])).text
    assert (quiet.disturbed, "Other programs are unknown." in html) == (False, True)
    for _ in range(2):
        chat = Conversation.objects.create(user=make_user())
        asked = {"index": 0, "deployment": server, "prompt": "?", "created_at": now()}
        Turn.objects.create(conversation=chat, **asked)

    result = measured(server)

    assert result.disturbed
    assert result.run_context["concurrent_load"]["chats"] == 2
    html = admin_client.get(reverse("result-detail", args=[result.pk])).text
    assert "chat answers: 2" in html
    assert ">disturbed</span>" in html
    assert ">no other jobs</span>" not in html


def test_a_loaded_host_and_other_work_have_one_stamp_each(admin_client, server, monkeypatch):
    disturbed = measured(server)
    Result.objects.filter(pk=disturbed.pk).update(
        disturbed=True,
        remarks=[
            {"id": "result:beside_jobs", "args": {"jobs": "#7"}},
            {"id": "result:beside_deployments", "args": {"names": "r1"}},
        ],
    )
    load = {"load_1m": {"samples": 3, "mean": 200.0, "min": 1.0, "max": 300.0}}
    monkeypatch.setattr("jobs.services.outcomes.stored_results.load_summary", lambda _kept: load)
    loaded = measured(server)

    rows = admin_client.get(reverse("result-list")).text

    assert loaded.remarks[-1]["id"] == "result:host_loaded"
    assert not loaded.counts
    assert ">loaded host</span>" in rows
    stamps = re.findall(r'<span class="stamp dist" title="([^"]*)">disturbed</span>', rows)
    assert len(stamps) == 2  # of a phone and of a wider screen
    assert all("#7" in stamp and "r1" in stamp for stamp in stamps)


# Requests of one concurrency and of all concurrencies are separate numbers.


def test_samples_and_times_in_the_list_are_of_one_point(admin_client):
    result = make_measured(**SOME_FAILED)

    html = admin_client.get(reverse("result-list")).text
    answer = admin_client.get(reverse("api-result", args=[result.pk])).json()

    assert '<td class="r sub"><span class="num">12</span></td>' in html
    assert (answer["metrics"]["requests"], answer["metrics"]["failed_requests"]) == (12, 0)
    assert answer["totals"] == {"requests": 34, "failed_requests": 2}
    assert not [name for name in answer["metrics"] if name.endswith("_all")]
