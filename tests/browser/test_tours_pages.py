"""Pages that show the tour's own records: jobs that ran, their results and chats."""

import pytest

from tests.browser.lib.checks import Inspector, in_turns
from tests.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.tour]

# What is drawn of what ran. Lists have the rows of the sample data, too.
NAMES = (
    *("overview", "job-detail", "pipeline", "host-detail", "result-detail", "result-history"),
    *("result-point", "result-answer", "result-compare", "parity", "conversation"),
)
CHAT = "from jobs.models import Conversation as C; print(*C.objects.values_list('pk', flat=True))"
PATHS = [path for name in NAMES for path in PAGES[name] if "?" not in path and "va16" not in path]


@pytest.fixture(scope="module")
def made(toured):
    """Numbers of the tour's records, by their names in PAGES."""
    jobs = toured.jobs()
    ids = {job["kind"]: job["id"] for job in reversed(jobs)} | {"chain": jobs[0]["pipeline"]}
    for result in toured.ask("results")["results"]:
        number = result["id"].removeprefix("res-")
        if result["type"] == "benchmark":
            ids |= {"speed": number, "speed2": ids.get("speed", number)}
        else:
            ids["quality"] = number
    ids["deployment"] = toured.ask("deployments")["deployments"][-1]["id"]
    return ids | {"conversation": (toured.stack.shell(CHAT).split() or ("",))[0]}


@pytest.fixture(scope="module")
def looked_at(person):
    return Inspector(person)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_with_the_tour_s_records_is_whole(looked_at, made, path):
    if "{conversation}" in path and not made["conversation"]:
        pytest.skip("the tour was taken from a terminal")
    looks = in_turns(PATHS.index(path))["en"]
    assert looked_at.faults(path.format(**made), looks=looks) == []


@pytest.mark.parametrize("path", ["/nowhere/", "/jobs/999999/"])
def test_an_address_without_a_page_has_one_that_says_so(looked_at, path):
    assert looked_at.faults(path, status=404) == []
