"""The page of a whole matrix in a real browser: its height, its width, and keys."""

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import axe, too_wide

pytestmark = pytest.mark.browser

CELLS = """
from jobs.models import Matrix
from tests.factories import make_cell, make_host, make_job, make_measured
host = make_host("va16-77", type="simulated")
spec = {"workload": "vendor", "repeats": 1, "requests": 5}
row = Matrix.objects.create(title="vendor", kind="benchmark-online", host=host, spec=spec)
states = ["succeeded"] * 46 + ["running", "failed", "lost", "cancelled"] + ["queued"] * 10
for place, state in enumerate([*states, *[""] * 6]):
    at, column = divmod(place, 6)
    job = make_job(host=host, state=state) if state else None
    sizes = {"input_tokens": 128 * (at + 1), "output_tokens": 128}
    cell = make_cell(row, column, job, row=at, place=place, **sizes)
    if state == "succeeded":
        metrics = {"output_tokens_per_s": 20.0 * cell.concurrency / (at + 1)}
        flags = {"simulated": True, "disturbed": place % 7 == 0}
        make_measured(job=job, points=[(cell.concurrency, metrics)], **flags)
print(row.pk)
"""


def test_a_matrix_of_66_cells_fits_two_screens_and_is_reached_by_keys(server, open_page):
    (matrix,) = server.shell(CELLS)
    page = open_page(f"/matrices/{matrix}/")
    expect(page.locator("td.cell")).to_have_count(66)
    heights = {}
    for width in (1440, 1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        heights[width] = page.evaluate("document.documentElement.scrollHeight")
        assert (width, axe(page), too_wide(page)) == (width, [], "")
    assert heights[1440] <= 2000

    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("td.cell a").nth(1)).to_be_focused()
    failed = page.locator("td.cell[data-state=failed] a").first
    failed.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#matrix-runs tr:target")).to_be_in_viewport()
