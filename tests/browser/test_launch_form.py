"""The launch form in a real browser, on a server of its own."""

import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.visits import AXE, RUN_AXE, WIDE, Complaints
from tests.dashboard.socket_server import running_server
from tests.stack import ROOT, clean_environment

pytestmark = pytest.mark.browser

# Colours, once they do not change any more.
LOOK = """async (field) => {
  await Promise.all(field.getAnimations().map((animation) => animation.finished));
  const style = getComputedStyle(field);
  return [style.borderTopColor, style.outlineColor];
}"""

# Two servers of vLLM on the first host, of which one takes little.
DEPLOYMENTS = """
from jobs.models import Host
from tests.factories import make_deployment
for most in (4096, 100):
    details = {"engine": "vllm", "stack": "vllm-cpu", "max_total": most, "max_input": most}
    print(make_deployment(host=Host.objects.first(), details=details).pk)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("launch") / "data"
    folder.mkdir()
    with running_server(folder) as running:
        yield running


@pytest.fixture
def open_form(browser, server):
    """A function that opens a kind's form; nothing may be complained of until the end."""
    complaints = Complaints()
    name, value = server.cookie.split("=", 1)
    root = f"http://127.0.0.1:{server.port}"
    with browser.new_context(viewport=WIDE) as context:
        complaints.listen(context)
        context.add_cookies([{"name": name, "value": value, "url": root}])

        def open_it(kind):
            page = context.new_page()
            page.goto(f"{root}/launch/{kind}/")
            return page

        yield open_it
        assert complaints == []


def test_a_field_that_becomes_wrong_is_marked_while_it_is_typed_and_again_when_it_is_right(
    open_form,
):
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
    page.evaluate(AXE.read_text())
    assert page.evaluate(RUN_AXE) == []

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


def test_another_choice_proposes_anew_what_follows_it_and_keeps_what_was_typed(open_form, server):
    environ = clean_environment() | {"DATA_DIR": str(server.data_dir), "DEBUG": "1"}
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", DEPLOYMENTS]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    large, small = done.stdout.decode().split()
    page = open_form("benchmark-online")
    deployment, given = page.locator("#f-deployment"), page.get_by_label(re.compile("^Requests"))
    lengths = [page.locator("#f-input_tokens"), page.locator("#f-output_tokens")]
    deployment.select_option(small)
    page.wait_for_url(f"**deployment={small}**")
    for length in lengths:
        expect(length).to_have_value("50")
    given.last.fill("7")

    deployment.select_option(large)

    page.wait_for_url(f"**deployment={large}**")
    for length, proposed in zip(lengths, ("128", "64"), strict=True):
        expect(length).to_have_value(proposed)
    expect(given.last).to_have_value("7")
    expect(deployment).to_be_focused()
