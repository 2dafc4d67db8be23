"""The search of the top bar: jobs, results, deployments, models, hosts and one's own chats."""

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from dashboard.pages.shared import places
from jobs.models import Conversation, Job, Turn
from tests.factories import make_deployment, make_host, make_job, make_result, make_user


@pytest.fixture
def records():
    """One of each that has "alpha" in it, and one of each that has not."""
    made = {}
    for word in ("alpha", "beta"):
        host = make_host(f"{word}-host", type="vacc")
        job = make_job(title=f"{word} thing", host=host)
        done = make_job(kind="benchmark", host=host, state="succeeded")
        made[word] = {
            reverse("host-detail", args=[host.name]),
            reverse("job-detail", args=[job.pk]),
            reverse("job-detail", args=[done.pk]),  # by its host
            reverse("result-detail", args=[make_result(job=done, label=word).pk]),
            reverse("deployment-detail", args=[make_deployment(name=f"{word}-served").pk]),
        }
    return made


def links_of(client, text, name="search"):
    """Addresses of the matches, in order."""
    html = client.get(reverse(name), {"q": text}).content.decode()
    html = html[html.find('class="head"') :] if name == "search" else html
    links = re.findall(r'<a class="q row0" href="([^"]+)"', html)
    assert len(links) == len(set(links))
    return links


@pytest.mark.postgresql
@pytest.mark.parametrize("name", ["search", "search-list"])
def test_everything_that_has_a_page_is_found(member, records, name):
    assert set(links_of(member, "alpha", name)) == records["alpha"]


@pytest.mark.postgresql
def test_all_words_must_match(member, records):
    job = Job.objects.get(title="alpha thing")

    assert links_of(member, "ALPHA thing") == [reverse("job-detail", args=[job.pk])]
    assert links_of(member, "alpha beta") == []


@pytest.mark.parametrize("number", ["{}", "#{}"])
def test_a_number_is_first_of_all_that_of_a_job(member, number):
    old = make_job()
    make_job(title=f"repeats {old.pk}")

    links = links_of(member, number.format(old.pk))

    assert links[0] == reverse("job-detail", args=[old.pk])


def test_a_model_a_form_and_areas_are_found(member):
    links = links_of(member, "smollm2 135m")

    assert links == [reverse("model-detail", args=["smollm2-135m-instruct"])]
    assert reverse("launch-form", args=["benchmark"]) in links_of(member, "new job benchmark")
    assert links_of(member, "", "search-list") == [  # before anything is typed
        *("/", "/models/", "/jobs/", "/results/", "/playground/", "/hosts/")
    ]


@pytest.mark.parametrize(("language", "name"), [("en", "this computer"), ("zh-hans", "本机")])
def test_this_computer_is_found_by_what_people_call_it(member, language, name):
    make_host("this-computer")
    make_host("that-computer", type="vacc")
    member.cookies["django_language"] = language

    assert links_of(member, name) == [reverse("host-detail", args=["this-computer"])]


@pytest.mark.parametrize(
    ("language", "text", "view"),
    [
        ("en", "hosts", "host-list"),
        ("zh-hans", "主机", "host-list"),
        ("zh-hans", "HOST", "host-list"),
        ("en", "trade", "result-tradeoff"),
        ("en", "new matrix", "launch-matrix"),
    ],
)
def test_a_page_is_found_by_its_name_in_both_languages(member, language, text, view):
    member.cookies["django_language"] = language

    assert links_of(member, text, "search-list")[0] == reverse(view)


def test_nobody_is_sent_to_a_page_that_is_not_theirs(client):
    client.force_login(make_user("vera", role="viewer"))
    for text in ("secrets", "new job"):
        assert links_of(client, text) == []
    client.force_login(make_user("ada", is_staff=True))
    assert links_of(client, "secrets") == [reverse("secret-list")]


def test_every_place_opens(client):
    make_host("this-computer")
    client.force_login(make_user("ada", is_staff=True))

    for place in places._ALL:
        assert client.get(place.href).status_code in (200, 302), place.href


def test_the_list_under_the_field_shows_few_and_links_to_all(member):
    for _ in range(9):
        make_job(title="alpha")

    html = member.get(reverse("search-list"), {"q": "alpha"}).content.decode()
    page = member.get(reverse("search"), {"q": "alpha"}).content.decode()

    assert html.count('role="option"') == 5
    assert f'href="{reverse("search")}?q=alpha"' in html
    assert len(links_of(member, "alpha")) == 8
    assert f"{reverse('job-list')}?q=alpha" in page
    (field,) = re.findall(r'<input type="search" name="q" id="search"[^>]*>', page)
    assert 'hx-sync="this:queue last"' in field  # no request is aborted while one types


@pytest.mark.parametrize("text", ["", "   ", "9" * 40, "nothing of the kind", "%"])
def test_what_finds_nothing_says_so_and_breaks_nothing(member, text):
    make_job(title="alpha")

    assert links_of(member, text) == []
    assert member.get(reverse("search-list"), {"q": text}).status_code == 200


@pytest.mark.parametrize("count", [1, 3])
def test_a_search_asks_the_database_as_often_for_many(member, count, django_assert_num_queries):
    for _ in range(count):
        make_result(label="alpha")
        make_deployment(name="alpha")

    with django_assert_num_queries(8):
        member.get(reverse("search-list"), {"q": "alpha"})


@pytest.mark.postgresql
@pytest.mark.parametrize("name", ["search", "search-list"])
def test_a_search_finds_text_of_ones_own_chats(member, name):
    chats = [
        Conversation.objects.create(user=user, title="about animals")
        for user in (User.objects.get(username="lin"), make_user("chen"))
    ]
    for chat in chats:
        Turn.objects.create(conversation=chat, index=0, prompt="who swims?", answer="The otter.")

    addresses = links_of(member, "otter animals", name)

    assert reverse("conversation", args=[chats[0].pk]) in addresses
    assert reverse("conversation", args=[chats[1].pk]) not in addresses
