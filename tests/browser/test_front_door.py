"""The front door: few clicks from the login to a job, by mouse and by keyboard alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.visits import axe, log_in, open_window

pytestmark = pytest.mark.browser

QWEN = "DeepSeek-R1-Distill-Qwen-7B"
SEED = """
from django.utils.timezone import now, timedelta
from jobs.models import Deployment
from tests.factories import make_deployment, make_endpoint, make_guide_host, make_host, make_job
later = now() + timedelta(hours=2)  # online until the tests are over
Deployment.objects.all().delete()
roots = dict.fromkeys(("weights", "artifacts", "environments", "spool"), "/x")
here = make_host("here", heartbeat_at=later, facts={"cpu": {"cores": 4}, "roots": roots})
make_guide_host(heartbeat_at=later, dies_seen=[str(n) for n in range(32)])
job = make_job(state="succeeded", host=here, kind="deploy")
details = {"engine": "llama.cpp", "max_total": 4096}
print(make_deployment(job=job, name="tour", details=details).pk)
"""
PERSON = """
from django.contrib.auth import get_user_model
from tests.stack import PASSWORD
users = get_user_model().objects
print(users.create_user(f"new-member-{users.count()}", password=PASSWORD).username)
"""
# Clicks of a person on the page, by the browser's own events.
COUNT = """() => { window.name = window.name || "0";
  document.addEventListener("click", (event) => {
    if (event.isTrusted && event.detail > 0) window.name = String(Number(window.name) + 1);
  }, true); }"""

# A preview waits longer for further input than another form takes to come.
SLOW_TIMERS = """const real = setTimeout;
  window.setTimeout = (call, ms, ...more) => real(call, ms === 200 ? 5000 : ms, ...more);"""
TYPE_AND_CHOOSE = """() => {
  const [field, tool] = ["[name=requests]", "[name=tool][value=benchmark-guidellm]"].map(
    (one) => document.querySelector(one));
  field.value = "7";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  tool.checked = true;
  tool.dispatchEvent(new Event("change", { bubbles: true })); }"""


@pytest.fixture(scope="module")
def served(server):
    (number,) = server.shell(SEED)
    return number


@pytest.fixture
def newcomer(browser, server, served):
    """A page of a person who has the login only, and counts clicks."""
    with open_window(browser, server, logged_in=False) as window:
        window.add_init_script(f"({COUNT})()")
        page = window.new_page()
        log_in(page, *server.shell(PERSON))
        yield page
    assert window.complaints == []


def clicks(page):
    return int(page.evaluate("window.name"))


def test_a_newcomer_benchmarks_the_ready_deployment_in_few_clicks(newcomer, served):
    newcomer.get_by_role("link", name="New job").first.click()
    expect(newcomer.locator("#f-deployment")).to_have_value(served)
    expect(newcomer.get_by_label("Measure speed")).to_be_checked()
    newcomer.get_by_role("button", name="Launch", exact=True).click()

    newcomer.wait_for_url(re.compile(r"/jobs/\d+/"))
    assert clicks(newcomer) == 3  # with that of the login


def test_a_newcomer_launches_the_full_pipeline_of_a_distill(newcomer):
    newcomer.get_by_role("link", name="New job").first.click()
    newcomer.get_by_label("Which model or engine?").select_option(label=QWEN)  # two clicks
    expect(newcomer.get_by_text(f"{QWEN} is not served on any host.").first).to_be_visible()
    newcomer.get_by_label("Everything").click()
    expect(newcomer.locator("details.stage")).not_to_have_count(0)
    newcomer.get_by_role("button", name="Launch full pipeline").click()

    newcomer.wait_for_url(re.compile(r"/pipelines/[0-9a-f-]{36}/"))
    assert clicks(newcomer) + 2 == 6
    assert "#" not in newcomer.url


def test_an_answer_before_the_script_is_there_is_followed(newcomer):
    held = []
    newcomer.route("**/js/launch.*.js", lambda route: held.append(route))
    newcomer.goto("/launch/", wait_until="commit")
    choice = newcomer.get_by_label("Which model or engine?")
    choice.select_option(label="DeepSeek-R1-Distill-Llama-8B")
    held[0].continue_()

    newcomer.wait_for_url("**model=deepseek-r1-distill-llama-8b**")


def test_keys_alone_answer_the_questions(newcomer):
    newcomer.keyboard.press("n")
    subject = newcomer.locator("[data-subject]")
    expect(subject).to_be_visible()
    subject.focus()
    newcomer.keyboard.type(QWEN)
    expect(subject).to_have_value("model:deepseek-r1-distill-qwen-7b")
    newcomer.wait_for_url("**model=deepseek-r1-distill-qwen-7b**")
    expect(subject).to_be_focused()
    assert axe(newcomer) == []

    newcomer.locator("#for-speed").focus()
    newcomer.keyboard.press("ArrowRight")
    newcomer.wait_for_url("**/launch/evaluate/**")
    expect(newcomer.locator("#for-accuracy")).to_be_focused()
    newcomer.keyboard.press("ArrowRight")

    newcomer.wait_for_url("**/models/deepseek-r1-distill-qwen-7b/pipelines/build-in/**")
    expect(newcomer.locator("#for-pipeline")).to_be_focused()
    assert axe(newcomer) == []


def test_another_tool_and_purpose_keep_what_was_typed(newcomer, served):
    newcomer.goto(f"/launch/benchmark/?host=here&deployment={served}")
    newcomer.get_by_label(re.compile("^Requests")).fill("0")
    expect(newcomer.locator("[data-launch]")).to_be_disabled()
    newcomer.get_by_label(re.compile("^Requests")).fill("7")
    newcomer.wait_for_url("**requests=7**")
    expect(newcomer.locator("[data-launch]")).to_be_enabled()

    newcomer.get_by_label("Benchmark with GuideLLM").check()
    newcomer.wait_for_url("**/launch/benchmark-guidellm/**")
    expect(newcomer.get_by_label(re.compile("^Requests"))).to_have_value("7")
    expect(newcomer).to_have_title(re.compile("GuideLLM"))
    newcomer.get_by_label(re.compile("^Requests")).fill("9")
    newcomer.wait_for_url("**/launch/benchmark-guidellm/**requests=9**")  # of its own preview

    newcomer.locator("#for-accuracy").check(force=True)
    newcomer.wait_for_url("**/launch/evaluate/**")
    newcomer.locator("#for-speed").check(force=True)
    newcomer.wait_for_url("**/launch/benchmark-guidellm/**")  # the tool of this purpose before
    expect(newcomer.get_by_label(re.compile("^Requests"))).to_have_value("9")


def test_a_preview_that_waits_is_not_of_the_tool_before(newcomer, served):
    newcomer.add_init_script(SLOW_TIMERS)
    newcomer.goto(f"/launch/benchmark/?host=here&deployment={served}")
    expect(newcomer.locator("[data-launch]")).to_be_enabled()
    asked = []
    newcomer.on("request", lambda request: asked.append(request.url))
    with newcomer.expect_response("**/launch/benchmark-guidellm/preview/"):
        newcomer.evaluate(TYPE_AND_CHOOSE)

    assert not [url for url in asked if url.endswith("/launch/benchmark/preview/")]
