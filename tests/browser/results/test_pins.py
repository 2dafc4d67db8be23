"""Pins and the page of a job whose log was removed, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import in_turns
from tests.browser.lib.visits import checked

pytestmark = pytest.mark.browser

KEPT_BY_ADMIN = "Log and files are kept by admin. Only admin or an administrator can stop this."

SEED = """
from django.contrib.auth.models import User
from jobs.models import Account, Job
from jobs.services.upkeep import retention
from tests.factories import make_host, make_result
from tests.kept import DAY, ended
Account.objects.update(role="admin")
User.objects.update(username="admin")
host, admin = make_host(), User.objects.get()
old, kept = (ended(age * DAY, files=2, host=host, created_by=admin) for age in (100, 1))
make_result(job=kept)
retention.remove_now(old.pk, admin)
retention.apply_retention()
# On the page of the largest, whatever else the dashboard has.
Job.objects.filter(pk=kept.pk).update(stored_bytes=10**12)
print(old.pk, kept.pk)
"""
REMOVE = """
from django.contrib.auth.models import User
from jobs.services.upkeep import retention
retention.remove_now({job}, User.objects.get())
"""
PIN = """
from django.contrib.auth.models import User
from dashboard.actions.jobs import keep_files
from jobs.models import Job
keep_files(User.objects.get(), Job.objects.get(pk={job}), keep=True)
"""


@pytest.fixture
def jobs(server):
    """A job whose log was removed, and one with a result: their numbers."""
    return server.shell(SEED)


@pytest.fixture
def open_page(window):
    with checked(window, but="410:") as opens:  # in one test it requests removed files
        yield opens


def test_a_pin_shows_on_every_page_until_it_is_removed(page, jobs):
    _old, kept = jobs
    page.goto("/results/?q=" + kept)

    page.get_by_role("button", name=f"Keep files of #{kept}", exact=True).click()

    expect(page).to_have_url(re.compile(rf"/results/\?q={kept}$"))
    expect(page.get_by_role("button", name=f"Stop keeping files of #{kept}")).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    page.locator("input[name=pinned]").click()  # the page is another one then
    expect(page).to_have_url(re.compile("pinned=1"))
    page.goto(f"/jobs/{kept}/")
    expect(page.get_by_text(KEPT_BY_ADMIN)).to_be_visible()
    page.get_by_role("button", name="Stop keeping files").click()
    expect(page.get_by_role("button", name="Keep files", exact=True)).to_be_visible()
    expect(page.get_by_text("kept by admin")).to_have_count(0)


def test_an_open_job_page_shows_a_pin_set_elsewhere(open_page, jobs):
    _old, kept = jobs
    page, other = open_page(f"/jobs/{kept}/"), open_page(f"/jobs/{kept}/")

    other.get_by_role("button", name="Keep files", exact=True).click()

    expect(page.get_by_text(KEPT_BY_ADMIN)).to_be_visible()


def test_an_open_log_page_shows_that_its_log_was_removed(page, jobs, server):
    _old, kept = jobs
    page.goto(f"/jobs/{kept}/")
    expect(page.get_by_role("log")).to_contain_text("two")
    server.shell(REMOVE.format(job=kept))

    expect(page.get_by_role("region", name="Log removed")).to_be_visible()


def test_pages_with_removals_and_pins_are_whole(inspector, jobs, server):
    old, kept = jobs
    server.shell(PIN.format(job=kept))
    paths = (
        *(f"/jobs/{old}/", f"/jobs/{kept}/", "/jobs/?pinned=1", "/results/?pinned=1"),
        *("/storage/", f"/storage/jobs/{kept}/remove/"),
    )
    for number, path in enumerate(paths):
        looks = in_turns(number)["en"]
        assert inspector.faults(path, looks=looks, resized=True) == [], path
