"""*Launch* and the result of the checks are visible on every launch form, of any length."""

import re

import pytest
from playwright.sync_api import expect

from jobs.kinds import KINDS
from tests.browser.lib.visits import PHONE, checked

pytestmark = pytest.mark.browser

HOST = "host-of-long-forms"
SEED = f"""
from django.utils.timezone import now, timedelta
from jobs.models import Account
from tests.factories import make_host, make_weights
Account.objects.update(role="admin")
host = make_host({HOST!r}, type="vacc", dies_seen=[str(n) for n in range(32)],
    heartbeat_at=now() + timedelta(hours=2),  # online until the tests are over
    facts={{
    "dies": [{{"id": n}} for n in range(32)], "iommu": True, "stacks": ["guide", "current"],
    "roots": {{"weights": "/w", "artifacts": "/a", "environments": "/e"}}}})
make_weights(host=host, model_id="deepseek-r1-distill-qwen-32b")
"""
# True if the topmost element at the middle of the button is of the foot that the button is in.
IS_HIT = """(button) => {
  const box = button.getBoundingClientRect();
  const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return hit?.closest(".start.foot") === button.closest(".start.foot");
}"""


@pytest.fixture(scope="module")
def page(window, server):
    server.shell(SEED)
    with checked(window) as open_page:
        opened = open_page()
        opened.set_viewport_size({"width": 1280, "height": 800})
        yield opened


def test_the_launch_button_is_always_visible(page):
    hidden = []
    addresses = [f"/launch/{kind}/?host={HOST}" for kind in KINDS]
    addresses.append(f"/models/deepseek-r1-distill-qwen-32b/pipelines/build-in/?host={HOST}")
    for address in addresses:
        assert page.goto(address).ok
        for share in (0, 0.5, 1):
            page.evaluate("(share) => scrollTo(0, share * document.body.scrollHeight)", share)
            if not page.locator("[data-launch]").evaluate(IS_HIT):
                hidden.append((address, share))

    assert hidden == []


def test_each_change_recounts_the_checks_beside_launch(page):
    page.goto(f"/launch/deploy-vllm/?host={HOST}")
    summary = page.locator("[data-checked]")
    expect(summary).to_contain_text(re.compile(r"\d passed"))
    expect(summary).not_to_contain_text("blocked")

    page.locator("#f-port").fill("99999999")

    expect(summary).to_contain_text("1 blocked")
    page.locator("#f-port").fill("8000")
    expect(summary).not_to_contain_text("blocked")


def test_on_a_phone_launch_stands_above_the_tabs(page):
    page.set_viewport_size(PHONE)
    page.goto(f"/launch/deploy-vllm/?host={HOST}")

    assert page.locator("[data-launch]").evaluate(IS_HIT)
