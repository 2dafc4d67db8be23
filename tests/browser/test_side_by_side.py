"""Chats side by side in a real browser, with an engine a column whose bytes the test decides."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.chat_engine import END, chat_engine, delta, part

pytestmark = pytest.mark.browser

SEED = """
from jobs.models import Conversation, Deployment, Host
from tests.factories import make_deployment, make_host
Conversation.objects.all().delete(); Deployment.objects.all().delete()
host = Host.objects.filter(name="own").first() or make_host("own", type="this-computer")
for name, url in {engines!r}:
    print(make_deployment(name=name, dashboard_url=url, host=host).pk)
"""
DEAD = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture
def engines():
    with chat_engine() as one, chat_engine() as two:
        yield one, two


@pytest.fixture
def page(server, open_page, engines):
    named = [("fp16", engines[0].url), ("int8", engines[1].url), ("dead", DEAD)]
    keys = server.shell(SEED.format(engines=named))
    query = "&".join(f"column={key}" for key in keys)
    return open_page(f"/playground/side-by-side/?{query}")


def column(page, number):
    return page.locator("[data-column]").nth(number - 1)


def send(page, text="Hello"):
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Control+Enter")


def turn(page, number):
    return column(page, number).locator("[data-turn]").last


def both_done(page, engines, first, second):
    for engine, text in zip(engines, (first, second), strict=True):
        engine.end(delta(reasoning_content="Hm."), delta(content=text), END)
    send(page)
    for number in (1, 2):
        expect(turn(page, number)).to_have_attribute("data-state", "done")


def test_a_stalled_and_a_dead_column_hold_nobody_up(page, engines):
    engines[0].say(delta(content="Half an answ"))
    engines[1].end(delta(content="All of it."), END)

    send(page)

    expect(turn(page, 2)).to_have_attribute("data-state", "done")
    expect(column(page, 2).locator("[data-figures]")).to_contain_text("TTFT")
    expect(turn(page, 3)).to_have_attribute("data-state", "failed")
    expect(column(page, 3).locator("[data-figures]")).to_contain_text("failed")
    expect(part(turn(page, 1), "answer")).to_have_text("Half an answ")
    expect(column(page, 1).locator("[data-sline]")).to_contain_text("stalled", timeout=15_000)

    expect(page.locator("#send")).to_have_text("Send to 2 of 3")
    engines[1].end(delta(content="More."), END)
    send(page, "And now?")
    expect(part(turn(page, 2), "answer")).to_have_text("More.")
    expect(turn(page, 1)).to_have_attribute("data-state", "streaming")

    page.keyboard.press("Escape")
    expect(turn(page, 1)).to_have_attribute("data-state", "stopped")
    expect(column(page, 1).locator("[data-figures]")).to_contain_text("stopped")
    expect(page.locator("#send")).to_have_text("Send")


def test_one_column_is_stopped_and_the_other_goes_on(page, engines):
    for engine in engines:
        engine.say(delta(content="Begin"))
    send(page)
    for number in (1, 2):
        expect(part(turn(page, number), "answer")).to_have_text("Begin")

    column(page, 1).get_by_role("button", name="Stop").click()

    expect(turn(page, 1)).to_have_attribute("data-state", "stopped")
    engines[1].end(delta(content=" and end."), END)
    expect(part(turn(page, 2), "answer")).to_have_text("Begin and end.")


def test_the_address_shows_the_same_columns_again(page, engines):
    both_done(page, engines, "Four.", "Five.")
    expect(page).to_have_url(
        re.compile(r"\?column=chat%3A\d+&column=chat%3A\d+&column=chat%3A\d+$")
    )

    page.reload()

    expect(part(turn(page, 1), "answer")).to_have_text("Four.")
    expect(part(turn(page, 2), "answer")).to_have_text("Five.")
    expect(turn(page, 3)).to_have_attribute("data-state", "failed")
    for engine in engines:
        engine.end(delta(content="Next."), END)
    send(page, "And now?")
    expect(part(turn(page, 2), "answer")).to_have_text("Next.")
    sent = [message["content"] for message in engines[1].requests[-1]["messages"]]
    assert sent == ["Hello", "Five.", "And now?"]


def test_one_column_is_continued_alone(page, engines):
    both_done(page, engines, "Four.", "Five.")

    column(page, 2).get_by_role("link", name="Continue alone").click()

    page.wait_for_url(re.compile(r"/playground/\d+/"))
    expect(part(page.locator("[data-turn]"), "answer")).to_have_text("Five.")
    expect(page.locator("#deployment option:checked")).to_have_text("int8")


def test_reasoning_opens_and_folds_in_all_columns(page, engines):
    both_done(page, engines, "Four.", "Five.")
    thoughts = page.locator("[data-part=think]")
    opened = page.locator("[data-part=think][open]:visible")
    expect(opened).to_have_count(0)

    page.get_by_role("button", name="Open all reasoning").click()
    expect(opened).to_have_count(2)
    thoughts.first.locator("summary").click()
    expect(opened).to_have_count(0)
    thoughts.nth(1).locator("summary").click()
    expect(opened).to_have_count(2)


def test_the_difference_shows_words_and_runs_nothing(page, engines):
    hostile = "<img src=x onerror=document.title='owned'> and <script>alert(1)</script> four"
    both_done(page, engines, "It is four, really.", f"It is {hostile}, really.")

    page.get_by_role("button", name="Compare answers").click()
    dialog = page.locator("#difference")
    dialog.locator("[data-right]").select_option("1")

    words = dialog.locator("[data-words]")
    expect(words).to_contain_text("<script>alert(1)</script>")
    expect(words.locator("ins").first).to_be_visible()
    expect(words.locator("img, script")).to_have_count(0)
    expect(words.locator("span").first).to_have_text(re.compile(r"It is\s*"))
    assert "owned" not in page.title()

    dialog.locator("[data-right]").select_option("2")
    expect(dialog.locator("[data-summary]")).to_have_text("No answer from 3. dead.")
    dialog.locator("[data-right]").select_option("0")
    expect(dialog.locator("[data-summary]")).to_have_text("Both answers have the same words.")


def test_another_choice_of_columns_keeps_message_and_parameters(page, engines):
    page.get_by_label("Message", exact=True).fill("Not sent yet")
    menu = page.get_by_text("Parameters", exact=True).first
    menu.click()
    page.locator("#p-temperature").fill("0.15")
    menu.click()

    column(page, 3).get_by_role("link", name="Remove column 3").click()

    expect(page.locator("[data-column]")).to_have_count(2)
    expect(page.get_by_label("Message", exact=True)).to_have_value("Not sent yet")
    expect(page.locator("#p-temperature")).to_have_value("0.15")
    page.locator("#column-add").select_option(label="fp16")
    expect(page.locator("[data-column]")).to_have_count(3)


def test_columns_are_swiped_on_a_phone(page, engines):
    page.set_viewport_size({"width": 390, "height": 800})
    box = column(page, 1).bounding_box()
    assert 300 < box["width"] < 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    column(page, 3).scroll_into_view_if_needed()
    expect(column(page, 3)).to_be_in_viewport()
    page.set_viewport_size({"width": 1280, "height": 800})
