"""The frame and its pages: login, overview, list of jobs, hosts, people."""

import re
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from dashboard.pages.home import TOUR_INSTALLS_S, TOUR_MINUTES, tour_steps
from jobs.models import Account, AuditEntry, Host, Job
from tests.factories import (
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_result,
    make_user,
)


def text_of(response):
    """The page's text, spaces made one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text))


def title_of(response):
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", response.text, re.S)
    return heading[1].strip() if heading else ""


# Logging in.


def test_a_login_lasts_as_long_as_was_asked_and_goes_on_to_where_one_came_from(client):
    make_user("lin", password="right-one-1")
    data = {"username": "lin", "password": "right-one-1", "next": "/jobs/?state=open"}

    wrong = client.post(reverse("login"), data | {"password": "wrong"})
    assert "Wrong name or password." in wrong.text
    assert 'aria-describedby="login-error"' in wrong.text

    assert client.post(reverse("login"), data).url == "/jobs/?state=open"
    assert client.session.get_expire_at_browser_close()
    stays = Client()
    stays.post(reverse("login"), data | {"stay": "on"})
    assert not stays.session.get_expire_at_browser_close()
    assert stays.session.get_expiry_age() == 14 * 86400


def test_script_texts_and_the_language_switch_need_no_login(client):
    assert client.get(reverse("jsi18n")).status_code == 200

    answer = client.post(reverse("set_language"), {"language": "zh-hans", "next": "/login/"})

    assert answer.url == "/login/"
    assert 'lang="zh-Hans"' in client.get("/login/").text


def test_times_are_in_the_zone_of_the_viewers_browser(member):
    make_job(created_at=now() - timedelta(days=400))
    member.cookies["tz"] = "Asia/Shanghai"
    assert "UTC+08:00" in member.get(reverse("job-list")).text

    member.cookies["tz"] = "../../etc/passwd"
    assert "UTC+00:00" in member.get(reverse("job-list")).text


# The frame.


def links_in(html, begin, end):
    """Addresses of the links between two marks of a page, in order."""
    return re.findall(r'<a href="([^"]*)"', html[html.index(begin) :].partition(end)[0])


def test_the_rail_has_six_areas_for_everyone_and_the_menu_what_concerns_a_role(client):
    menus = {}
    for role in ("viewer", "member", "admin"):
        client.force_login(make_user(role=role))

        rail = links_in(client.get(reverse("frame")).text, '<nav id="areas"', "</nav>")
        menu = links_in(client.get(reverse("job-list")).text, 'class="who"', "</details>")

        assert rail == ["/", "/models/", "/jobs/", "/results/", "/playground/", "/hosts/"]
        menus[role] = set(menu)

    own = {"/account/password/", "/account/tokens/", "/client/", "/gateway/"}
    assert menus["viewer"] == menus["member"] == own | {"/levels/", "/prompts/", "/sources/"}
    assert menus["admin"] - menus["member"] == {"/people/", "/secrets/", "/storage/", "/audit/"}


def test_a_page_of_an_area_links_the_others_and_marks_itself(member):
    html = member.get(reverse("result-fleet")).text

    pages = ["/results/", "/results/fleet/", "/results/tradeoff/", "/parity/", "/matrices/"]
    assert links_in(html, '<nav class="subs"', "</nav>") == pages
    assert '<a href="/results/fleet/" aria-current="page">By model</a>' in html
    assert re.search(r'<a href="/results/" aria-current="page"><svg', html)  # the area in the rail
    assert 'class="subs"' not in member.get(reverse("job-list")).text  # an area of one page


def test_a_page_belongs_to_an_area(member):
    make_host("this-computer")

    for address, area in (
        ("/deployments/", "models"),
        ("/questions/", "models"),
        ("/parity/", "results"),
        ("/launch/prepare/", "jobs"),
        ("/playground/", "playground"),
        ("/levels/", ""),
    ):
        rail = member.get(address).text.partition('<nav id="areas"')[2].partition("</nav>")[0]
        marked = re.findall(r'href="/(\w*)/" aria-current="page"', rail)
        assert marked == [area] * bool(area), address


def test_the_rail_counts_what_is_open_and_who_is_away(member):
    host = make_host(heartbeat_at=now() - timedelta(minutes=5))
    make_job(host=host)
    make_job(host=host, state="succeeded")

    html = member.get(reverse("frame"), {"of": "jobs"}).text

    assert re.search(r'aria-current="page">.*?Jobs<span class="n num">1</span>', html, re.S)
    assert 'title="1 host is offline">1 !</span>' in html
    assert "no hosts with cards" in html


def test_the_rail_counts_a_host_that_needs_attention(member):
    make_host(heartbeat_at=now() - timedelta(minutes=5))
    make_host("hot", facts={"dies": ["0"], "iommu": True}, heartbeat_at=now())
    make_host("well", facts={"dies": ["0"]}, heartbeat_at=now())

    html = member.get(reverse("frame")).text

    assert 'title="1 host is offline, 1 needs attention">2 !</span>' in html


def test_the_rail_shows_the_dies_in_use_of_jobs_and_servers(member):
    host = make_host("h", facts={"dies": ["0", "1", "2", "3"]}, heartbeat_at=now())
    make_job(host=host, state="running", values={"dies": "0,1"})
    served = make_job(host=host, state="succeeded", values={"dies": "2"})
    make_deployment(host=host, job=served)
    make_job(host=host, state="failed", values={"dies": "3"})

    rail = member.get("/frame/").text
    assert '<span class="num dim fleet-n">3/4</span>' in rail
    assert rail.count('class="a"') == 3


def test_a_page_that_is_not_there_or_not_for_one_says_so(member):
    for address, status, title in (
        ("/nowhere/", 404, "Page not found"),
        ("/hosts/nobody/", 404, "Page not found"),
        ("/people/", 403, "Your role does not allow this"),
    ):
        response = member.get(address)
        assert (response.status_code, title_of(response)) == (status, title)


def test_a_broken_page_shows_nothing_of_the_inside(client, settings):
    settings.DEBUG = False
    client.raise_request_exception = False
    client.force_login(make_user())
    Host.objects.create(name="odd", facts=[], key_sha256="x")  # no object: the page cannot be made

    response = client.get(reverse("host-detail", args=["odd"]))

    assert response.status_code == 500
    assert title_of(response) == "Internal error"


# The overview.


def test_the_first_page_offers_the_tour_with_sizes_and_times(member):
    make_host(
        "this-computer", facts={"cpu": {"cores": 2, "model": "x"}, "roots": {"weights": "/w"}}
    )

    response = member.get(reverse("overview"))

    assert title_of(response) == "No jobs yet"
    assert "Latest results" not in response.text  # nothing is empty beside the tour
    assert response.text.count('class="no num"') == 5
    assert "92.9 MB" in text_of(response)
    assert f'action="{reverse("tour-start")}"' in response.text


def test_a_person_without_jobs_is_offered_what_answers(member):
    host = make_host("va16", type="vacc")
    make_deployment(name="served-here", host=host)
    make_artifact(host=host, model_id="deepseek-r1-distill-qwen-7b")

    response = member.get(reverse("overview"))

    text = text_of(response)
    assert "Chat with served-here va16" in text
    assert "Measure served-here" in text
    assert "Deploy DeepSeek-R1-Distill-Qwen-7B va16" in text
    make_job(created_by=User.objects.get(username="lin"))
    assert "Start here" not in text_of(member.get(reverse("overview")))


def test_the_offers_open_filled_in(member):
    host = make_host("va16", type="vacc", facts={"dies": [{"id": 0}]})
    served = make_deployment(host=host, model_id="deepseek-r1-distill-qwen-1.5b")
    make_artifact(host=host, model_id=served.model_id)  # of a model that runs
    artifact = make_artifact(host=host, model_id="deepseek-r1-distill-qwen-7b")

    html = member.get(reverse("overview")).text

    start = html.partition('id="start-title"')[2].partition("</section>")[0]
    assert re.findall(r'<a class="q" href="([^"]+)"', start) == [
        f"/playground/?deployment={served.pk}",
        f"/launch/benchmark/?deployment={served.pk}&amp;host=va16",
        f"/launch/deploy-build-in/?host=va16&amp;artifact={artifact.pk}",
    ]


def test_a_viewer_is_offered_the_chat_alone(client):
    make_deployment(name="served-here")
    client.force_login(make_user(role="viewer"))

    text = text_of(client.get(reverse("overview")))

    assert "Chat with served-here" in text
    assert "Measure" not in text


def test_page_and_readme_name_the_same_tour_duration(member):
    least, most = TOUR_MINUTES
    readme = (Path(settings.BASE_DIR) / "README.md").read_text()
    about = sum(step["seconds"] for step in tour_steps()) + TOUR_INSTALLS_S

    assert f"{least} to {most} min on two cores" in text_of(member.get(reverse("overview")))
    assert f"{least} to {most} minutes on two cores" in " ".join(readme.split())
    assert least * 60 <= about <= most * 60


def test_the_tour_waits_until_this_computer_has_reported(member):
    make_host("this-computer", facts={})

    html = member.get(reverse("overview")).text

    assert re.search(r'<button class="btn btn-primary" type="submit" disabled', html)
    assert "Waiting for the first report of this computer" in html


def test_the_tour_without_a_host_says_so(member):
    response = member.post(reverse("tour-start"), follow=True)

    assert "This computer is not a host." in text_of(response)


def test_the_tours_button_launches_a_chain_on_this_computer(member, monkeypatch):
    host = make_host("this-computer")
    job = make_job(host=host)
    asked = []
    monkeypatch.setattr("jobs.launch.launch.launch_tour", lambda *args: asked.append(args) or [job])

    assert member.post(reverse("tour-start")).url == reverse("overview")
    assert [(to, user.username) for to, user in asked] == [(host, "lin")]
    entry = AuditEntry.objects.get()
    assert (entry.user.username, entry.action) == ("lin", "job.launch")
    assert entry.subject == f"job {job.pk}"


def test_the_title_says_what_happens(member):
    host = make_host()
    make_job(host=host, state="running", started_at=now())
    make_job(host=host)
    make_job(host=host)
    make_job(host=host, state="failed")

    response = member.get(reverse("overview"))

    assert title_of(response) == "1 failed today"
    assert "1 job running, 2 queued" in text_of(response)
    assert title_of(member.get(reverse("job-list"))) == title_of(response)
    assert "1 job running, 2 queued" in text_of(member.get(reverse("job-list")))
    Job.objects.filter(state="failed").update(finished_at=now() - timedelta(days=2))
    assert title_of(member.get(reverse("overview"))) == "1 job running, 2 queued"


def test_the_title_begins_with_hosts_that_need_attention(member):
    for beat in (now() - timedelta(days=1), now() - timedelta(days=1), now()):
        make_job(host=make_host(heartbeat_at=beat), state="running", started_at=now())

    overview = member.get(reverse("overview"))

    assert title_of(overview) == "2 hosts need attention"
    assert "1 job running, 2 on offline hosts" in text_of(overview)
    assert title_of(member.get(reverse("job-list"))) == "1 job running, 2 on offline hosts"


def test_mine_shows_only_what_i_launched(member):
    make_job(title="theirs", state="running", started_at=now(), created_by=make_user("chen.hao"))

    assert "theirs" in text_of(member.get(reverse("overview")))
    assert "theirs" not in text_of(member.get(reverse("overview"), {"whose": "mine"}))


def test_a_result_stands_beside_the_runs_before_it(member):
    host = make_host()
    for rate in (70.0, 75.4):
        job = make_job(host=host, kind="benchmark", state="succeeded")
        metrics = {"output_tokens_per_s": rate, "ttft_p50_ms": 174.0}
        result = make_result(job=job, metrics=metrics, fingerprint="the same")
        result.points.create(index=0, concurrency=4, metrics=metrics)

    html = member.get(reverse("overview")).text

    assert html.count('class="spark') == 1  # the first run has none before it


def test_the_overview_asks_for_hosts_as_often_with_many(member, django_assert_max_num_queries):
    for _ in range(3):
        make_host()
    mine = {"created_by": User.objects.get(username="lin"), "created_at": now() - timedelta(days=3)}
    make_job(host=Host.objects.first(), state="succeeded", **mine)

    with django_assert_max_num_queries(20):
        member.get(reverse("overview"))


# The list of jobs.


def test_filters_are_in_the_address_and_narrow_the_list(member):
    here, there = make_host("here"), make_host("there")
    chen = make_user("chen.hao")
    first = make_job(host=here, kind="compile", title="alpha", state="failed", created_by=chen)
    second = make_job(host=there, kind="deploy", title="beta", state="running")

    def numbers(**query):
        html = member.get(reverse("job-list"), query).text
        return [int(number) for number in re.findall(r'<tr id="job-(\d+)"', html)]

    assert numbers() == [second.pk, first.pk]
    assert numbers(state="failed") == numbers(state="failed_or_lost") == [first.pk]
    assert numbers(state="open") == [second.pk]
    assert numbers(kind="deploy") == numbers(host="there") == [second.pk]
    assert numbers(person="chen.hao") == [first.pk]
    assert numbers(q="ALPHA") == numbers(q=f"#{first.pk}") == numbers(q="alpha here") == [first.pk]
    assert numbers(q="alpha there") == []


def test_an_empty_list_offers_the_next_step(member):
    assert "Take the tour" in text_of(member.get(reverse("job-list")))
    make_job()

    response = member.get(reverse("job-list"), {"state": "lost"})

    assert title_of(response) == "0 jobs match"
    assert "View all" in text_of(response)


def test_the_list_asks_the_database_as_often_for_many_jobs(member, django_assert_max_num_queries):
    host = make_host()
    for _ in range(3):
        make_job(host=host, state="running", started_at=now(), created_by=make_user())

    with django_assert_max_num_queries(13):
        member.get(reverse("job-list"))


# Hosts.


def test_a_host_page_shows_what_it_is_and_what_runs_there(member):
    host = make_host("this-computer", facts={"cpu": {"cores": 2, "model": "Xeon"}, "dies": []})
    make_job(host=host, title="at work", state="running", started_at=now())

    text = text_of(member.get(reverse("host-detail", args=[host.name])))

    for label in ("This computer", "no accelerator card", "2 cores", "Xeon", "at work"):
        assert label in text


# People.


def test_an_added_person_can_log_in(admin, client):
    passwords = {"password1": "quite-long-7", "password2": "quite-long-7"}
    data = {"username": "chen.hao", "role": "viewer", **passwords}

    admin.post(reverse("person-add"), data)

    assert User.objects.get(username="chen.hao").account.role == "viewer"
    assert Client().login(username="chen.hao", password="quite-long-7")
    assert AuditEntry.objects.get().detail == {"did": "add", "role": "viewer"}


def test_a_weak_password_is_refused_at_its_field(admin):
    for password, message in (
        ("1234567890", "This password is entirely numeric."),
        ("abcdefgh", "This password is too short. It must contain at least 10 characters."),
        ("password123", "This password is too common."),
        ("chen.hao.1", "The password is too similar to the username."),
    ):
        data = {"username": "chen.hao", "password1": password, "password2": password}
        response = admin.post(reverse("person-add"), data)
        assert response.status_code == 422
        assert message in text_of(response)
    assert not User.objects.filter(username="chen.hao").exists()


def test_a_deactivated_person_cannot_log_in(admin):
    person = make_user("chen.hao", password="quite-long-7")
    assert title_of(admin.get(reverse("people"))) == "2 people can log in"

    admin.post(reverse("person-change", args=[person.pk]), {"set": "off"})

    assert not Client().login(username="chen.hao", password="quite-long-7")
    assert title_of(admin.get(reverse("people"))) == "1 person can log in"


def test_a_change_of_an_account_is_asked_first(admin):
    person, me = make_user("chen.hao"), User.objects.get(username="ada")
    make_job(created_by=person)
    address = reverse("person-change", args=[person.pk])

    for wanted, title, text in (
        ("admin", "Make chen.hao an admin?", "Today: member. The change takes effect immediately."),
        ("off", "Deactivate chen.hao?", "1 open job of this person continues."),
    ):
        response = admin.get(address, {"set": wanted})
        assert title_of(response) == title
        assert text in text_of(response)
        assert f'name="set" value="{wanted}"' in response.text
    for wanted in ("member", "owner", ""):  # no change
        assert admin.get(address, {"set": wanted}).url == reverse("people")

    person.refresh_from_db()
    assert (person.is_active, person.account.role) == (True, "member")
    # Nor do administrators take their own rights away.
    admin.post(reverse("person-change", args=[me.pk]), {"set": "member"})
    assert Account.objects.get(user=me).role == "admin"


# Scrolling regions have a name, and the keyboard reaches them

TEMPLATES = Path(__file__).parents[3] / "templates"
REGIONS = [
    (path.relative_to(TEMPLATES).as_posix(), tag)
    for path in sorted(TEMPLATES.rglob("*.html"))
    for tag in re.findall(r'<\w+ class="scroll\b(?:[^>{]|\{[{%].*?[%}]\})*>', path.read_text())
]


def test_a_region_that_scrolls_is_focusable_and_named():
    assert REGIONS
    for template, tag in REGIONS:
        assert 'tabindex="0"' in tag, template
        assert re.search(r'role="(group|region)"', tag), template
        assert "aria-label" in tag, template
