"""Requests and bytes of a first visit, begun before the page has loaded. Plotly is apart."""

import json
import sys

import pytest

from tests.browser.lib.visits import open_window

pytestmark = pytest.mark.browser

SEED = """
import json
from tests import sample_data
print(json.dumps(sample_data.make(), separators=(",", ":")))
"""
# The most requests and kilobytes of a page.
PAGES = {
    "/": (15, 250),
    "/results/": (20, 300),
    "/jobs/{job}/": (25, 500),
    "/jobs/{benchmark}/": (25, 500),
    "/playground/": (25, 450),
}
WEIGHT = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource").filter(
    ({ name, startTime }) => startTime < page.loadEventEnd && !name.includes("plotly-cartesian"));
  const bytes = files.reduce((sum, file) => sum + file.transferSize, page.transferSize);
  return [1 + files.length, Math.ceil(bytes / 1000)];
}"""


@pytest.fixture(scope="module")
def made(server):
    """Numbers of jobs; one of them runs."""
    return {**json.loads(server.shell(SEED)[0]), "job": server.job}


@pytest.mark.parametrize("path", PAGES)
def test_a_first_visit_is_light(browser, server, made, path, capsys):
    with open_window(browser, server) as window:
        page = window.new_page()
        page.goto(path.format(**made), wait_until="networkidle")
        requests, kilobytes = page.evaluate(WEIGHT)

    most_requests, most_kilobytes = PAGES[path]
    with capsys.disabled():
        sys.stdout.write(f"\n{path}: {requests} requests, {kilobytes} kB\n")
    assert requests <= most_requests
    assert kilobytes <= most_kilobytes
