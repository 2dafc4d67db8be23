"""The commands of a job open beside its page, and leave it as it was."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_the_commands_open_by_a_key_and_close_by_escape_or_a_click_beside_them(open_page, server):
    page = open_page(f"/jobs/{server.job}/")
    commands = page.get_by_role("dialog", name=f"Commands of #{server.job}")
    button = page.locator("button[data-key=c]")
    button.focus()

    page.keyboard.press("c")
    expect(commands).to_be_visible()
    expect(commands.locator("button:focus")).to_be_visible()
    page.keyboard.press("Escape")
    expect(commands).to_be_hidden()
    expect(button).to_be_focused()

    button.click()
    expect(commands.get_by_text("Run environment")).to_be_in_viewport()
    page.mouse.click(5, 400)
    expect(commands).to_be_hidden()
