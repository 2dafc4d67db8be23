"""Pages of a dashboard on which nothing has happened yet: this runs before the tour."""

import pytest
from django.urls import reverse

from jobs.queries.jobs.job_page import TOUR_KINDS
from tests.browser.lib.checks import Inspector, in_turns
from tests.browser.lib.visits import open_window

pytestmark = [pytest.mark.browser, pytest.mark.tour]

LISTS = (
    "overview",
    "job-list",
    "host-list",
    "model-list",
    "deployment-list",
    "result-list",
    "result-compare",
    "playground",
    "people",
    "audit",
    "password",
)
PATHS = [
    *map(reverse, LISTS),
    # The forms of a VACC host are the same after the tour.
    *(reverse("launch-form", args=[kind]) for kind in sorted(TOUR_KINDS)),
    "/hosts/this-computer/",
]


@pytest.fixture(scope="module")
def looked_at(api, person):
    """An inspector. Skip on a stack with jobs: its pages are no longer empty."""
    if api.jobs():
        pytest.skip("the stack has jobs already")
    return Inspector(person)


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_page_is_whole(looked_at, path):
    assert looked_at.faults(path, looks=in_turns(PATHS.index(path))["en"]) == []


def test_a_stranger_who_wants_a_page_gets_a_whole_one(browser, stack):
    with open_window(browser, stack, logged_in=False) as stranger:
        assert Inspector(stranger).faults("/login/?next=/jobs/") == []
