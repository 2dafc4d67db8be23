"""Every page with the tour's records: runs after the tour."""

import pytest
from django.urls import get_resolver, reverse

from tests.browser.lib import unwell
from tests.browser.lib.checks import IN_TURNS, LOOKS, Inspector
from tests.pages import ALL_PATHS, NO_PAGES, PAGES, TURNS

pytestmark = [pytest.mark.browser, pytest.mark.tour]


@pytest.fixture(scope="module")
def made(toured, person, stack):
    """Numbers of the tour's records, by their names in PAGES."""
    stack.shell(f"from {unwell.__name__} import make; make()")
    ids = {}
    for job in toured.jobs():
        ids.setdefault(job["kind"], job["id"])
        ids["chain"] = job["chain"] or ids.get("chain")
    for result in toured.ask("results")["results"][::-1]:
        group = "speed" if result["type"] == "benchmark" else "quality"
        number = result["id"].removeprefix("res-")
        ids.setdefault(group, number)
        ids["speed2" if group == "speed" else group] = number
    ids["token"] = 1  # one of those that the tests call with
    ids["person"] = 1
    firsts = ("source", "endpoint", "level", "prompts", "matrix")
    ids |= dict.fromkeys(firsts, 1)
    ids["deployment"] = toured.ask("deployments")["deployments"][-1]["id"]
    page = person.new_page()
    page.goto(reverse("playground"))
    chats = page.locator(".list a").evaluate_all("links => links.map((link) => link.href)")
    page.close()
    if chats:
        ids["conversation"] = chats[0].rstrip("/").split("/")[-1]
    return ids


@pytest.mark.parametrize("path", ALL_PATHS)
def test_a_page_is_whole(inspector, visitor, made, path):
    # A filter or a choice shows the same parts again, and is not seen in Chinese.
    looks = LOOKS if "?" in path else IN_TURNS[TURNS.index(path) % len(IN_TURNS)]["en"]
    if path == "/login/":
        with visitor.context(logged_in=False) as context:
            assert Inspector(context).faults(path, looks=looks) == []
    else:
        assert inspector.faults(filled(path, made), looks=looks) == []


@pytest.mark.parametrize("path", TURNS)
def test_a_page_is_whole_in_chinese(chinese_inspector, visitor, made, path):
    looks = IN_TURNS[TURNS.index(path) % len(IN_TURNS)]["zh"]
    if path == "/login/":
        with visitor.context(logged_in=False, locale="zh-CN") as context:
            assert Inspector(context).faults(path, looks=looks) == []
    else:
        assert chinese_inspector.faults(filled(path, made), looks=looks) == []


def test_a_browser_that_asks_for_chinese_gets_it(reader):
    page = reader.new_page()
    page.goto("/")

    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.close()


def filled(path, made):
    """The address, filled with numbers of the tour's records."""
    if "{conversation}" in path and "conversation" not in made:
        pytest.skip("no conversation yet")
    return path.format(**made)


@pytest.mark.parametrize("path", ["/nowhere/", "/jobs/999999/"])
def test_an_address_without_a_page_has_one_that_says_so(inspector, path):
    assert inspector.faults(path, status=404) == []


def test_no_page_is_left_out():
    named = {name for name in names(get_resolver()) if not name.startswith(("api-", "intake-"))}

    assert named == set(PAGES) | NO_PAGES


def names(resolver):
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from names(pattern)
        elif pattern.name:
            yield pattern.name
