"""Chats in a real browser, with an engine whose every byte the test decides."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.chat_engine import END, ask, chat_engine, delta, part
from tests.browser.lib.checks import until
from tests.browser.lib.visits import PHONE, WIDE

pytestmark = pytest.mark.browser

SEED = """
from datetime import timedelta
from django.utils.timezone import now
from jobs.models import Conversation, Deployment, Host
from tests.factories import make_deployment, make_host
Conversation.objects.all().delete(); Deployment.objects.all().delete()
hosts = [
    Host.objects.filter(name=name).first() or make_host(name, type=host_type)
    for name, host_type in (("own", "this-computer"), ("sim", "simulated"))
]
Host.objects.update(heartbeat_at=now() + timedelta(hours=2))  # online until the tests are over
details = {{"engine": "vllm"}}
one = make_deployment(name="small", dashboard_url={url!r}, host=hosts[0], details=details)
two = make_deployment(name="r1", dashboard_url={url!r}, model_id="deepseek-r1", host=hosts[1])
print(one.pk, two.pk)
"""
CUT = END.replace(b'"stop"', b'"length"')
CODE = "```python\nprint({n})\n```\n\n"


@pytest.fixture
def engine():
    with chat_engine() as listening:
        yield listening


@pytest.fixture
def deployments(server, engine):
    return server.shell(SEED.format(url=engine.url))


ALSO_ON_A_PHONE = pytest.mark.parametrize(
    "page", [WIDE, PHONE], indirect=True, ids=["wide", "phone"]
)
# What a finger cannot reach: beside the screen, or too low.
OUT_OF_REACH = """() => [...document.querySelectorAll(
  "[data-turn] :is(button, a.btn)")].filter((one) => {
  const { left, right, height } = one.getBoundingClientRect();
  return height && (left < 0 || right > innerWidth || height < 29.5);
}).map((one) => one.outerHTML)"""


@pytest.fixture
def page(request, window, open_page, deployments):
    window.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_page()
    page.set_viewport_size(getattr(request, "param", WIDE))
    page.goto(f"/playground/?deployment={deployments[0]}")
    return page


def from_end(page):
    return page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY")


def answered(page, engine, text):
    engine.end(delta(content=text), END)
    turn = ask(page)
    expect(turn).to_have_attribute("data-state", "done")
    return turn


@ALSO_ON_A_PHONE
def test_regenerate_keeps_the_good_answer_on_a_503(page, engine):
    turn = answered(page, engine, "The good answer.")
    engine.status = 503
    engine.end(b"<html><head><title>503 Service Unavailable</title></head></html>")

    turn.get_by_role("button", name="Regenerate").click()

    turn = page.locator("[data-turn]")
    expect(turn).to_have_attribute("data-state", "failed")
    expect(turn).to_contain_text("503 Service Unavailable")
    expect(turn).to_contain_text("2/2")
    expect(turn).to_contain_text("The earlier answer stays")
    turn.get_by_role("link", name="Earlier attempt").click()
    expect(part(turn, "answer")).to_have_text("The good answer.")
    page.reload()
    expect(turn).to_contain_text("1/2")
    expect(part(turn, "answer")).to_have_text("The good answer.")

    engine.status = 200
    engine.end(delta(content="On it goes."), END)
    ask(page, "And now?")
    expect(turn).to_have_count(2)
    expect(turn.last).to_have_attribute("data-state", "done")
    sent = [message["content"] for message in engine.requests[-1]["messages"]]
    assert sent == ["Hello", "The good answer.", "And now?"]


@ALSO_ON_A_PHONE
def test_an_edited_message_is_a_branch_with_an_address(page, engine):
    answered(page, engine, "One.")
    engine.end(delta(content="Two."), END)
    ask(page, "And now?")
    turns = page.locator("[data-turn]")
    expect(turns).to_have_count(2)
    expect(turns.last).to_have_attribute("data-state", "done")

    turns.first.get_by_role("button", name="Edit").click()
    page.get_by_label("New version").fill("Goodbye")
    engine.end(delta(content="Bye."), END)
    page.get_by_role("button", name="Send as a new branch").click()

    expect(turns).to_have_count(1)
    expect(part(turns, "answer")).to_have_text("Bye.")
    expect(turns).to_have_attribute("data-state", "done")
    assert engine.requests[-1]["messages"] == [{"role": "user", "content": "Goodbye"}]
    edited = page.url
    page.get_by_role("link", name="Earlier version").click()
    expect(turns).to_have_count(2)
    expect(part(turns.last, "answer")).to_have_text("Two.")
    page.reload()
    expect(part(turns.last, "answer")).to_have_text("Two.")
    page.goto(edited)
    expect(turns).to_have_count(1)
    expect(part(turns, "prompt")).to_have_text("Goodbye")
    engine.end(delta(content="Still here."), END)
    ask(page, "Are you there?")
    expect(part(turns.last, "answer")).to_have_text("Still here.")
    sent = [message["content"] for message in engine.requests[-1]["messages"]]
    assert sent == ["Goodbye", "Bye.", "Are you there?"]


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_a_finger_reaches_all_buttons_of_branches_and_attempts(page, engine):
    turn = answered(page, engine, "One.")
    engine.end(delta(content="Two."), END)
    turn.get_by_role("button", name="Regenerate").click()
    expect(turn).to_contain_text("2/2")
    expect(turn).to_have_attribute("data-state", "done")

    turn.get_by_role("button", name="Edit").click()
    page.get_by_label("New version").fill("A longer message " * 20)
    assert page.evaluate(OUT_OF_REACH) == []
    engine.end(delta(content="Three."), END)
    page.get_by_role("button", name="Send as a new branch").click()
    expect(turn).to_have_attribute("data-state", "done")
    expect(turn.locator(".of-message")).to_contain_text("2/2")

    assert page.evaluate(OUT_OF_REACH) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@ALSO_ON_A_PHONE
def test_a_cut_answer_continues_in_its_place(page, engine):
    engine.end(delta(content="1, **2**, "), CUT)
    turn = ask(page, "Count")
    expect(turn).to_have_attribute("data-state", "done")

    engine.end(delta(content="3"), END)
    turn.get_by_role("button", name="Continue").click()

    turn = page.locator("[data-turn]")
    expect(turn).to_contain_text("continues the answer before")
    expect(turn).to_contain_text("2/2")
    expect(part(turn, "answer")).to_have_text("1, 2, 3")
    begun = {"role": "assistant", "content": "1, **2**, "}
    assert engine.requests[-1]["messages"][-1] == begun


def test_an_answer_that_is_not_streamed_shows_without_a_reload(page, engine):
    whole = {"choices": [{"message": {"content": "**Four.**"}, "finish_reason": "stop"}]}
    engine.end(json.dumps(whole, indent=2).encode())

    turn = ask(page)

    expect(part(turn, "answer").locator("strong")).to_have_text("Four.")


def call(index, arguments, **first):
    return {"index": index, **first, "function": {"arguments": arguments}}


def test_tool_calls_come_in_pieces_and_are_shown_folded(page, engine):
    page.locator("[data-more] summary").click()
    tools = [{"type": "function", "function": {"name": "weather"}}]
    page.locator("#p-extra").fill(json.dumps({"tools": tools}))
    named = {"index": 1, "id": "c2", "function": {"name": "time", "arguments": ""}}
    first = {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": "{"}}
    engine.say(delta(tool_calls=[first]))
    turn = ask(page)
    expect(page.locator("#sline")).to_contain_text("TTFT")
    expect(page.locator("#sline [data-word]").first).to_have_text("answering")
    expect(page.locator("#sline [data-clock]")).to_contain_text("s")

    engine.say(delta(tool_calls=[named, call(0, '"city":')]))
    engine.end(delta(tool_calls=[call(0, '"Oslo"}')]), END.replace(b'"stop"', b'"tool_calls"'))

    expect(turn).to_have_attribute("data-state", "done")
    expect(turn).to_contain_text("Ended with a tool call.")
    calls = part(turn, "calls").locator("details")
    expect(calls.locator("code")).to_have_text(["weather", "time"])
    expect(calls.first.locator("pre")).to_be_hidden()
    calls.first.locator("summary").click()
    expect(calls.first.locator("pre")).to_have_text('{\n  "city": "Oslo"\n}')
    assert engine.requests[-1]["tools"] == tools


def ttft_s(text):
    """Return the TTFT that a state line shows, in seconds: it has "ms" below 0.1 s."""
    figure, unit = re.search(r"TTFT ([\d.]+) (m?s)", text).groups()
    return float(figure) / (1000 if unit == "ms" else 1)


def test_a_reload_shows_the_numbers_of_the_streams_own_clock(page, engine):
    engine.say(delta(content="one "))
    turn = ask(page)
    expect(page.locator("#sline")).to_contain_text("TTFT")
    first = ttft_s(page.locator("#sline").inner_text())
    page.wait_for_timeout(1500)
    engine.say(delta(content="two "))
    expect(part(turn, "answer")).to_contain_text("two")
    expect(page.locator("#sline")).to_contain_text("tok/s")
    rate = re.search(r"([\d.]+) tok/s", page.locator("#sline").inner_text())[1]

    page.reload()

    line = page.locator("#sline")
    expect(line).to_contain_text("tok/s")
    again = ttft_s(line.inner_text())
    assert abs(again - first) < 0.3
    # Two tokens in a second and a half, however fast they came a second time.
    assert float(re.search(r"([\d.]+) tok/s", line.inner_text())[1]) <= float(rate) < 1
    assert "≈ 2 tokens" in line.inner_text()
    engine.end(END)
    expect(turn).to_have_attribute("data-state", "done")


def test_what_stands_there_stays_while_more_comes(page, engine):
    engine.say(*(delta(content=CODE.format(n=n)) for n in range(5)))
    turn = ask(page)
    expect(turn.locator("pre")).to_have_count(5)
    page.evaluate("window.blocks = [...document.querySelectorAll('.answer pre')].slice(0, 4)")
    page.evaluate("getSelection().selectAllChildren(blocks[1])")

    engine.say(*(delta(content=CODE.format(n=n)) for n in range(5, 20)))
    expect(turn.locator("pre")).to_have_count(20)
    turn.locator("pre").first.get_by_role("button", name="Copy").click()
    engine.end(delta(content="The end."), END)
    expect(turn).to_have_attribute("data-state", "done")

    blocks = "[...document.querySelectorAll('.answer pre')].slice(0, 4)"
    assert page.evaluate(f"{blocks}.every((block, index) => block === window.blocks[index])")
    assert page.evaluate("navigator.clipboard.readText()") == "print(0)\n"
    assert page.evaluate("getSelection().toString()").strip().endswith("print(1)")
    assert turn.locator("pre .hljs-built_in").count() == 20


def test_a_long_list_or_block_of_code_grows_in_its_place(page, engine):
    engine.say(delta(content="99. first\n100. second\n"))
    turn = ask(page)
    expect(turn.locator("ol.d3 > li")).to_have_count(2)
    page.evaluate("window.first = document.querySelector('.answer li')")

    engine.say(delta(content="101. thi"), delta(content="rd **bold**\n"))
    expect(turn.locator("li strong")).to_have_text("bold")
    engine.say(delta(content="\n```js\nlet a = 1;\n"))
    expect(turn.locator("pre code")).to_contain_text("let a")
    page.evaluate("window.code = document.querySelector('.answer pre')")
    engine.end(delta(content="let b = 2;\n```\n"), END)
    expect(turn).to_have_attribute("data-state", "done")

    assert page.evaluate("first === document.querySelector('.answer li')")
    assert page.evaluate("code === document.querySelector('.answer pre')")
    assert page.evaluate("code.querySelector('code').textContent") == "let a = 1;\nlet b = 2;\n"


def test_a_list_and_a_table_of_hundreds_are_whole_in_the_end(page, engine):
    items = "".join(f"{n}. item **{n}**\n" for n in range(1, 301))
    rows = "| a | b |\n|---|---|\n" + "".join(f"| {n} | `{n}` |\n" for n in range(300))
    text = f"{items}\nAnd:\n\n{rows}\nThe end."
    engine.end(*(delta(content=text[at : at + 500]) for at in range(0, len(text), 500)), END)

    turn = ask(page)

    for _ in range(2):
        expect(part(turn, "answer").locator("> p").last).to_have_text("The end.")
        expect(turn.locator("ol > li strong")).to_have_count(300)
        expect(turn.locator("tbody > tr code")).to_have_count(300)
        assert turn.locator("li").all_inner_texts() == [f"item {n}" for n in range(1, 301)]
        page.reload()


def test_the_page_follows_a_fast_answer_until_a_scroll_up(page, engine):
    lines = "".join(f"Line {n}.\n\n" for n in range(200))
    engine.say(*(delta(content=lines[at : at + 40]) for at in range(0, len(lines), 40)))
    turn = ask(page)
    expect(turn.locator("p").last).to_have_text("Line 199.")
    until(page, lambda: from_end(page) < 8)

    page.mouse.move(700, 400)
    page.mouse.wheel(0, -100)
    until(page, lambda: from_end(page) > 50)
    engine.say(*(delta(content=f"More {n}.\n\n") for n in range(20)))
    expect(turn.locator("p").last).to_have_text("More 19.")
    assert from_end(page) > 50

    page.evaluate("scrollTo({top: document.documentElement.scrollHeight, behavior: 'instant'})")
    engine.say(*(delta(content=f"Again {n}.\n\n") for n in range(20)))
    expect(turn.locator("p").last).to_have_text("Again 19.")
    until(page, lambda: from_end(page) < 8)
    engine.end(END)
    expect(turn).to_have_attribute("data-state", "done")


def test_a_thought_is_markdown_that_opens_and_copies_whole(page, engine):
    thought = "".join(f"- step {n}\n" for n in range(60))
    engine.say(delta(reasoning=thought))
    turn = ask(page)
    body = part(turn, "reasoning")
    expect(body.locator("li")).to_have_count(60)
    assert body.evaluate("box => box.clientHeight") <= 200

    turn.get_by_role("button", name="Full height").click()
    assert body.evaluate("box => box.clientHeight === box.scrollHeight && box.clientHeight > 600")
    turn.locator("[data-copy-part=reasoning]").click()
    assert page.evaluate("navigator.clipboard.readText()") == thought.strip()
    engine.end(delta(content="So **so**."), END)
    expect(turn).to_have_attribute("data-state", "done")

    turn.locator("[data-copy-part=answer]").click()
    assert page.evaluate("navigator.clipboard.readText()") == "So **so**."
    page.reload()
    expect(part(turn, "answer").locator("strong")).to_have_text("so")
    page.evaluate("navigator.clipboard.writeText('')")
    turn.locator("[data-copy-part=answer]").click()
    assert page.evaluate("navigator.clipboard.readText()") == "So **so**."


def test_switching_deployment_updates_state_and_parameters(page, engine, deployments):
    answered(page, engine, "Hi.")
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Message").fill("half a question")

    page.get_by_label("Deployment").select_option(label="r1 (simulated)")

    expect(page.get_by_label("temperature").first).to_have_value("0.6")
    expect(page.locator("#chat-sim")).to_have_text("simulated")
    expect(page.get_by_label("System prompt")).to_have_value("Be brief.")
    expect(page.locator("[data-advice]")).to_be_visible()
    expect(page.get_by_label("Message")).to_have_value("half a question")
    expect(page).to_have_url(re.compile(rf"\?deployment={deployments[1]}$"))
    engine.end(delta(content="<think>Hm.</think>So."), END)
    page.get_by_role("button", name="Send").click()
    turns = page.locator("[data-turn]")
    expect(turns).to_have_count(2)
    expect(turns.nth(1).locator(".turn-by")).to_contain_text("r1")
    expect(turns.nth(1).locator(".turn-by")).to_contain_text("temperature 0.6")
    expect(turns.nth(0).locator(".turn-by")).to_contain_text("small")
    expect(turns.nth(1)).to_have_attribute("data-state", "done")


def test_a_thought_that_is_stopped_stays_a_thought(page, engine, deployments):
    page.goto(f"/playground/?deployment={deployments[1]}")
    engine.say(delta(content="The user asks."))
    turn = ask(page)
    expect(part(turn, "reasoning")).to_have_text("The user asks.")

    page.get_by_role("button", name="Stop").click()

    expect(turn).to_have_attribute("data-state", "stopped")
    expect(part(turn, "reasoning")).to_have_text("The user asks.")
    expect(part(turn, "answer")).to_be_empty()
    engine.end()


def test_a_draft_outlasts_a_reload(page, engine):
    page.get_by_label("Message").fill("half a question")

    page.reload()

    expect(page.get_by_label("Message")).to_have_value("half a question")
    answered(page, engine, "Hi.")
    page.goto("/playground/")
    expect(page.get_by_label("Message")).to_have_value("")


def test_what_one_tab_asks_appears_in_the_other(page, engine, open_page):
    answered(page, engine, "One.")
    other = open_page(page.url)

    engine.say(delta(content="Two"))
    page.get_by_label("Message").fill("And now?")
    page.get_by_role("button", name="Send").click()

    expect(other.locator("[data-turn]")).to_have_count(2)
    expect(part(other.locator("[data-turn]").last, "answer")).to_have_text("Two")
    engine.end(delta(content=" it is."), END)
    for tab in (page, other):
        expect(part(tab.locator("[data-turn]").last, "answer")).to_have_text("Two it is.")
        expect(tab.locator("[data-turn]").last).to_have_attribute("data-state", "done")


SHOWN = (
    ("**“粗体”**后文", "strong", "“粗体”"),
    ("前文**（粗体）**。", "strong", "（粗体）"),
    ("**变量`x**2`很大**", "strong", "变量x**2很大"),
    ("**见[链接](http://x/a**b)**", "strong a", "链接"),
    ("幂a**(n-1)和b**2", "p:not(:has(strong))", "幂a**(n-1)和b**2"),
    ("**“a” and “b”**", "strong", "“a” and “b”"),
    (r"\begin{align}a&=b\\c&=d\end{align}", ".katex-display", None),
    (r"So \boxed{42} it is.", ".katex", None),
    (r"It is \ce{H2O}.", ".katex", None),
    ("$10 today; price is 5$", "p", "$10 today; price is 5$"),
    ("- [x] done\n- [ ] open", "li >> nth=0", "☑ done"),
    ("![](http://example.org/a.png)", "a", "image: http://example.org/a.png"),
    ("100. a\n101. b", "ol.d3", None),
)


def test_answers_are_shown_as_they_are_meant(page, engine):
    for number, (text, selector, shown) in enumerate(SHOWN, start=1):
        engine.end(delta(content=text), END)
        ask(page)
        expect(page.locator("[data-turn]")).to_have_count(number)
        turn = page.locator("[data-turn]").last
        expect(turn).to_have_attribute("data-state", "done")

        place = part(turn, "answer").locator(selector).first
        expect(place).to_be_visible()
        if shown:
            expect(place).to_have_text(shown)


def test_the_message_box_is_ready_and_grows_with_its_text(page, engine):
    message = page.get_by_label("Message")
    expect(message).to_be_focused()
    low = message.bounding_box()["height"]

    message.fill("one\n" * 8)
    high = message.bounding_box()["height"]
    message.fill("one\n" * 200)
    highest = message.bounding_box()["height"]
    engine.end(delta(content="fine"), END)
    ask(page)

    assert low < high < highest < page.viewport_size["height"] / 2
    until(page, lambda: message.bounding_box()["height"] == low)
    page.get_by_role("link", name="New chat").click()
    page.wait_for_url(re.compile(r"/playground/(\?|$)"))
    expect(message).to_be_focused()


def test_r_folds_the_newest_thought(page, engine):
    for number in (1, 2):
        engine.end(delta(reasoning_content="Hm."), delta(content="fine"), END)
        ask(page)
        expect(page.locator("[data-turn]")).to_have_count(number)
        expect(page.locator("[data-turn]").last).to_have_attribute("data-state", "done")
    thoughts = page.locator("details.think")
    before = [thoughts.nth(n).evaluate("one => one.open") for n in (0, 1)]
    page.evaluate("document.activeElement.blur()")

    page.keyboard.press("r")

    after = [thoughts.nth(n).evaluate("one => one.open") for n in (0, 1)]
    assert after == [before[0], not before[1]]


def test_a_button_leads_to_the_end_from_above(page, engine):
    answered(page, engine, "".join(f"Line {n}.\n\n" for n in range(200)))
    button = page.get_by_role("button", name="To the end")
    expect(button).to_be_hidden()
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")

    button.click()

    until(page, lambda: from_end(page) < 8)
    expect(button).to_be_hidden()


def test_a_formula_is_no_wider_than_its_answer(page, engine):
    turn = answered(page, engine, r"$\rule{99999em}{99999em}$")

    answer = part(turn, "answer")
    expect(answer.locator(".katex")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert answer.bounding_box()["height"] < 2000


def test_enter_that_ends_a_composition_sends_nothing(page, engine):
    message = page.get_by_label("Message")
    message.fill("ni hao")

    # As Safari sends it: the composition is over, the key is still that of the input method.
    message.evaluate(
        """element => element.dispatchEvent(new KeyboardEvent(
            "keydown", {key: "Enter", keyCode: 229, bubbles: true, cancelable: true}))"""
    )

    assert page.locator("[data-turn]").count() == 0
    expect(message).to_have_value("ni hao")


def test_an_error_below_a_long_question_is_in_sight(page, engine):
    engine.status = 500
    engine.end(b'{"error":{"message":"out of memory"}}')

    turn = ask(page, "word " * 3000)

    expect(turn).to_have_attribute("data-state", "failed")
    note, box = turn.locator(".note.bad").bounding_box(), page.locator("#ask").bounding_box()
    assert note["y"] + note["height"] <= box["y"]
    assert note["y"] > 0


def test_a_chat_of_another_person_is_rendered_and_read_only(page, engine, server):
    answered(page, engine, CODE.format(n=1))
    number = page.url.rstrip("/").rpartition("/")[2]
    server.shell(
        "from jobs.models import Account, Conversation\n"
        "from django.contrib.auth.models import User\n"
        "Account.objects.update(role='admin')\n"
        "user, _is_new = User.objects.get_or_create(username='owner-of-a-chat')\n"
        f"print(Conversation.objects.filter(pk={number}).update(user=user))"
    )

    page.reload()

    expect(page.locator("[data-part=answer] pre code")).to_have_text("print(1)")
    expect(page.get_by_text("read only. The audit log has this visit.")).to_be_visible()
    expect(page.get_by_label("Message")).to_have_count(0)


def test_an_answer_that_repeats_itself_offers_to_stop(page, engine):
    engine.say(delta(content="It begins. "))
    turn = ask(page)
    line = page.locator("#sline")
    expect(line).to_contain_text("answering")
    expect(line.get_by_role("button", name="Stop")).to_be_hidden()

    engine.say(*(delta(content="Wait, let me check the sum of these again. ") for _ in range(20)))

    expect(line).to_contain_text("Repeats itself since")
    expect(turn).to_have_attribute("data-state", "streaming")
    line.get_by_role("button", name="Stop").click()
    expect(turn).to_have_attribute("data-state", "stopped")
    expect(line).to_be_hidden()


def attach(page, *files):
    page.locator("[data-files]").set_input_files(
        [{"name": name, "mimeType": "text/plain", "buffer": content} for name, content in files]
    )


def test_text_files_are_sent_in_fences_and_shown_folded(page, engine):
    attach(page, ("one.py", b"print('<b>')\n"), ("gone.txt", b"x"))
    page.get_by_role("button", name="Remove gone.txt").click()

    turn = answered(page, engine, "Seen.")

    sent = "Hello\n\nFile: one.py\n```\nprint('<b>')\n```"
    assert engine.requests[-1]["messages"][-1]["content"] == sent
    prompt = part(turn, "prompt")
    expect(prompt.locator("summary")).to_have_text("File: one.py")
    assert prompt.text_content() == sent
    engine.end(delta(content="Again."), END)
    turn.get_by_role("button", name="Regenerate").click()
    expect(part(page.locator("[data-turn]"), "answer")).to_have_text("Again.")
    assert engine.requests[-1]["messages"][-1]["content"] == sent


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe", "no UTF-8 text"),
        (b"a\x00b", "no UTF-8 text"),
        (b"a" * (128 * 1024 + 1), "larger than 128 KiB"),
    ],
)
def test_a_file_that_is_no_short_text_is_refused(page, content, problem):
    attach(page, ("a.bin", content))

    expect(page.get_by_role("alert")).to_contain_text(problem)
    expect(page.locator("[data-attached]")).to_be_hidden()


def test_parameters_are_saved_as_a_preset_and_chosen_in_another_chat(page, window, deployments):
    page.locator("#p-temperature").fill("0.15")
    page.locator("#p-system").fill("Be brief.\nNo lists.")
    page.get_by_text("Save as preset").click()
    page.get_by_label("Name of the preset").fill("Terse")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Terse saved.")).to_be_visible()
    choice = page.locator("#preset")
    expect(choice.locator("option:checked")).to_have_text("Terse")

    page.locator("#p-temperature").fill("9")
    expect(choice.locator("option:checked")).to_have_text("None")
    page.get_by_label("Name of the preset").fill("Hot")
    page.keyboard.press("Enter")
    expect(page.locator("[data-error=temperature]")).to_be_visible()
    assert [each[:4] for each in window.complaints.take()] == ["422:"]

    page.goto(page.url.replace(f"deployment={deployments[0]}", f"deployment={deployments[1]}"))
    expect(page.locator("#p-system")).to_have_value("")
    choice.select_option(label="Terse")
    expect(page.locator("#p-temperature")).to_have_value("0.15")
    expect(page.locator("#p-system")).to_have_value("Be brief.\nNo lists.")
    expect(page.locator("#p-top_p")).to_have_value("0.95")
    choice.select_option(label="None")
    expect(page.locator("#p-system")).to_have_value("")


def test_a_preset_that_does_not_load_says_so(page, window, server):
    (number,) = server.shell("from tests.factories import make_preset; print(make_preset().pk)")
    page.reload()
    page.route("**/presets/*/texts/", lambda route: route.abort(), times=1)
    temperature = page.locator("#p-temperature").input_value()

    page.locator("#preset").select_option(number)
    expect(page.locator("#preset-error")).to_have_text("The preset did not load. Choose it again.")
    expect(page.locator("#preset option:checked")).to_have_text("None")
    expect(page.locator("#p-temperature")).to_have_value(temperature)
    assert ["/texts/" in each for each in window.complaints.take()] == [True]

    page.locator("#preset").select_option(number)
    expect(page.locator("#preset-error")).to_be_hidden()
    expect(page.locator("#p-temperature")).to_have_value("0.2")
