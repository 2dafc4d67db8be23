"""The launch form in a real browser, on a server of its own."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import axe

pytestmark = pytest.mark.browser

# Colours, once they do not change any more.
LOOK = """async (field) => {
  await Promise.all(field.getAnimations().map((animation) => animation.finished));
  const style = getComputedStyle(field);
  return [style.borderTopColor, style.outlineColor];
}"""

MEASURED = """
from jobs.models import Host
from tests.factories import make_job
params = {{"deployment": "{large}", "stack": "vllm-cpu", "input_tokens": 128, "requests": 50}}
fields = {{"state": "succeeded", "kind": "benchmark-online", "params": params}}
print(make_job(host=Host.objects.first(), **fields).pk)
"""


@pytest.fixture
def open_form(open_page):
    return lambda kind, query="": open_page(f"/launch/{kind}/{query}")


def test_a_wrong_value_is_marked_while_typing(open_form):
    page = open_form("benchmark")
    field = page.get_by_label(re.compile("^Requests"))
    field.focus()
    right = field.evaluate(LOOK)

    field.fill("0")

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_class(re.compile("is-invalid"))
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile("At least 1[.]"))
    wrong = field.evaluate(LOOK)
    assert wrong[0] == wrong[1]  # the edge and the ring around it have one colour, and it is red
    assert wrong[1] != right[1]
    assert axe(page) == []

    field.fill("3")

    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(field).not_to_have_class(re.compile("is-invalid"))
    assert field.evaluate(LOOK)[1] == right[1]


def test_a_group_whose_fields_do_not_count_is_not_there(open_form):
    page = open_form("compile-vacc")
    group = page.locator("#launch-form > .panel").filter(
        has=page.get_by_role("heading", name="Calibration", exact=True)
    )
    expect(group).to_be_hidden()

    page.locator("[name=precision][value=int8]").check(force=True)

    expect(group).to_be_visible()


def choose(page, deployment):
    page.locator("#f-deployment").focus()
    page.locator("#f-deployment").select_option(deployment)
    page.wait_for_url(f"**deployment={deployment}**")


def test_a_new_choice_updates_defaults_and_keeps_typed_values(open_form, served):
    large, small, _endpoint = served
    page = open_form("benchmark-online")
    given = page.get_by_label(re.compile("^Requests")).last
    lengths = [page.locator("#f-input_tokens"), page.locator("#f-output_tokens")]
    choose(page, small)
    for length in lengths:
        expect(length).to_have_value("50")
    given.fill("7")
    expect(page.locator("[data-field=requests]")).to_have_class(re.compile("is-changed"))
    page.get_by_label("Priority").select_option("low")

    choose(page, large)

    for length, proposed in zip(lengths, ("128", "64"), strict=True):
        expect(length).to_have_value(proposed)
    expect(given).to_have_value("7")
    expect(page.locator("#f-deployment")).to_be_focused()
    choose(page, small)
    expect(page.get_by_label("Priority")).to_have_value("low")


def test_a_rerun_form_follows_a_new_choice(open_form, server, served):
    large, small, _endpoint = served
    (job,) = server.shell(MEASURED.format(large=large))
    page = open_form("benchmark-online", f"?from={job}")
    given = page.get_by_label(re.compile("^Requests")).last
    expect(given).to_have_value("50")
    given.fill("20")  # which is what the form proposes

    choose(page, small)

    expect(page.locator("#f-input_tokens")).to_have_value("50")
    expect(given).to_have_value("20")
    expect(page.locator(".note:visible").first).to_contain_text(f"job #{job}")


def test_another_host_renews_the_proposed_values(open_form, served):
    page = open_form("benchmark-latency")
    page.locator("#f-iterations").fill("7")

    page.locator("#f-host").select_option("va16-01")

    page.wait_for_url("**host=va16-01**")
    expect(page.locator("#f-iterations")).to_have_value("7")
    expect(page.locator("#f-input_tokens")).to_have_value("1024")


def test_switching_to_the_guide_by_keys_keeps_the_focus(open_form, served):
    page = open_form("benchmark-online", "?host=va16-01")
    page.locator("#guide-switch input[value='0']").focus()

    page.keyboard.press("ArrowRight")

    page.wait_for_url("**as_in_guide=1**")
    expect(page.locator("#guide-switch input[value='1']")).to_be_focused()
