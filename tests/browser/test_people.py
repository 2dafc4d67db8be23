"""The role of a person is chosen in a list, and changed in a dialog that asks."""

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import axe

pytestmark = pytest.mark.browser

SEED = """
from jobs.models import Account
from tests.factories import make_user
Account.objects.update(role="admin")
make_user("eve")
"""


def test_a_dialog_asks_before_a_role_changes(server, open_page):
    server.shell(SEED)
    page = open_page("/people/")
    role = page.get_by_label("Role of eve")
    change = page.locator("form", has=role).get_by_role("button")
    dialog = page.locator("dialog.confirm[open]")

    role.select_option("admin")
    expect(dialog).to_have_count(0)  # arrow keys walk through the list
    change.click()
    expect(dialog.get_by_role("heading")).to_have_text("Make eve an admin?")
    assert axe(page) == []
    page.keyboard.press("Enter")  # on what changes nothing
    expect(dialog).to_have_count(0)
    change.click()
    dialog.get_by_role("button", name="Change role").click()

    expect(role).to_have_value("admin")
    page.reload()
    expect(role).to_have_value("admin")
