"""Pages about hosts: the list, one host, its troubles, its max concurrent jobs."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now

from dashboard.text.labels import host_state, style_of
from dashboard.text.messages import message
from jobs.models import AuditEntry, Host, Job
from jobs.queries.hosts import missing_dies
from tests.dashboard.lib.host_caller import Caller
from tests.dashboard.lib.page_text import text_of
from tests.factories import (
    host_key,
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_weights,
)

LIST = reverse("host-list")
FACTS = {
    "driver": "00.25.12.30 d3_3_v2_9_a3_1",
    "stacks": ["guide"],
    "compiler": "ai-v3.0.0-20250814",
    "workspace": "/nfs/workspace",
    "mount": "/test",
    "iommu": False,
    "images": ["registry.lan/ai_deliver/vllm_vacc:VVI-26.02"],
    "tools": [{"name": "vamc", "version": "3.4.2", "path": "/opt/vamc"}],
    "disk": {"total_bytes": 8e12, "free_bytes": 3.8e12},
}


def vacc_host(name="va16-01", dies=range(4), **fields):
    """A host with cards."""
    given = {
        "type": Host.Type.VACC,
        "facts": {**FACTS, "dies": [{"id": number} for number in dies], **fields.pop("facts", {})},
        "dies_seen": [str(number) for number in range(4)],
        "facts_at": now(),
        "slots": 8,
    }
    return make_host(name, **{**given, **fields})


def page_of(client, name="va16-01"):
    return client.get(reverse("host-detail", args=[name]))


# The list.


def test_each_die_leads_to_who_holds_it_beside_free_dies_cards_stacks_and_driver(member):
    host = vacc_host(dies=[0, 1, 3], load={"dies": {"1": {"temp_c": 71.4}}})
    deployment = make_deployment(host=host, name="qwen32b")
    Job.objects.filter(pk=deployment.job_id).update(values={"dies": "1"})
    make_job(host=host, state="running", values={"dies": "0"})

    page = member.get(LIST)

    cells = re.findall(r'<a class="die l\d".*?</a>', page.text, re.S)
    (cell,) = [one for one in cells if f'href="/deployments/{deployment.pk}/"' in one]
    assert 'title="1, 71.4 °C, qwen32b (ready)"' in cell
    text = text_of(page)
    assert "1 of 4 dies free" in text
    assert "1 card, 4 dies · stacks: Deployment guide · driver 00.25.12.30" in text


def test_the_first_of_the_queue_says_why_it_waits_and_a_pause_is_no_warning(member):
    host = vacc_host(draining=True)
    first = make_job(host=host)
    make_job(host=host)

    text, page = text_of(member.get(LIST)), page_of(member).text

    assert f"Queue: #{first.pk} Prepare va16-01 is paused" in text
    assert "and 1 more" in text
    assert "New jobs are paused on this host." in page
    assert page.count("note warn") == page.count('id="unloaded"')  # hidden
    assert style_of("draining").css == style_of(host_state(host)).shape == "cancelled"


FULL = {"load_1m": 0.5, "memory_free_bytes": 10**9, "disk_free_bytes": 9 * 10**8}


def test_list_and_page_show_a_full_disk(member):
    vacc_host(load={**FULL, "disk_reserve_bytes": 10**9})

    listed, page = text_of(member.get(LIST)), text_of(page_of(member))

    assert "Disk full: no job can start" in listed
    assert "Disk full: 900 MB left, 1.00 GB must stay free." in page
    assert "900 MB full" in page


def test_a_disk_with_room_shows_its_usage_and_no_warning(member):
    sizes = {"disk_reserve_bytes": 10**8, "spool_bytes": 5 * 10**9, "aside_bytes": 2 * 10**6}
    vacc_host(load={**FULL, **sizes})

    page = text_of(page_of(member))

    assert "Disk full" not in page
    assert "5.00 GB of jobs and servers, 2.00 MB orphaned" in page
    assert "100 MB reserved" in page


def test_what_comes_from_stand_ins_is_stamped_everywhere(member):
    vacc_host(type=Host.Type.SIMULATED)

    for answer in (member.get(LIST), page_of(member), member.get("/jobs/")):
        assert '<span class="stamp sim"' in answer.text


def test_a_host_that_is_not_well_needs_a_look(member):
    vacc_host(dies=[0, 1, 3], load={"dies": {"0": {"temp_c": 91.2}}})

    text = text_of(member.get(LIST))

    assert "1 needs attention, 3 of 4 dies free" in text
    assert "Die 2 missing, die 0 91.2 °C Show solution" in text
    assert "die 2 missing, die 0 91.2 °C" in text_of(member.get("/"))


def test_the_list_asks_as_often_for_many_hosts_with_cards(member, django_assert_max_num_queries):
    for number in range(3):
        host = vacc_host(f"va16-{number}")
        make_job(host=host, state="running", values={"dies": "0"})
        make_deployment(host=host)

    with django_assert_max_num_queries(13):
        member.get(LIST)


# One host.


def test_the_page_shows_what_the_host_is(member):
    vacc_host(load={"dies": {str(n): {"temp_c": 50.0 + n, "power_w": 300.0} for n in range(4)}})

    text = text_of(page_of(member))

    for label in (
        *("00.25.12.30 d3_3_v2_9_a3_1", "ai-v3.0.0-20250814", "off, as required", "4 of 4 free"),
        *("/nfs/workspace in containers /test", "registry.lan/ai_deliver/vllm_vacc:VVI-26.02"),
        *("vamc 3.4.2 /opt/vamc", "Power 1.20 kW", "Hottest die 53.0 °C die 3"),
    ):
        assert label in text


def test_no_die_is_free_where_no_card_works(member):
    vacc_host(facts={"iommu": True})

    assert "0 of 4 free" in text_of(page_of(member))
    assert "0 of 4 dies free" in text_of(member.get(LIST))
    assert text_of(page_of(member)).count("cannot be used") == 4


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"facts": {"iommu": True}}, "IOMMU is on: cards do not work."),
        ({"load": {"unread": {"gettemp": "<b>card</b> 0 71"}}}, "<b>card</b> 0 71"),
        ({"dies": [0, 3]}, "lspci -d:0100 | wc -l"),
        ({"dies": [0, 3]}, "Dies 1, 2 are missing: devices /dev/vaccN have disappeared"),
    ],
)
def test_what_is_wrong_with_a_host_is_named_with_what_to_do(member, fields, words):
    vacc_host(**fields)

    assert words in text_of(page_of(member))


def test_the_queue_gives_each_its_reason(member):
    host = vacc_host(slots=1)
    running = make_job(host=host, state="running")
    waiting = make_job(host=host, title="compile it")
    after = make_job(host=host)
    after.after.add(waiting)

    text = text_of(page_of(member))

    assert f"#{waiting.pk} Prepare compile it" in text
    assert f"is at its job limit; job {running.pk}" in text
    assert f"Queued behind job {waiting.pk}" in text


def test_an_offline_host_shows_no_running_job(member):
    silent = now() - timedelta(minutes=5)
    host = vacc_host(heartbeat_at=silent, facts={"address": "10.0.0.12"})
    make_job(host=host, state="running", seen_at=silent, title="math_500")

    text = text_of(page_of(member))

    here = text[text.index("Last known jobs") :]
    assert "math_500 unknown" in here and "last report" in here
    for words in ("ping -c 3 10.0.0.12", "No heartbeat since", "Its jobs may continue"):
        assert words in text
    Host.objects.update(heartbeat_at=None)
    text = text_of(page_of(member))
    assert "No heartbeat yet." in text and "make a new key" in text


# What an admin changes.


def test_an_admin_lets_more_jobs_run_at_once(admin):
    host = vacc_host(slots=1)
    make_job(host=host, state="running")
    waiting = make_job(host=host)

    for _ in range(2):  # the same number again is no change
        admin.post(reverse("host-slots", args=["va16-01"]), {"slots": " 4 "})

    entry = AuditEntry.objects.get()
    waiting.refresh_from_db()
    assert (Host.objects.get().slots, waiting.state) == (4, "starting")
    assert (entry.action, entry.detail) == ("host.change", {"slots": 4, "before": 1})


@pytest.mark.parametrize("text", ["", "0", "65", "-1", "two", "1.5", "９", "9" * 5000])
def test_an_impossible_number_of_jobs_is_refused_at_its_field(admin, text):
    vacc_host()

    answer = admin.post(reverse("host-slots", args=["va16-01"]), {"slots": text})

    assert answer.status_code == 422
    assert 'aria-describedby="slots-error"' in answer.text
    assert "Enter a whole number from 1 to 64." in text_of(answer)
    assert Host.objects.get().slots == 8


def test_a_pause_is_asked_first_and_comes_back_to_the_list(admin):
    host = vacc_host()
    make_job(host=host)
    address = reverse("host-drain", args=["va16-01"])

    text = text_of(admin.get(address))
    assert "Pause new jobs on va16-01?" in text
    assert "1 queued job waits until you resume." in text
    assert Host.objects.get().draining is False
    answer = admin.post(address, {"draining": "1", "from": "list"})

    assert answer.headers["Location"] == LIST
    assert Host.objects.get().draining is True
    assert AuditEntry.objects.get().subject == "host va16-01"


# Dies that were there.


@pytest.fixture
def caller():
    make_host("va16-01", type=Host.Type.VACC, facts={})
    return Caller(Host.objects.get())


def dies(*numbers):
    return {"facts": {"dies": [{"id": number} for number in numbers]}}


def test_a_die_that_was_reported_once_is_missed_when_it_goes(caller):
    caller.beat(**dies(0, 1, 10, 2))
    caller.beat(**dies(0, 2))
    caller.beat()

    host = Host.objects.get()
    assert host.dies_seen == ["0", "1", "2", "10"]
    assert missing_dies(host) == ["1", "10"]

    caller.beat(**dies(0, 1, 2, 10))
    assert missing_dies(Host.objects.get()) == []


def test_a_removed_card_is_forgotten_on_request(caller, admin):
    caller.beat(**dies(0, 1))
    caller.beat(**dies(0))
    assert "Remove from list" in text_of(page_of(admin))

    admin.post(reverse("host-forget-dies", args=["va16-01"]))

    entry = AuditEntry.objects.get()
    assert missing_dies(Host.objects.get()) == []
    assert entry.detail == {"forgot_dies": ["1"]}
    assert host_key("va16-01") not in page_of(admin).text


def test_jobs_start_as_soon_as_a_full_disk_has_room_again(caller, monkeypatch):
    job = make_job(host=caller.host)
    caller.beat(load={**FULL, "disk_reserve_bytes": 10**9})
    assert Job.objects.get(pk=job.pk).state == "queued"

    caller.beat(load={**FULL, "disk_reserve_bytes": 10**8})

    assert Job.objects.get(pk=job.pk).state == "starting"


def test_a_long_name_breaks_before_its_label_on_a_phone(member):
    host = vacc_host()
    make_artifact(host=host)
    make_weights(host=host)

    page = page_of(member).text

    (table,) = re.findall(r'<table class="t dense ondisk">.*?</table>', page, re.S)
    rows = re.findall(r"<tr><td([^>]*)>.*?</td><td([^>]*)>", table)
    assert rows == [("", ' class="sub nw"')] * 2


# The page on which an administrator says that a host does not come back.


MARK_LOST = reverse("host-mark-lost", args=["far"])


@pytest.fixture
def job():
    return make_job(
        state="running", host=make_host("far", heartbeat_at=now() - timedelta(minutes=5))
    )


def test_its_jobs_are_lost_after_a_question_and_the_audit_has_the_user(admin, job):
    shown = admin.get(MARK_LOST).text
    assert reverse("job-detail", args=[job.pk]) in shown
    assert "Mark host far as lost?" in shown
    job.refresh_from_db()
    assert job.state == "running"

    admin.post(MARK_LOST)

    job.refresh_from_db()
    entry = AuditEntry.objects.get()
    assert job.state == "lost"
    assert (entry.user.username, entry.action) == ("ada", "host.mark_lost")
    assert (entry.subject, entry.detail) == ("host far", {"lost": 1})


def test_a_host_that_answers_again_keeps_its_jobs(admin, job):
    job.host.heartbeat_at = now()
    job.host.save()

    assert "danger" not in admin.get(MARK_LOST).text
    shown = admin.post(MARK_LOST, follow=True).text

    job.refresh_from_db()
    assert job.state == "running"
    assert "Not marked as lost" in shown
    assert not AuditEntry.objects.exists()


# People read "This computer"; its name is for addresses, commands and the API.


def test_it_is_named_in_the_viewers_language(member):
    make_job(host=make_host("this-computer"))
    member.cookies["django_language"] = "zh-hans"
    args = {"host": "this-computer"}

    assert "本机" in member.get(reverse("job-list")).text
    with translation.override("en"):
        assert message("job:running", args) == "Running on This computer."
        assert message("job:running", {"host": "va16-01"}) == "Running on va16-01."
    with translation.override("zh-hans"):
        assert "本机" in message("job:running", args)
