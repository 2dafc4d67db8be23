"""Pages of a dashboard on which nothing has happened yet: this runs before the tour."""

import pytest
from django.urls import reverse

from jobs.queries.jobs.job_page import TOUR_KINDS
from tests.browser.lib.checks import Inspector

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


@pytest.fixture(scope="module", autouse=True)
def nothing_has_happened(api, person):
    """Skip on a stack with jobs: its pages are no longer empty."""
    if api.jobs():
        pytest.skip("the stack has jobs already")


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_page_is_whole(inspector, path):
    assert inspector.faults(path) == []


@pytest.mark.parametrize("path", ["/login/", "/login/?next=/jobs/"])
def test_a_stranger_gets_a_whole_page(visitor, path):
    with visitor.context(logged_in=False) as context:
        assert Inspector(context).faults(path) == []
