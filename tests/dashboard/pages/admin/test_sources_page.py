"""Page of permitted sources: everyone sees them, administrators change them."""

import html

import pytest
from django.urls import reverse

from jobs.models import AuditEntry, Source
from tests.factories import make_host, make_job, permit_source

LIST, ADD = reverse("source-list"), reverse("source-add")
GIT = {"type": "git", "address": "https://git.example/team", "note": "ours"}


def remove(row):
    return reverse("source-remove", args=[row.pk])


def table(page, title):
    return page.partition(f'id="{title}"')[2].partition("</tbody>")[0]


def test_an_administrator_adds_and_removes_a_source_and_the_record_says_so(admin):
    page = admin.post(ADD, GIT, follow=True).text
    row = Source.objects.get()

    listed = table(page, "listed-title")
    assert f"{GIT['address']} added." in page
    for word in ("git repository", GIT["address"], "ours", "ada", remove(row)):
        assert word in listed
    page = admin.post(remove(row), follow=True).text
    assert f"{GIT['address']} removed." in page
    assert not Source.objects.exists()
    added, removed = AuditEntry.objects.order_by("pk")
    about = {"source_type": "git", "address": GIT["address"], "note": "ours"}
    assert (added.action, added.subject) == ("source.manage", f"source {row.pk}")
    assert (added.detail, removed.detail) == ({"did": "add", **about}, {"did": "delete", **about})
    shown = admin.get(reverse("audit")).text
    for words in ("Source added", "Source removed", "git repository", GIT["address"]):
        assert words in shown


def test_a_member_sees_what_is_permitted_and_is_offered_no_change(member):
    empty = member.get(LIST).text
    row = permit_source(GIT["address"])
    page = member.get(LIST).text

    assert GIT["address"] in page and "Ask an administrator to add a source." in page
    assert ADD not in page and remove(row) not in page
    assert "No sources added yet: only the included ones are permitted." in empty
    assert "Addresses of past jobs are not taken over." in empty
    included = table(empty, "included-title")
    for address in ("https://github.com/vllm-project/vllm.git", "https://hf-mirror.com"):
        assert address in included
    assert "ai_deliver/vllm_vacc:VVI-26.02" in included and "Deployment guide" in included


def test_an_address_fills_the_form(admin):
    page = admin.get(LIST, {"type": "git", "address": '"><b>'}).text

    assert 'value="git" checked' in page
    assert 'value="&quot;&gt;&lt;b&gt;"' in page


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"type": ""}, "type", "Choose the type."),
        ({"address": ""}, "address", "Enter a web address such as https://git.example/team"),
        ({"address": "https://github.com/vllm-project/vllm"}, "address", "permitted already"),
        ({"note": "a" * 201}, "note", "at most 200 characters"),
        ({"type": "endpoint", "address": "http://2130706433"}, "address", "as four numbers"),
    ],
)
def test_an_error_is_at_its_field_and_what_was_typed_stays(admin, change, field, message):
    typed = {**GIT, **change}

    answer = admin.post(ADD, typed)

    page = html.unescape(answer.text)
    assert answer.status_code == 422
    assert message in page.partition(f'id="{field}-hint"')[2].partition("</div>")[0]
    assert f'value="{typed["address"]}"' in page
    assert not Source.objects.exists()


def test_a_removal_names_the_jobs_that_it_stops(admin):
    row = permit_source(GIT["address"])
    params = {"stack": "guide", "repository": f"{GIT['address']}/vllm"}
    job = make_job(host=make_host("va16-01"), kind="build-images", params=params)

    page = admin.get(remove(row)).text

    assert "These queued jobs need it and would fail:" in page
    assert reverse("job-detail", args=[job.pk]) in page
    assert admin.get(reverse("source-remove", args=[row.pk + 1])).status_code == 404


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:8000", "loopback"),
        ("http://localhost:8000", "loopback"),
        ("http://169.254.169.254", "cloud metadata"),
        ("http://[fe80::1]:8000", "link-local"),
    ],
)
def test_a_special_address_has_a_warning_when_added_and_in_the_list(admin, address, words):
    page = admin.post(ADD, {"type": "endpoint", "address": address}, follow=True).text

    assert f"{address} added. It is {words}" in html.unescape(page).replace("a cloud", "cloud")
    assert words in table(page, "listed-title")
