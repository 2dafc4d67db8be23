"""Table of data sets: a typed column name appears in table, copy and URL."""

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import checked

pytestmark = pytest.mark.browser

SEED = """
from tests.factories import make_measured
sets = [{"dataset": name, "version": "5ab83b", "metric": "accuracy", "mode": "gen",
         "value": value, "questions": 100, "group": group}
        for name, value, group in [("cluewsc-dev", 97.48, "cluewsc"),
                                   ("cluewsc-test", 95.18, "cluewsc"),
                                   *((f"lukaemon_mmlu_high_school_government_and_politics_{n}",
                                      80.0, "mmlu") for n in range(57))]]
result = make_measured(scores=[1, 0] * 30, run_context={"sets": sets})
for answer in result.answers.all():
    answer.detail, answer.reasoning = {}, "because " * 900
    answer.question = "Is it so? " * 90
    answer.save()
print(result.pk)
"""


@pytest.fixture(scope="module")
def page(window, server):
    (result,) = server.shell(SEED)
    with checked(window) as open_page:
        yield open_page(f"/results/res-{result}/")


def test_a_typed_name_is_in_table_copy_and_url(page):
    page.get_by_label("Column name").fill("DeepSeek-R1|va16")

    heading = page.locator("#sets .scores thead th:nth-child(5)").first
    expect(heading).to_have_text("DeepSeek-R1|va16")
    copied = page.locator("[data-pattern]").get_attribute("data-copy-text")
    assert copied.splitlines()[0].endswith("| mode | DeepSeek-R1\\|va16 |")
    assert "| avg |  | accuracy | gen | 96.33 |" in copied
    assert "{name}" not in copied
    page.reload()
    expect(page.get_by_label("Column name")).to_have_value("DeepSeek-R1|va16")


def test_the_subjects_of_mmlu_open_and_close(page):
    subject = page.get_by_role("link", name="lukaemon_mmlu_high_school_government_and_politics_56")

    expect(subject).to_be_hidden()
    page.get_by_text("mmlu: all 57 data sets").click()
    expect(subject).to_be_visible()
    page.get_by_text("mmlu: all 57 data sets").click()


@pytest.mark.parametrize("width", [1440, 390])
def test_an_evaluation_of_sixty_sets_is_neither_wide_nor_long(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.reload()
    expect(page.locator("[data-chart] .main-svg").first).to_be_visible()

    whole = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollHeight]")

    assert whole[0] == width
    assert whole[1] < 8_700


def test_nothing_is_clipped_in_print(page):
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print")

    clipped = page.evaluate(
        """() => [...document.querySelectorAll("main table")].filter(
          (table) => table.getBoundingClientRect().right > innerWidth + 1).length"""
    )
    page.emulate_media(media="screen")

    assert clipped == 0
