"""Launch rights of a host: its page, the form for it, and forms that launch there."""

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import AuditEntry, Host, Job
from jobs.schedule.launch_rights import launcher_names, restrict
from tests.dashboard.lib.caller import Caller
from tests.factories import make_deployment, make_host, make_job, make_user


@pytest.fixture
def eve(db):
    browser = Client()
    browser.force_login(make_user("eve"))
    return browser


@pytest.fixture
def lin():
    return make_user("lin")


@pytest.fixture
def host(lin):
    made = make_host("far", slots=8)
    restrict(made.pk, [lin])
    return made


def names():
    return launcher_names(Host.objects.get(name="far"))


def test_an_admin_lists_people_and_opens_the_host_again(admin, lin):
    address = reverse("host-launchers", args=[make_host("far").name])

    for _ in range(2):  # the same list again is no change
        assert admin.post(address, {"people": ["lin"]}).status_code == 302
        assert names() == ["lin"]
    assert admin.post(address, {"everyone": "on"}).status_code == 302
    assert names() is None
    entries = AuditEntry.objects.order_by("pk").values_list("action", "subject", "detail")
    assert list(entries) == [
        ("host.launchers", "host far", {"did": "restrict", "people": ["lin"]}),
        ("host.launchers", "host far", {"did": "open", "people": None}),
    ]


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"people": ["nobody"]}, "No person is named “nobody”."),
        ({"everyone": "on", "people": ["lin"]}, "People are ticked: choose “Only these people”"),
    ],
)
def test_a_wrong_list_is_refused_at_the_field(admin, host, typed, text):
    answer = admin.post(reverse("host-launchers", args=["far"]), typed)

    assert answer.status_code == 422
    assert text in answer.text
    assert names() == ["lin"]


def test_the_form_offers_members_and_those_who_are_listed(admin, host):
    make_user("vera", role="viewer")
    restrict(host.pk, [make_user("gone", is_active=False)])

    page = admin.get(reverse("host-launchers", args=["far"])).text

    offered = [name for name in ("lin", "gone", "vera", "ada") if f'value="{name}"' in page]
    assert offered == ["lin", "gone"]


def test_the_hosts_page_says_who_may_launch(admin, eve, host):
    address, form = reverse("host-detail", args=["far"]), reverse("host-launchers", args=["far"])
    viewer = Client()
    viewer.force_login(make_user(role="viewer"))

    of_admin, of_member = admin.get(address).text, eve.get(address).text

    assert "lin, administrators" in of_admin and form in of_admin
    assert "You may not launch on this host." in of_member and form not in of_member
    assert "You may not launch" not in viewer.get(address).text  # nor on any other


def test_the_launch_form_does_not_offer_a_closed_host_and_says_why(eve, host):
    make_host("near")
    form = reverse("launch-form", args=["prepare"])

    page = eve.get(form).text
    asked = eve.get(form, {"host": "far", "what": "weights"}).text

    assert 'value="near" selected' in page
    assert 'value="far" disabled>far · you may not launch here<' in page
    assert 'id="e-host">You may not launch on far.' in asked
    assert "data-launch aria-describedby" in asked
    assert "disabled" in asked.partition("data-launch aria")[2][:80]


def test_a_launch_by_form_and_by_api_is_refused_at_the_field(eve, host):
    answer = eve.post(reverse("launch-form", args=["prepare"]), {"host": "far", "what": "weights"})
    assert answer.status_code == 422
    assert "You may not launch on far." in answer.text

    caller = Caller(make_user("robot"))
    asked = {"kind": "prepare", "host": "far", "params": {"what": "weights"}}
    for path in ("jobs", "jobs/preview"):
        refused = caller.post(path, asked)
        assert (refused.status_code, list(refused.json()["fields"])) == (422, ["host"])
    assert not Job.objects.exists()


def test_a_retry_and_a_restart_on_a_closed_host_say_why(eve, host):
    job = make_job(host=host, kind="prepare", state="failed", params={"what": "weights"})
    server = make_deployment(
        job=make_job(host=host, kind="deploy", state="succeeded"),
        state="stopped",
        created_by_id=int(eve.session["_auth_user_id"]),
    )

    for address in (
        reverse("job-retry", args=[job.pk]),
        reverse("deployment-restart", args=[server.pk]),
    ):
        assert "You may not launch on far." in eve.post(address, follow=True).text


def test_the_api_names_who_may_launch(host):
    caller = Caller(make_user())
    make_host("near")

    rows = caller.get("hosts").json()["hosts"]

    assert {row["name"]: row["launchers"] for row in rows} == {"far": ["lin"], "near": None}
    assert caller.get("hosts/far").json()["launchers"] == ["lin"]
