"""From an endpoint to a report, on the real stack: each test continues the one before.

The endpoint is a stand-in without a model. EvalScope measures it: that of the tour, in real jobs.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import settle
from tests.browser.lib.visits import axe, checked
from tests.jobs.lib.scripted_engine import engine
from tests.stack import DATABASE

pytestmark = [pytest.mark.browser, pytest.mark.tour, pytest.mark.in_order]

NAME, TAG = "H800 beside the rack", "nightly"
DATA = Path(__file__).parents[2] / "data"
FILE = DATA / "vllm-0.7.2" / "benchmark_serving_ok.json"
(TABLE,) = DATA.glob("opencompass-0.4.1/*/summary/*.md")
# Seconds a token: the two engines differ by more than what a busy machine adds.
FAST_S, SLOW_S = 0.02, 0.06
RUN_MS = 600_000  # of two cores that do other things as well


@pytest.fixture(scope="module")
def served():
    with engine() as running:
        running.pause_s = FAST_S
        yield running


@pytest.fixture(scope="module")
def page(toured, person):
    with checked(person) as open_page:
        yield open_page()


def cells(page, state):
    return page.locator(f"td.cell[data-state={state}]")


def results_of_cell(page, concurrency):
    """Addresses of the results of a cell of the page's matrix, oldest first."""
    rows = page.locator("#matrix-runs tbody tr", has_text=f"@ {concurrency}")
    links = rows.locator("a[href^='/results/res-']")
    addresses = links.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    return sorted(addresses, key=lambda address: int(address.split("/")[2].removeprefix("res-")))


def lift_load(toured):
    """Take the mark *loaded host* from all results: other tests load this machine, too, and such a
    run is neither a baseline nor a repeat."""
    with closing(sqlite3.connect(toured.stack.data_dir / DATABASE, timeout=30)) as database:
        database.execute("UPDATE jobs_result SET loaded = 0")
        database.commit()


def test_an_endpoint_is_permitted_and_saved(page, served):
    page.goto("/sources/")
    page.get_by_label("endpoint", exact=True).check()
    page.get_by_role("textbox", name="Address").fill(served.url)
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("cell", name=served.url)).to_be_visible()

    page.goto("/endpoints/")
    page.get_by_role("link", name=re.compile("^Add (an )?endpoint$")).first.click()
    page.get_by_role("textbox", name="Name", exact=True).fill(NAME)
    page.get_by_role("textbox", name="Address").fill(f"{served.url}/v1")
    page.get_by_role("combobox", name="Catalogue model").select_option("deepseek-r1")
    page.get_by_role("textbox", name="Device", exact=True).fill("8 × H800")
    page.get_by_role("textbox", name="Devices").fill("8")
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    expect(page.locator(".say")).to_contain_text("answers")


def test_a_preset_is_launched_and_its_cells_fill_by_themselves(page):
    page.get_by_role("link", name="Measure speed").click()
    page.locator("#tool-matrix").check()
    page.wait_for_url(re.compile("/launch/matrix/"))  # with its scripts
    page.locator("#f-host").select_option("this-computer")
    page.wait_for_url(re.compile("host=this-computer"))
    page.get_by_role("link", name=re.compile("^Quick look")).click()
    page.get_by_label("Client", exact=True).select_option("benchmark")
    page.wait_for_url(re.compile("kind=benchmark&"))
    page.get_by_label("Exclusive host").uncheck()  # servers of the tour run there
    page.wait_for_url(re.compile("exclusive=0(?!&exclusive=1)"))
    expect(page.get_by_text("2 of 2 cells run, 0 are skipped")).to_be_visible()
    page.get_by_role("button", name="Launch matrix").click()
    page.wait_for_url(re.compile(r"/matrices/\d+/$"))
    expect(page.locator("td.cell")).to_have_count(2)
    page.evaluate("window.sameDocument = true")

    expect(cells(page, "running")).to_have_count(1, timeout=RUN_MS)
    expect(cells(page, "done")).to_have_count(1, timeout=RUN_MS)
    expect(cells(page, "done")).to_have_count(2, timeout=RUN_MS)

    expect(page.locator("#matrix .head .st")).to_have_text("done")
    assert page.evaluate("window.sameDocument")


def test_the_matrix_and_its_results_lead_to_the_conclusion(page):
    conclusion = page.get_by_role("region", name="Conclusion")
    expect(page.locator("#headline")).to_contain_text("concurrency 4")
    rate = cells(page, "done").last.locator("a").first.inner_text()
    expect(conclusion).to_contain_text(rate)
    headline = page.locator("#headline").inner_text()

    cells(page, "done").last.locator("a").first.click()

    page.wait_for_url(re.compile(r"/results/res-\d+/$"))
    expect(page.locator(".stamp.ext").first).to_contain_text("8 × H800")
    page.get_by_role("link", name=re.compile(r"^matrix \d+$")).click()
    expect(page.locator("#headline")).to_have_text(headline)


def test_two_results_are_tagged_and_compared(page):
    slow, fast = results_of_cell(page, 1)[0], results_of_cell(page, 4)[0]
    page.goto("/endpoints/")
    page.get_by_role("link", name=NAME, exact=True).click()
    page.get_by_role("link", name="View all").click()
    expect(page.locator("tbody input[name=id]")).to_have_count(2)

    def select():
        for address in (slow, fast):
            page.locator(f"input[name=id][value='{address.split('/')[2]}']").check()

    select()
    page.get_by_label("Tags of the selected results").fill(TAG)
    page.get_by_role("button", name="Tag", exact=True).click()
    expect(page.get_by_text("2 results tagged.")).to_be_visible()
    expect(page.locator(".stamp.tagged:visible", has_text=TAG)).to_have_count(2)

    select()
    page.get_by_role("button", name="Compare").click()

    expect(page.locator(".sides .lk")).to_have_count(2)
    expect(page.locator(".sides .stamp.tagged")).to_have_count(2)
    settle(page)
    assert axe(page) == []


def test_a_baseline_judges_later_runs(page, served, toured):
    page.goto("/matrices/")
    page.locator("#matrices tbody a").first.click()
    lift_load(toured)
    matrix, (base,) = page.url, results_of_cell(page, 1)
    page.goto(base)
    page.get_by_role("button", name="Set as baseline").click()
    expect(page.locator("#baseline")).to_contain_text("A run of the baseline")
    expect(page.locator(".head .stamp.base")).to_be_visible()

    served.pause_s = SLOW_S
    served.answers["/version"] = (200, '{"version": "0.9.2"}')
    page.goto("/endpoints/")
    page.get_by_role("link", name=NAME, exact=True).click()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("0.9.2")).to_be_visible()
    page.goto(matrix)
    page.locator("#matrix-runs summary").click()
    runs = page.locator("#matrix-runs tbody tr", has_text="@ 1")
    runs.get_by_role("button", name="Run 3×").click()
    expect(runs.locator("a[href^='/results/']")).to_have_count(4, timeout=RUN_MS)
    lift_load(toured)
    page.reload()
    expect(page.locator("td.cell").first).to_contain_text("n=4")
    page.goto(results_of_cell(page, 1)[-1])

    expect(page.locator("#baseline .stamp")).to_have_text("cannot tell")
    verdict = page.locator("#baseline p").first
    expect(verdict).to_contain_text(re.compile(r"−[4-7]\d\.?\d* %"))
    expect(verdict).to_contain_text("2 more runs of the baseline are needed.")
    page.locator("#baseline").get_by_role("link", name="Compare").click()
    expect(page.get_by_role("table").get_by_text("0.9.2").first).to_be_visible()


@pytest.mark.parametrize(("way", "shown"), [("upload", "vLLM"), ("paste", "OpenCompass")])
def test_a_result_of_others_is_imported(page, way, shown):
    page.goto("/results/")
    page.get_by_role("link", name="Import", exact=True).click()
    if way == "upload":
        page.get_by_label("Files").set_input_files(FILE)
    else:
        page.get_by_label("Or pasted text").fill(TABLE.read_text())
    page.get_by_role("textbox", name="Device", exact=True).fill("8 × H800")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="1 result recognised")).to_be_visible()
    expect(page.locator("main h2").first).to_contain_text(shown)

    page.get_by_role("button", name="Import", exact=True).click()

    page.wait_for_url(re.compile(r"/results/res-\d+/$"))
    expect(page.get_by_text("1 result imported: ")).to_be_visible()
    expect(page.locator("h1 .stamp", has_text="imported")).to_be_visible()


def test_the_report_of_the_matrix_opens_with_its_conclusion(page, tmp_path):
    page.goto("/matrices/")
    page.locator("#matrices tbody a").first.click()
    headline = page.locator("#headline").inner_text()
    page.locator("[data-report] > summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="English HTML", exact=True).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)

    report = page.context.new_page()
    report.goto(file.as_uri())

    expect(report.get_by_role("heading", name="Conclusion", exact=True)).to_be_visible()
    expect(report.locator("main")).to_contain_text(headline)
    report.close()
