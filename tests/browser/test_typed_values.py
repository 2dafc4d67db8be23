"""Forms that preview keep what is typed while an answer is on its way.

Answers are held back and let go in the middle of a field's text.
"""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import axe, checked
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.browser

# Resolved once the launch form has held a preview back.
HELD_BACK = """() => { window.heldBack = new Promise((done) =>
  document.body.addEventListener("htmx:beforeRequest", () => done(), { once: true })) }"""
# Kinds, the field that changes the defaults, a field of a number.
LEADING = [
    ("benchmark-online", "deployment", "requests"),
    ("benchmark-latency", "host", "iterations"),
]
PIPELINE = "/models/deepseek-r1/pipelines/pytorch/"


class Held:
    """Answers of the page's own requests, held back until a test lets them go."""

    def __init__(self, page, path):
        self._page, self._routes, self._is_open = page, [], False
        page.route(re.compile(rf"{path}(preview/)?([?].*)?$"), self._hold)

    def _hold(self, route):
        is_asked_for = route.request.resource_type in ("xhr", "fetch", "document")
        if is_asked_for and not self._is_open:
            self._routes.append(route)
        else:
            route.continue_()

    def let_go(self):
        """Wait for a request, answer the last that waits, and wait until the page has the answer.

        A newer request meanwhile takes its place: the page drops the answer of the older one.
        """
        until(self._has_one, "a request is held", PATIENCE_S)
        address = self._page.url
        while self._page.url == address:
            routes, self._routes = self._routes, []
            for route in routes[:-1]:
                route.abort()
            for route in routes[-1:]:
                route.continue_()
            self._page.wait_for_timeout(50)

    def _has_one(self):
        self._page.wait_for_timeout(20)  # in which the browser is listened to
        return self._routes

    def open(self):
        """Answer all that wait, and each one from now on."""
        self._is_open = True
        for route in self._routes:
            route.continue_()

    def fail(self, status):
        """Wait for a request, and answer with an error; 0: the connection breaks."""
        until(self._has_one, "a request is held", PATIENCE_S)
        (route,), self._routes = self._routes, []
        if status:
            route.fulfill(status=status, body="<h1>Server error</h1>", content_type="text/html")
        else:
            route.abort("connectionreset")


def held(opens):
    def open_it(path, query="", asked=""):
        page = opens(path + query)
        return page, Held(page, re.escape(asked or path))

    return open_it


@pytest.fixture
def open_held(open_page, served):
    return held(open_page)


@pytest.fixture
def open_failing(window, served):
    """Pages may complain of a failed request."""
    with checked(window, but="") as opens:
        yield held(opens)


def type_with_a_late_answer(page, held, field, first, rest):
    """Type ``first`` over the field under the cursor; an older answer arrives; type ``rest``."""
    expect(field).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type(first)
    held.let_go()
    page.keyboard.type(rest)
    page.keyboard.press("Tab")


def in_changed_form(open_held, served, kind, leading, name):
    """A launch form in which another ``leading`` was chosen; its field ``name`` has the focus."""
    query = f"?deployment={served[0]}" if leading == "deployment" else ""
    page, held = open_held(f"/launch/{kind}/", query)
    other = served[1] if leading == "deployment" else "va16-01"
    page.locator(f"#f-{leading}").select_option(other)
    number = page.locator(f"#f-{name}")
    number.focus()
    return page, held, number, other


def test_the_matrix_form_keeps_what_is_typed_during_its_previews(open_held, served):
    page, held = open_held("/launch/matrix/", f"?workload=customer&deployment={served[0]}")
    fields = {
        "output_tokens": ("1", "28"),
        "concurrency": ("1, 2", "2, 4"),
        "requests": ("6", "4"),
        "repeats": ("", "4"),
        "order_seed": ("7", "7"),
    }
    key = page.locator("#matrix-form [name=idempotency_key]")
    before = key.input_value()
    page.locator("#f-input_tokens").fill("256")
    page.keyboard.press("Tab")

    for name, (first, rest) in fields.items():
        type_with_a_late_answer(page, held, page.locator(f"#f-{name}"), first, rest)
    held.let_go()

    expect(page.locator("#f-input_tokens")).to_have_value("256")
    for name, typed in fields.items():
        expect(page.locator(f"#f-{name}")).to_have_value("".join(typed))
    expect(key).to_have_value(before)
    assert "idempotency_key" not in page.url


def test_the_pipeline_form_keeps_what_is_typed_during_its_previews(open_held):
    page, held = open_held(PIPELINE, "?host=va16-01")
    page.locator("#f-stack").focus()
    page.keyboard.press("ArrowDown")
    page.locator("#f-concurrency").focus()

    type_with_a_late_answer(page, held, page.locator("#f-concurrency"), "1, 2", "2, 4")
    type_with_a_late_answer(page, held, page.locator("#f-port"), "80", "80")
    held.let_go()

    expect(page.locator("#f-concurrency")).to_have_value("1, 22, 4")
    expect(page.locator("#f-port")).to_have_value("8080")
    expect(page.locator(".stage", has_text="port 8080").first).to_be_visible()


@pytest.mark.parametrize(("kind", "leading", "name"), LEADING)
def test_the_launch_form_keeps_what_is_typed_while_its_defaults_change(
    open_held, served, kind, leading, name
):
    page, held, number, other = in_changed_form(open_held, served, kind, leading, name)

    type_with_a_late_answer(page, held, number, "1", "7")

    expect(number).to_have_value("17")
    expect(page.locator(f"#f-{leading}")).to_have_value(other)
    proposed = {"deployment": "50", "host": "1024"}[leading]
    expect(page.locator("#f-input_tokens")).to_have_value(proposed)
    held.open()
    page.wait_for_url(f"**{name}=17**")
    expect(number).to_have_value("17")


@pytest.mark.parametrize(("kind", "leading", "name"), LEADING)
def test_an_older_answer_does_not_touch_a_field_that_was_left(
    open_held, served, kind, leading, name
):
    page, held, number, _other = in_changed_form(open_held, served, kind, leading, name)
    page.keyboard.press("Control+a")
    page.keyboard.type("17")
    page.keyboard.press("Tab")

    held.let_go()

    expect(number).to_have_value("17")


def test_of_twenty_fields_that_were_left_before_a_late_answer_each_keeps_its_text(
    open_held, served
):
    page, held = open_held("/launch/matrix/", f"?workload=customer&deployment={served[0]}")

    for turn in range(20):
        field = page.locator(("#f-input_tokens", "#f-output_tokens", "#f-requests")[turn % 3])
        field.focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(str(101 + turn))
        page.keyboard.press("Tab")
        held.let_go()

        expect(field).to_have_value(str(101 + turn))


def test_another_host_keeps_an_endpoint_and_its_numbers(open_held, served):
    endpoint = f"endpoint:{served[2]}"
    page, held = open_held("/launch/benchmark-online/", f"?deployment={endpoint}")
    tokens = page.locator("#f-input_tokens")
    before = tokens.input_value()

    page.locator("#f-host").select_option("va16-01")
    held.let_go()

    expect(page.locator("#f-host")).to_have_value("va16-01")
    expect(page.locator("#f-deployment")).to_have_value(endpoint)
    expect(tokens).to_have_value(before)


def says_so(page):
    """The form without an answer says so next to *Launch*, which waits."""
    sentence = page.locator(".start.foot").get_by_role("alert")
    expect(sentence).to_contain_text("The dashboard does not answer")
    expect(sentence).to_be_in_viewport()
    expect(page.locator("[data-launch]")).to_be_disabled()


@pytest.mark.parametrize("status", [503, 0])
def test_another_form_is_asked_for_again(open_failing, served, status):
    query = f"?deployment={served[0]}"
    page, held = open_failing("/launch/benchmark-online/", query, "/launch/")
    page.locator("#for-accuracy").check(force=True)
    held.fail(status)
    says_so(page)
    assert axe(page) == []
    page.get_by_label(re.compile("^Requests")).last.fill("17")
    held.open()

    page.get_by_role("button", name="Try again").press("Enter")

    page.wait_for_url("**/launch/evaluate/**requests=17**")
    expect(page.locator("#unanswered")).to_be_hidden()
    expect(page.locator("#for-accuracy")).to_be_focused()
    expect(page.locator("[data-launch]")).to_be_enabled()


@pytest.mark.parametrize("status", [500, 0])
def test_a_failed_preview_of_a_matrix_loses_no_input(open_failing, served, status):
    page, held = open_failing("/launch/matrix/", f"?workload=customer&deployment={served[0]}")
    page.locator("#f-input_tokens").fill("256")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("1")

    held.fail(status)
    says_so(page)
    page.keyboard.type("28")
    page.keyboard.press("Tab")
    held.let_go()

    expect(page.locator("#f-input_tokens")).to_have_value("256")
    expect(page.locator("#f-output_tokens")).to_have_value("128")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("[data-launch]")).to_be_enabled()


@pytest.mark.parametrize("status", [500, 0])
def test_after_failed_defaults_the_launch_form_sends_the_preview_that_waited(
    open_failing, served, status
):
    page, held = open_failing("/launch/benchmark-online/", f"?deployment={served[0]}")
    page.locator("#f-deployment").select_option(served[1])
    requests = page.get_by_label(re.compile("^Requests")).last
    page.evaluate(HELD_BACK)
    requests.fill("17")
    page.evaluate("window.heldBack")

    held.fail(status)
    held.open()

    page.wait_for_url("**requests=17**")
    expect(requests).to_have_value("17")
