"""What is asked before something is stopped, on the narrow screen of a phone, in both languages."""

import pytest

from tests.browser.visits import PHONE

pytestmark = pytest.mark.browser

SERVED = """
from django.contrib.auth import get_user_model
from tests.factories import make_deployment
name, owner = "DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048", get_user_model().objects.first()
print(make_deployment(name=name, created_by=owner).pk)
"""


@pytest.fixture(scope="module")
def served(own_server):
    [number] = own_server.shell(SERVED)
    return number


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_question_before_a_stop_is_whole_on_a_phone(browser, own_server, served, language):
    name, value = own_server.cookie.split("=", 1)
    root = f"http://127.0.0.1:{own_server.port}"
    with browser.new_context(viewport=PHONE, locale=language) as context:
        context.add_cookies([{"name": name, "value": value, "url": root}])
        page = context.new_page()
        page.goto(f"{root}/deployments/{served}/")

        page.locator(".head .pop > summary.danger").click()

        box = page.locator(".head .pop-body.ask-first").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        above = page.locator(".head .pop > summary.danger").bounding_box()
        assert 0 <= box["y"] - (above["y"] + above["height"]) < 60
