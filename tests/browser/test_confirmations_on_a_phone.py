"""What is asked before something is stopped, on the narrow screen of a phone, in both languages."""

import subprocess
import sys

import pytest

from tests.browser.visits import PHONE
from tests.dashboard.socket_server import running_server
from tests.stack import ROOT, clean_environment

pytestmark = pytest.mark.browser

SERVED = """
from django.contrib.auth import get_user_model
from tests.factories import make_deployment
name, owner = "DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048", get_user_model().objects.first()
print(make_deployment(name=name, created_by=owner).pk)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phone") / "data"
    folder.mkdir()
    with running_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def served(server):
    environ = clean_environment() | {"DATA_DIR": str(server.data_dir), "DEBUG": "1"}
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", SERVED]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_question_before_a_stop_is_whole_on_a_phone(browser, server, served, language):
    name, value = server.cookie.split("=", 1)
    root = f"http://127.0.0.1:{server.port}"
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
