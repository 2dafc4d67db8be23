"""Chats that leave and come: shared with another person, exported, imported."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.chat_engine import part
from tests.browser.lib.visits import axe, log_in, open_window, too_wide

pytestmark = pytest.mark.browser

SEED = """
from django.contrib.auth import get_user_model
from jobs.models import Conversation, Turn
from tests.factories import make_user
from tests.stack import PASSWORD
users = get_user_model().objects
chat = Conversation.objects.create(user=users.first(), title="Colours of the sky")
mo = make_user(f"mo-{users.count()}", password=PASSWORD, role="viewer")
texts = {"prompt": "Why is it blue?", "reasoning": "Of light.", "answer": "**Rayleigh** scatters."}
Turn.objects.create(conversation=chat, index=0, state="done", request={"model": "r1"}, **texts)
print(chat.pk, mo.username)
"""


@pytest.fixture
def seeded(server):
    """Number of a chat, and name of another person."""
    return server.shell(SEED)


def test_another_person_reads_a_share_until_it_is_revoked(browser, server, open_page, seeded):
    chat, name = seeded
    page = open_page(f"/playground/{chat}/")
    page.get_by_label("Actions of this chat").click()
    page.get_by_role("link", name="Share by link").click()
    dialog = page.get_by_role("dialog", name="Share this chat")
    dialog.get_by_label("Expires after").select_option("1 day")
    dialog.get_by_role("button", name="Create link").click()
    page.wait_for_url("**/playground/shares/")
    link = page.get_by_role("button", name="Copy link").get_attribute("data-copy-text")
    assert axe(page) == []

    with open_window(browser, server, logged_in=False) as window:
        reader = window.new_page()
        log_in(reader, name)
        reader.goto(link)
        turn = reader.locator("[data-turn]")
        expect(part(turn, "answer").locator("strong")).to_have_text("Rayleigh")
        expect(part(turn, "reasoning")).to_be_hidden()
        turn.get_by_text("Thought").click()
        expect(part(turn, "reasoning")).to_have_text("Of light.")
        for label in ("Message", "Revoke", "Regenerate", "Edit", "View request"):
            expect(reader.get_by_text(label, exact=True)).to_have_count(0)
        assert axe(reader) == []
        reader.set_viewport_size({"width": 390, "height": 800})
        assert too_wide(reader) == ""
        assert window.complaints == []

        page.get_by_role("button", name="Revoke").click()
        expect(page.get_by_text("Share revoked.")).to_be_visible()
        assert reader.goto(link).status == 404


def test_an_exported_chat_is_imported_and_exports_the_same(open_page, seeded, tmp_path):
    page = open_page(f"/playground/{seeded[0]}/")

    def exported(name):
        page.get_by_label("Actions of this chat").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="JSON").click()
        download.value.save_as(tmp_path / name)
        return json.loads((tmp_path / name).read_text())

    first = exported("first.json")
    page.goto("/playground/")
    page.get_by_role("link", name="Import a chat").first.click()
    page.get_by_label("File").set_input_files(tmp_path / "first.json")
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile(r"/playground/\d+/"))

    expect(page.get_by_text("Chat imported.")).to_be_visible()
    expect(page.locator("[data-turn]").get_by_text("imported", exact=True)).to_be_visible()
    marked = [turn | {"is_imported": True} for turn in first["turns"]]
    assert exported("second.json") == first | {"turns": marked}
