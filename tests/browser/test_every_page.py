"""Every page after the tour, with what it made: this runs after it."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, reverse

from jobs.kinds import KINDS
from jobs.queries.jobs.chains import TOUR_KINDS
from tests.browser.lib import unwell
from tests.browser.lib.checks import IN_TURNS, LOOKS, Inspector

pytestmark = pytest.mark.browser

HOST = "this-computer"
NEW_HOST, SECRET = unwell.HOST, unwell.SECRET
# Addresses by name. Those with braces are filled with what the tour has made, see `made`.
PAGES = {
    "overview": ["/"],
    "login": ["/login/"],
    "password": ["/account/password/"],
    "token-list": ["/account/tokens/"],
    "token-revoke": ["/account/tokens/{token}/revoke/"],
    "people": ["/people/"],
    "person-password": ["/people/1/password/"],
    "job-list": ["/jobs/", "/jobs/?state=failed", "/jobs/?kind=prepare"],
    "job-detail": [f"/jobs/{{{kind}}}/" for kind in sorted(TOUR_KINDS)],
    "job-cancel": ["/jobs/{evaluate}/cancel/"],
    "pipeline": ["/pipelines/{chain}/"],
    "pipeline-cancel": ["/pipelines/{chain}/cancel/"],
    "docs-page": ["/docs/use/launch/", "/docs/run/settings/", "/docs/architecture/"],
    "launch-form": [
        *(f"/launch/{kind}/" for kind in KINDS),
        "/launch/benchmark/?from={benchmark}&requests=0",
    ],
    "host-list": ["/hosts/"],
    "host-detail": [f"/hosts/{HOST}/", f"/hosts/{NEW_HOST}/", f"/hosts/{unwell.AWAY}/"],
    "host-gone": [f"/hosts/{HOST}/gone/", f"/hosts/{unwell.AWAY}/gone/"],
    "host-add": ["/hosts/add_host/"],
    "host-new-key": [f"/hosts/{NEW_HOST}/key/"],
    "host-revoke-key": [f"/hosts/{NEW_HOST}/revoke/"],
    "host-queue": [f"/hosts/{HOST}/queue/"],
    "secret-list": ["/secrets/", f"/secrets/?name={SECRET}"],
    "secret-delete": [f"/secrets/{SECRET}/delete/"],
    "storage": ["/storage/"],
    "storage-remove": ["/storage/jobs/{benchmark}/remove/"],
    "model-list": ["/models/"],
    "model-detail": ["/models/smollm2-135m-instruct/"],
    "model-add": ["/models/add/"],
    "model-add-yaml": ["/models/add/yaml/"],
    "deployment-list": ["/deployments/"],
    "deployment-detail": ["/deployments/{deployment}/"],
    "deployment-stop": ["/deployments/{deployment}/stop/"],
    "deployment-restart": ["/deployments/{deployment}/restart/"],
    "result-list": ["/results/", "/results/?sort=evaluation"],
    "result-detail": ["/results/{speed}/", "/results/{quality}/"],
    "result-answer": ["/results/{quality}/questions/0/"],
    "result-compare": [
        "/results/compare/",
        "/results/compare/?id={speed}&id={speed2}",
        "/results/compare/?id={quality}",
    ],
    "search": ["/search/", "/search/?q=smol", "/search/?q=nothing+of+the+kind"],
    "playground": ["/playground/", "/playground/?deployment={deployment}"],
    "conversation": ["/playground/{conversation}/"],
    "conversation-delete": ["/playground/{conversation}/delete/"],
}
ALL_PATHS = [path for paths in PAGES.values() for path in paths]
TURNS = [path for path in ALL_PATHS if "?" not in path]
# Fragments of pages, files, forms' targets and redirects.
NO_PAGES = {
    *("columns", "logout", "person-add", "person-change", "set_language", "jsi18n", "health"),
    *("job-again", "pipeline-again", "job-points", "job-output", "job-script"),
    *("job-accuracy", "job-accuracy-table"),
    *("launch", "launch-preview", "launch-script", "host-drain", "tour-start", "frame"),
    *("token-create", "host-slots", "host-forget-dies", "host-arrival", "secret-keep"),
    *("launch-check", "launch-findings", "model-way", "model-way-check"),
    *("job-confirm", "job-move", "job-priority", "job-quiet", "job-pin"),
    # Of models of one's own, which the tour has none of:
    # tests/dashboard/views/models/test_model_edit.py.
    *("model-edit", "model-edit-yaml", "model-yaml", "model-delete", "model-deleted"),
    *("model-undo", "model-discard"),
    *("chain-put-away", "serving", "search-list", "docs", "docs-image"),
    *("deployment-now", "result-file", "result-run-more"),
    *("playground-ask", "playground-turn", "playground-show", "conversation-rename"),
}


@pytest.fixture(scope="module")
def made(toured, person, stack):
    """Numbers of what the tour has made, by the names that PAGES has for them."""
    stack.manage("shell", "--no-imports", "-c", f"from {unwell.__name__} import make; make()")
    found = {}
    for job in toured.jobs():
        found.setdefault(job["kind"], job["id"])
        found["chain"] = job["chain"] or found.get("chain")
    for result in toured.ask("results")["results"][::-1]:
        sort = "speed" if result["sort"] == "benchmark" else "quality"
        found.setdefault(sort, result["id"])
        found["speed2" if sort == "speed" else sort] = result["id"]
    found["token"] = 1  # one of those that the tests call with
    found["deployment"] = toured.ask("deployments")["deployments"][-1]["id"]
    page = person.new_page()
    page.goto(reverse("playground"))
    chats = page.locator(".list a").evaluate_all("links => links.map((link) => link.href)")
    page.close()
    if chats:
        found["conversation"] = chats[0].rstrip("/").split("/")[-1]
    return found


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
    """The address with what the tour has made."""
    if "{conversation}" in path and "conversation" not in made:
        pytest.skip("nobody has chatted")
    return path.format(**made)


@pytest.mark.parametrize("path", ["/nowhere/", "/jobs/999999/"])
def test_an_address_without_a_page_has_one_that_says_so(inspector, path):
    assert inspector.faults(path, status=404) == []


def test_no_page_is_left_out():
    named = {name for name in names(get_resolver()) if not name.startswith(("api-", "intake-"))}

    assert named == set(PAGES) | NO_PAGES


def names(resolver):
    """Names of all addresses below a resolver."""
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from names(pattern)
        elif pattern.name:
            yield pattern.name
