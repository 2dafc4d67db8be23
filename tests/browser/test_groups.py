"""Groups of jobs in a real browser: unfolded by keyboard, kept by the address, moved as one."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import PHONE, WIDE, axe, open_window, too_wide

pytestmark = pytest.mark.browser

SEED = """
import uuid
from django.contrib.auth.models import User
from jobs.models import Matrix
from tests.factories import make_cell, make_host, make_job
host, person = make_host("grouped", draining=True), User.objects.first()
for title in ("first", "second"):
    matrix = Matrix.objects.create(title=title, kind="benchmark", host=host, spec={})
    for place in range(33):
        state = "failed" if place == 4 else "queued"
        job = make_job(host=host, chain=matrix.chain, state=state, created_by=person,
                       kind="benchmark", title=f"{title} {place}")
        make_cell(matrix, place, job, concurrency=1)
    print(matrix.chain)
"""


@pytest.fixture(scope="module")
def chains(server):
    return server.shell(SEED)


def fold(page, title):
    return page.get_by_role("link", name=f"Runs of Matrix of 33 runs, {title}")


def test_a_row_unfolds_by_keyboard_and_the_address_remembers_it(open_page, chains):
    page = open_page("/jobs/")
    runs = page.locator("tr.run")
    fold(page, "second").focus()

    page.keyboard.press("Enter")

    expect(runs).to_have_count(33)
    expect(fold(page, "second")).to_be_focused()
    expect(fold(page, "second")).to_have_attribute("aria-expanded", "true")
    page.reload()
    expect(runs).to_have_count(33)
    fold(page, "second").click()
    expect(runs).to_have_count(0)
    assert "open=" not in page.url


def test_without_scripts_the_arrow_is_a_link(browser, server, chains):
    with open_window(browser, server, java_script_enabled=False) as window:
        page = window.new_page()
        page.goto("/jobs/?state=failed")

        fold(page, "first").click()

        expect(page.locator("tr.run")).to_have_count(1)
        assert "state=failed" in page.url


def test_a_group_moves_as_one_row_and_one_of_its_jobs_alone(open_page, chains):
    page = open_page("/hosts/grouped/queue/")
    rows = page.locator("[data-queue-job]")
    expect(rows).to_contain_text([re.compile("first"), re.compile("second")])
    up = page.get_by_role("button", name="Move Matrix of 33 runs, second, up")

    up.press("Enter")

    expect(rows).to_contain_text([re.compile("second"), re.compile("first")])
    expect(rows.locator(".no")).to_have_text(["1", "33"])
    rows.nth(1).locator("[data-grip]").drag_to(rows.nth(0), target_position={"x": 80, "y": 4})
    expect(rows).to_contain_text([re.compile("first"), re.compile("second")])
    fold(page, "first").click()
    expect(rows).to_have_count(34)
    expect(rows.nth(2)).to_contain_text("first 1")
    rows.nth(2).get_by_role("button", name=re.compile("^Move #.* up$")).click()
    expect(rows.nth(1)).to_contain_text("first 1")
    expect(rows.nth(2)).to_contain_text("first 0")


@pytest.mark.parametrize("path", ["/jobs/", "/", "/hosts/grouped/queue/"])
def test_unfolded_groups_are_accessible_and_fit(open_page, chains, path):
    page = open_page(f"{path}?open={chains[0]}")
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        assert axe(page) == []
        assert too_wide(page) == ""
