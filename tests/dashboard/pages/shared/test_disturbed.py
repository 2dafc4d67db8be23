"""Other work on the host disturbs a benchmark and is named."""

import re

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import Conversation, Result, Turn
from tests.factories import make_user
from tests.measuring import make_measuring_host, measured, served

pytestmark = pytest.mark.django_db


@pytest.fixture
def server():
    return served(make_measuring_host())


def test_a_chat_with_the_deployment_disturbs_the_run(admin_client, server):
    for _ in range(2):
        Turn.objects.create(
            conversation=Conversation.objects.create(user=make_user()),
            index=0,
            deployment=server,
            prompt="?",
            created_at=now(),
        )

    result = measured(server)

    assert result.disturbed
    assert result.run_context["concurrent_load"]["chats"] == 2
    html = admin_client.get(reverse("result-detail", args=[result.pk])).content.decode()
    assert "chat answers: 2" in html
    assert ">disturbed</span>" in html
    assert ">no other jobs</span>" not in html


def test_an_undisturbed_run_names_only_this_dashboard(admin_client, server):
    result = measured(server)

    assert not result.disturbed
    html = admin_client.get(reverse("result-detail", args=[result.pk])).content.decode()
    assert "Other programs are unknown." in html


def test_a_loaded_host_is_stamped_though_no_other_job_ran(admin_client, server, monkeypatch):
    load = {"load_1m": {"samples": 3, "mean": 200.0, "min": 1.0, "max": 300.0}}
    monkeypatch.setattr("jobs.services.outcomes.run_context.load_summary", lambda _kept: load)

    measured(server)

    assert Result.objects.get().remarks[-1]["id"] == "result:host_loaded"
    assert not Result.objects.get().counts
    html = admin_client.get(reverse("result-list")).content.decode()
    assert ">loaded host</span>" in html


def test_a_disturbed_result_has_one_flag(admin_client, server):
    Result.objects.filter(pk=measured(server).pk).update(
        remarks=[
            {"id": "result:beside_jobs", "args": {"jobs": "#7"}},
            {"id": "result:beside_deployments", "args": {"names": "r1"}},
        ]
    )

    rows = admin_client.get(reverse("result-list")).content.decode()

    stamps = re.findall(r'<span class="stamp dist" title="([^"]*)">disturbed</span>', rows)
    assert len(stamps) == 2  # of a phone and of a wider screen
    assert all("#7" in stamp and "r1" in stamp for stamp in stamps)
