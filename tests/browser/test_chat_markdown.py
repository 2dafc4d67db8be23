"""Diagrams and footnotes of answers in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.lib.chat_engine import END, ask, chat_engine, delta, part

pytestmark = pytest.mark.browser

SEED = """
from jobs.models import Conversation, Deployment, Turn
from tests.factories import make_deployment
Conversation.objects.all().delete(); Deployment.objects.all().delete()
deployment = make_deployment(name="small", dashboard_url={url!r}, details={{"engine": "vllm"}})
print(deployment.pk)
"""
DIAGRAM = "```mermaid\nflowchart LR\n  A[Client] --> B[Gateway]\n```\n"
BROKEN = "```mermaid\nflowchart LR\n  A[Client --> B{\n```\n"
HOSTILE = """```mermaid
%%{init: {"securityLevel": "loose", "htmlLabels": true, "flowchart": {"htmlLabels": true}}}%%
flowchart LR
  A["<b onmouseover='top.hacked = 1'>x</b><script>parent.hacked = 1</script>"] --> B
  click B "javascript:parent.hacked = 1"
```
"""
NOTES = """A claim[^1], another[^Note] and the class [^abc].

[^1]: The **first** source.
[^note]: The second,
on two lines.

After it.
"""


@pytest.fixture
def engine():
    with chat_engine() as listening:
        yield listening


@pytest.fixture
def page(server, engine, open_page):
    (number,) = server.shell(SEED.format(url=engine.url))
    page = open_page(f"/playground/?deployment={number}")
    page.evaluate("document.documentElement.dataset.bsTheme = 'light'")
    return page


def answer(page, engine, *pieces):
    engine.end(*(delta(content=piece) for piece in pieces), END)
    turn = ask(page)
    expect(turn).to_have_attribute("data-state", "done")
    return part(turn, "answer")


def loaded(page):
    return [frame.url for frame in page.frames if "diagrams" in frame.url]


def test_a_diagram_is_an_image_with_its_source(page, engine):
    shown = answer(page, engine, "Here:\n\n", *DIAGRAM, "\nDone.")
    image = shown.get_by_role("img", name="Diagram")

    expect(image).to_be_visible()
    width, source = image.evaluate("(one) => [one.naturalWidth, decodeURIComponent(one.src)]")
    assert width > 100
    assert "Gateway" in source
    code = shown.locator("pre code")
    expect(code).to_be_hidden()
    shown.get_by_role("button", name="Source").click()
    expect(code).to_have_text("flowchart LR\n  A[Client] --> B[Gateway]\n")

    page.reload()
    expect(image).to_be_visible()


def test_a_diagram_follows_the_theme(page, engine):
    image = answer(page, engine, DIAGRAM).get_by_role("img", name="Diagram")
    expect(image).to_be_visible()
    light = image.get_attribute("src")

    page.evaluate(
        "document.documentElement.dataset.bsTheme = 'dark';"
        "document.dispatchEvent(new CustomEvent('theme'))"
    )

    expect(image).not_to_have_attribute("src", light)
    expect(image).to_have_count(1)


def test_a_broken_diagram_shows_its_source_and_why(page, engine):
    shown = answer(page, engine, BROKEN, DIAGRAM)

    expect(shown).to_contain_text("Diagram not drawn: Parse error on line 2")
    expect(shown.locator("pre").first.locator("code")).to_contain_text("A[Client --> B{")
    expect(shown.get_by_role("img", name="Diagram")).to_have_count(1)


def test_a_long_diagram_is_not_drawn(page, engine):
    shown = answer(page, engine, DIAGRAM.replace("Client", "x" * 20_000))

    expect(shown).to_contain_text("Diagram not drawn: longer than 20000 characters")
    assert not loaded(page)


def test_a_hostile_diagram_runs_nothing(page, window, engine):
    shown = answer(page, engine, HOSTILE)

    image = shown.get_by_role("img", name="Diagram")
    expect(image).to_be_visible()
    image.hover()
    assert not shown.locator("svg, script").count()
    assert page.evaluate("window.hacked") is None
    (frame,) = [one for one in page.frames if "diagrams" in one.url]
    script = "() => { try { return String(parent.document.title) } catch (e) { return e.name } }"
    assert frame.evaluate(script) == "SecurityError"
    assert frame.evaluate("window.origin") == "null"
    # The policy of the frame refused the handler.
    assert {"inline" in one for one in window.complaints.take()} <= {True}


def test_mermaid_is_loaded_with_a_diagram_only(page, engine):
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    answer(page, engine, "```python\nprint(1)\n```\n")
    page.reload(wait_until="networkidle")

    assert not [one for one in asked if "mermaid" in one or "diagrams" in one]


def test_references_lead_to_their_footnotes(page, engine):
    shown = answer(page, engine, NOTES)

    notes = shown.locator(".footnote")
    expect(notes).to_have_text(["1 The first source.", "note The second,\non two lines."])
    expect(notes.first.locator("strong")).to_have_text("first")
    expect(shown).to_contain_text("the class [^abc].")
    expect(shown.locator("p").last).to_have_text("After it.")
    shown.get_by_role("button", name="Footnote Note").click()
    expect(notes.last).to_be_focused()


def test_a_text_of_brackets_is_read_in_time(page, engine):
    text = "[^" * 20_000 + "\n" + "[^a]: " * 5_000
    shown = answer(page, engine, text)

    expect(shown).to_contain_text("[^[^")
