"""The reader of answers in a real browser: steps, hostile answers, a phone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import axe, too_wide

pytestmark = pytest.mark.browser

SEED = r"""
from jobs.models import Answer
from jobs.services.outcomes import answer_rows
from tests.jobs.lib import answering
base, result = answering.make_evaluations()
hostile = [
    "<script>window.broken = 1</script><img src=x onerror='window.broken = 2'>",
    "[press](javascript:window.broken=3) <svg onload='window.broken=4'></svg>",
    "$\\frac{1}{$ and \\(\\def\\a{\\a\\a}\\a\\) and $$\\href{javascript:alert(1)}{x}$$ \\[",
    "\x1b[31m\x07\u202edoc.exe\u2066" + "`" * 999,
    "[" * 4000 + "*_" * 4000,
    "<b>" * 700_000,
]
for index, text in enumerate(hostile):
    Answer.objects.filter(result=result, index=index).update(
        question=text[:100_000], answer=text, reasoning=text, expected=text, extracted=text
    )
answer_rows.keep(result)
print(result.pk)
"""
HOSTILE = 6
SHOWN = "[data-pane] [data-answer]"


@pytest.fixture(scope="module")
def seeded(server):
    return int(server.shell(SEED)[0])


@pytest.fixture
def page(open_page, seeded):
    return open_page(f"/results/res-{seeded}/answers/8/")


def shows(page, index):
    expect(page.locator(SHOWN)).to_have_attribute("data-answer", str(index))


def test_keys_step_and_the_address_follows(page):
    page.keyboard.press("j")
    shows(page, 9)
    page.keyboard.press("ArrowRight")
    shows(page, 10)
    page.keyboard.press("k")
    shows(page, 9)
    expect(page).to_have_url(re.compile("/answers/9/$"))
    expect(page.locator("[data-place]")).to_have_text("10 of 24")
    page.keyboard.press("r")
    expect(page.locator("[data-think] strong, [data-think] p").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#reader-text")).to_be_focused()
    assert axe(page) == []


def test_reasoning_opened_before_the_script_came_stays_open(page, seeded):
    def opens_first(script):
        page.locator("[data-think] summary").click()
        script.continue_()

    page.route("**/reader*.js", opens_first)
    page.goto(f"/results/{seeded}/answers/8/")
    expect(page.locator("[data-raw]")).to_be_visible()  # the script has come

    expect(page.locator("[data-think] .body")).to_be_visible()
    page.keyboard.press("j")
    shows(page, 9)
    expect(page.locator("[data-think] .body")).to_be_visible()


def test_reasoning_opened_just_before_a_key_stays_open(page):
    page.keyboard.press("j")
    shows(page, 9)
    page.keyboard.press("k")
    shows(page, 8)
    # In one task: answer 9 is here already, and "toggle" comes after it is shown.
    page.evaluate("""() => {
      document.querySelector("[data-think] summary").click();
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "j" }));
    }""")

    shows(page, 9)
    expect(page.locator("[data-think] .body")).to_be_visible()


def test_hostile_answers_are_harmless(page, seeded):
    page.goto(f"/results/res-{seeded}/answers/?order=index")
    page.locator("[data-think] summary").click()
    for index in range(HOSTILE):
        shows(page, index)
        expect(page.locator("[data-think] .body")).to_be_visible()
        page.keyboard.press("j")
    shows(page, HOSTILE)

    assert page.evaluate("window.broken") is None
    assert page.locator("[data-pane] :is(script, img, iframe, object)").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert too_wide(page) == ""


def test_on_a_phone_list_and_answer_are_two_steps(page, seeded):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/results/res-{seeded}/answers/?show=cut")
    expect(page.locator(SHOWN)).to_be_hidden()
    assert too_wide(page) == ""

    page.locator("[data-row='11']").click()

    shows(page, 11)
    expect(page.locator("[data-list]")).to_be_hidden()
    assert too_wide(page) == ""
    page.get_by_role("link", name="All answers").click()
    expect(page.locator("[data-row='11']")).to_be_visible()
