"""Confirmations of stopping, on the narrow screen of a phone, in both languages."""

import pytest

from tests.browser.lib.visits import PHONE, open_window

pytestmark = pytest.mark.browser

SERVED = """
from django.contrib.auth import get_user_model
from tests.factories import make_deployment
name, owner = "DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048", get_user_model().objects.first()
print(make_deployment(name=name, created_by=owner).pk)
"""


@pytest.fixture
def address(server):
    (number,) = server.shell(SERVED)
    return f"/deployments/{number}/"


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_question_before_a_stop_is_whole_on_a_phone(window, open_page, address, language):
    window.add_cookies([{"name": "django_language", "value": language, "url": window.site.url}])
    page = open_page()
    page.set_viewport_size(PHONE)
    page.goto(address)

    page.locator(".head a.danger").click()

    box = page.locator("dialog.confirm[open]").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= PHONE["height"]


def test_the_dialog_focuses_back_and_the_red_button_confirms(open_page, server, address):
    page = open_page(address)
    page.locator(".head a.danger").click()
    dialog = page.locator("dialog.confirm[open]")
    dialog.wait_for()
    assert page.evaluate("document.activeElement.dataset.back") == ""

    page.keyboard.press("Enter")

    dialog.wait_for(state="detached")
    assert page.url == server.url + address
    page.locator(".head a.danger").click()
    dialog.locator("button.danger").click()
    page.wait_for_url(server.url + address)
    page.locator(".say", has_text="topping").wait_for()


def test_without_scripts_the_same_question_is_a_page(browser, server, address):
    with open_window(browser, server, java_script_enabled=False) as plain:
        page = plain.new_page()
        page.goto(f"{address}stop/")

        assert page.locator("[data-confirm-page] button.danger").count() == 1
        assert page.locator("[data-confirm-page] a[data-back]").count() == 1
