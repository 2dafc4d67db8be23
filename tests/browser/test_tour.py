"""The tour in a real browser on the real stack: each test continues the one before."""

import hashlib
import json
import re
import urllib.request
from contextlib import suppress

import pytest
from django.urls import reverse
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from dashboard.text.formatting import THIN
from tests.api import until
from tests.browser.lib.visits import log_in, open_window
from tests.frames import unframe

pytestmark = [pytest.mark.browser, pytest.mark.tour, pytest.mark.in_order]

TYPES = ["benchmark", "evaluation"]
KINDS = ["prepare", "compile", "deploy", "benchmark", "evaluate"]
FIRST_TIME_S = 420  # environments are installed, on two cores that do other things as well
CURVES = """() => [...document.querySelectorAll("[data-live-chart] .scatterlayer path.js-line")]
  .map((path) => path.getAttribute("d")).join("\\n")"""

ACCURACY = """() => {
  const traces = document.querySelector("#accuracy .plot")?.data ?? [];
  const trace = traces.find((one) => one.meta === "accuracy");
  return trace ? trace.x.map((x, index) => [x, trace.y[index]]) : [];
}"""


@pytest.fixture(scope="module")
def page(browser, stack):
    with open_window(browser, stack, logged_in=False) as window:
        yield window.new_page()
    assert window.complaints == []


@pytest.fixture(scope="module")
def job_of(api):
    def find(kind):
        jobs = [job for job in api.jobs(f"kind={kind}") if job["title"][:11] != "Environment"]
        return jobs[0]["id"]

    return find


@pytest.fixture(scope="module")
def terminal(stack, tmp_path_factory):
    """``manage.py tour`` beside the browser, and the file in which it keeps the logs."""
    path = tmp_path_factory.mktemp("terminal") / "logs"
    with path.open("wb") as file:
        command = stack.terminal("tour", "--wait", "--json", stderr=file)
    yield command, path
    command.kill()
    command.communicate()


class Frames:
    """A log as the page receives it on its socket, put together by offset."""

    def __init__(self, page, job_id):
        self.start, self.data = None, b""
        self._address = f"/ws/log/job/{job_id}/"
        page.on("websocket", self._opened)

    def _opened(self, socket):
        if self._address in socket.url:
            socket.on("framereceived", self._received)

    def _received(self, payload):
        if isinstance(payload, str):
            return
        offset, _, data = unframe(payload)
        if self.start is None:
            self.start = offset
        assert offset == self.start + len(self.data)
        self.data += data


def lines_shown(page):
    text = page.locator("[data-log=size]").inner_text()
    number = re.match(r"[\d\s\u202f,]+", text)
    return int(re.sub(r"\D", "", number[0])) if number else 0


def test_a_person_logs_in_and_sees_what_the_tour_will_do(page):
    log_in(page)

    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.locator("ol.tour > li")).to_have_count(6)


def test_a_button_starts_all_five_kinds(page, api):
    page.get_by_role("button", name="Take the tour").click()

    expect(page.locator("#overview [data-unfold]").first).to_be_visible()
    jobs = api.jobs()
    assert [kind for kind in KINDS if any(job["kind"] == kind for job in jobs)] == KINDS
    assert len({job["pipeline"] for job in jobs}) == 1
    numbers = sorted(job["id"] for job in jobs)
    expect(page.locator("#overview")).to_contain_text(f"#{numbers[0]}–{numbers[-1]}")


def test_a_terminal_goes_on_with_the_tour_that_runs(api, terminal):
    command, logs = terminal

    until(lambda: b"prepare #" in logs.read_bytes(), "it follows")
    assert len({job["pipeline"] for job in api.jobs()}) == 1
    assert command.poll() is None


def test_log_and_curves_move_while_the_benchmark_runs(page, api, job_of):
    number = job_of("benchmark")
    until(lambda: api.job(number)["state"] == "running", "the benchmark runs", FIRST_TIME_S)
    frames = Frames(page, number)

    page.goto(reverse("job-detail", args=[number]))
    until(lambda: lines_shown(page) > 0, "the log has lines")
    lines = lines_shown(page)
    until(lambda: lines_shown(page) > lines, "the log grows")
    page.wait_for_function(
        "() => Number(document.querySelector('[data-live-chart]').dataset.points) >= 3",
        polling=100,
        timeout=60_000,
    )
    before = page.evaluate(CURVES)
    assert before
    until(lambda: page.evaluate(CURVES) != before, "the curves move")
    assert api.job(number)["state"] == "running"

    expect(page.locator("[data-log-state=over]")).to_be_visible(timeout=300_000)
    log = api.raw(f"jobs/{number}/log?from=0")
    assert frames.data and log[frames.start :] == frames.data
    whole = log.count(b"\n") + (log[-1:] != b"\n")
    until(lambda: lines_shown(page) == whole, "bars are drawn to their end")


def test_the_page_of_an_ended_job_shows_its_result_by_itself(page):
    expect(page.locator("#job-news").get_by_role("heading", name="Result")).to_be_visible()
    expect(page.locator("#job-news .main-svg").first).to_be_visible()


def test_the_accuracy_chart_moves_and_ends_at_the_result(page, api, job_of):
    number = job_of("evaluate")
    until(lambda: api.job(number)["state"] == "running", "the evaluation runs", FIRST_TIME_S)
    page.goto(reverse("job-detail", args=[number]))
    expect(page.locator("#accuracy-rows tbody tr")).to_have_count(2)  # in English
    curves = []
    until(lambda: has_moved(page, curves) >= 3, "the accuracy moves", FIRST_TIME_S)
    assert api.job(number)["state"] == "running"
    page.reload()
    until(lambda: curve(page), "the curve is there again")
    assert curve(page)[: len(curves[-1])] == curves[-1]
    until(lambda: has_moved(page, curves) >= 6, "the accuracy moves on", FIRST_TIME_S)
    assert api.job(number)["state"] == "running"

    expect(page.locator("#job-news").get_by_role("heading", name="Result")).to_be_visible(
        timeout=300_000
    )
    (result,) = api.ask(f"results?job={number}")["results"]
    until(
        lambda: curve(page)[-1][1] == round(100 * result["metrics"]["accuracy"], 3),
        "it is the result",
    )
    share = page.locator("#accuracy-rows tfoot td.b").last
    expect(share).to_contain_text(f"{100 * result['metrics']['accuracy']:.2f}")


def curve(page):
    """Points of the accuracy's chart as it is drawn: ``[[time, per cent], …]``."""
    return page.evaluate(ACCURACY)


def has_moved(page, curves):
    """Return the number of different curves so far, with the one that is drawn now."""
    now = curve(page)
    if now and (not curves or now != curves[-1]):
        curves.append(now)
    return len(curves)


def test_the_overview_shows_the_tour_s_success_by_itself(page, api):
    page.goto(reverse("overview"))

    expect(page.get_by_role("link", name="Open the playground")).to_be_visible(timeout=300_000)
    assert {job["state"] for job in api.jobs()} == {"succeeded"}


def test_every_log_is_that_of_the_spool_byte_for_byte(api):
    for job in api.jobs():
        shown, kept = api.log_sha256s(job["id"])
        assert shown == kept, job["title"]
        assert api.events(job["id"]).count("started") == 1


def test_the_terminal_prints_the_tours_results_as_json(api, terminal):
    command, logs = terminal
    output, _ = command.communicate(timeout=60)

    report = json.loads(output)
    speed, quality = (
        api.ask(f"results?type={result_type}")["results"][0]["metrics"] for result_type in TYPES
    )
    names = ("output_tokens_per_s", "ttft_p50_ms"), ("accuracy", "questions")
    wanted = {name: speed[name] for name in names[0]} | {name: quality[name] for name in names[1]}
    assert {name: report[name] for name in wanted} == wanted
    assert all(value > 0 for value in wanted.values())
    assert (command.returncode, report["succeeded"]) == (0, True)
    assert {job["id"] for job in report["jobs"]} == {job["id"] for job in api.jobs()}
    for job in report["jobs"]:
        log = api.raw(f"jobs/{job['id']}/log?from=0")
        assert hashlib.sha256(log).hexdigest() == job["log_sha256"], job["title"]
        line = f"── {job['kind']} #{job['id']} {job['title']}: succeeded. {job['message']}\n"
        assert line.encode() in logs.read_bytes()


def test_the_defaults_cut_at_most_2_percent_of_the_answers(api):
    (result,) = api.ask("results?type=evaluation")["results"]
    metrics = result["metrics"]

    assert metrics["answers_cut"] <= 0.02 * metrics["answers_total"]


@pytest.mark.parametrize(
    ("result_type", "names"),
    [
        ("benchmark", ["output_tokens_per_s", "ttft_p50_ms", "tpot_p50_ms", "requests_per_s"]),
        ("evaluation", ["accuracy", "questions", "accuracy_en"]),
    ],
)
def test_a_result_page_shows_the_numbers_of_the_api(page, api, result_type, names):
    result = api.ask(f"results?type={result_type}")["results"][-1]
    page.goto(f"/results/{result['id']}/")

    shown = page.locator("main .facts dd > span").all_inner_texts()
    numbers = [number(text) for text in shown]
    # An evaluation has its score in the title.
    title = page.locator("main h1").inner_text()
    numbers += [float(text) for text in re.findall(r"\d+(?:\.\d+)?", title)]
    for name in names:
        value = result["metrics"][name] * (100 if name.startswith("accuracy") else 1)
        assert value > 0
        assert any(one == pytest.approx(value, rel=0.006) for one in numbers), (name, shown)


def number(text):
    """The number at the end of a shown value, in the metric's own unit; -1 without one."""
    numbers = re.findall(rf"\d[\d{THIN}]*(?:\.\d+)?", text)
    if not numbers:
        return -1.0
    value = float(numbers[-1].replace(THIN, ""))
    return value * 1000 if re.search(r"\ds\b|\d\s+s\b", text) else value


def test_what_the_form_shows_is_what_is_stored(page, api):
    page.goto(reverse("launch-form", args=["benchmark"]) + "?concurrency=1&requests=2")
    page.get_by_label("Output length").fill("16")
    expect(page.locator("#effect")).to_contain_text("--max-tokens 16")
    page.get_by_role("button", name="Copy as script").wait_for()
    script = page.locator("#plan-script").text_content()

    page.get_by_role("button", name="Launch").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))

    job = api.job(int(page.url.split("/")[-2]))
    for word in job["plan"]["steps"][0]["argv"]:
        assert "{" in word or word in script, word


def test_a_chat_streams(page):
    page.goto(reverse("overview"))
    page.get_by_role("link", name="Open the playground").click()
    page.get_by_label("max tokens").fill("200")
    page.get_by_label("Message").fill("Tell me a long story about a river.")
    page.get_by_role("button", name="Send").click()

    answer = page.locator("[data-part=answer]").last
    expect(answer).not_to_be_empty(timeout=60_000)
    first = answer.inner_text()
    until(lambda: len(answer.inner_text()) > len(first), "the answer grows")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator("[data-turn]").last).to_have_attribute(
        "data-state", "done", timeout=120_000
    )
    expect(page.locator(".stats").last).to_contain_text("tok/s")
    expect(page.locator(".stats").last).to_contain_text("TTFT")


def stop_in_its_midst(page, turns):
    """Ask for a long answer and stop it; ask again if the small model ended before the stop."""
    ended = re.compile("done|stopped")
    for _ in range(8):
        count = turns.count()
        page.get_by_label("Message").fill("Tell me a very long story about a river.")
        page.get_by_role("button", name="Send").click()
        expect(turns).to_have_count(count + 1)
        expect(turns.last.locator("[data-part=answer]")).not_to_be_empty(timeout=60_000)
        with suppress(PlaywrightTimeout):
            page.get_by_role("button", name="Stop").click(timeout=3_000)
        expect(turns.last).to_have_attribute("data-state", ended, timeout=60_000)
        if turns.last.get_attribute("data-state") == "stopped":
            return
    raise AssertionError("each answer ended before it was stopped")


def test_stop_stops_the_engine(page, api):
    page.get_by_label("max tokens").fill("1500")
    turns = page.locator("[data-turn]")

    stop_in_its_midst(page, turns)

    expect(turns.last).to_contain_text("stopped by you")
    engine = api.ask("deployments")["deployments"][0]["url"]
    until(lambda: "\nllamacpp:requests_processing 0" in counters(engine), "the engine rests", 20)


def counters(engine):
    with urllib.request.urlopen(f"{engine}/metrics", timeout=30) as answer:
        return answer.read().decode()


def test_a_reload_shows_the_same_conversation(page):
    texts = page.locator("[data-part=answer]").all_inner_texts()
    assert len(texts) >= 2

    page.reload()

    expect(page.locator("[data-turn]")).to_have_count(len(texts))
    assert page.locator("[data-part=answer]").all_inner_texts() == texts


def test_a_question_asked_in_another_browser_appears_here(page, browser, stack):
    """Tabs of one browser tell each other; another browser hears it from the dashboard."""
    with open_window(browser, stack) as elsewhere:
        there = elsewhere.new_page()
        there.goto(page.url)
        turns = page.locator("[data-turn]")
        count = turns.count()

        there.get_by_label("max tokens").fill("8")
        there.get_by_label("Message").fill("And where does it end?")
        there.get_by_role("button", name="Send").click()

        expect(turns).to_have_count(count + 1, timeout=60_000)
        expect(turns.last).to_have_attribute("data-state", "done", timeout=60_000)
        expect(turns.last).to_contain_text("And where does it end?")


def test_a_question_sent_before_the_script_loads_is_answered(page):
    script = {"body": "", "content_type": "text/javascript"}
    page.route("**/js/playground*.js", lambda route: route.fulfill(**script), times=1)
    page.goto(reverse("playground"))
    page.get_by_label("max tokens").fill("8")
    page.get_by_label("Message").fill("Who are you?")

    page.get_by_role("button", name="Send").click()

    turn = page.locator("[data-turn]")
    expect(turn).to_have_attribute("data-state", "done", timeout=60_000)
    expect(turn.locator("[data-part=answer]")).not_to_be_empty()


def test_the_reasoning_template_shows_a_thought_first(page, api):
    page.goto(reverse("launch-form", args=["deploy"]))
    page.get_by_label("Reasoning template").check()
    page.get_by_role("button", name="Launch").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    number = int(page.url.split("/")[-2])
    until(lambda: api.job(number)["state"] == "succeeded", "it serves", 120)
    (served,) = (one for one in api.ask("deployments")["deployments"] if one["job"] == number)

    page.goto(f"{reverse('playground')}?deployment={served['id']}")
    for turn, question in enumerate(["What is the capital of Sweden?", "Tell me a joke."], start=1):
        page.get_by_label("Message").fill(question)
        page.get_by_role("button", name="Send").click()
        turns = page.locator("[data-turn]")
        expect(turns).to_have_count(turn)
        expect(turns.last).to_have_attribute("data-state", "done", timeout=120_000)

        expect(turns.last.locator("[data-part=reasoning]")).not_to_be_empty()
        expect(turns.last.locator("[data-part=answer]")).not_to_be_empty()
        expect(turns.last.locator("[data-part=summary]")).to_contain_text("Thought for")


def test_an_answer_that_was_cut_is_asked_for_again_with_more(page):
    turns = page.locator("[data-turn]")
    page.get_by_label("max tokens").fill("3")
    page.get_by_label("Message").fill("Who are you?")
    page.get_by_role("button", name="Send").click()
    expect(turns).to_have_count(3)
    expect(turns.last).to_contain_text("Stopped while thinking after 3 tokens")

    turns.last.get_by_role("button", name="Regenerate with 6").click()

    expect(page.get_by_label("max tokens")).to_have_value("6")
    expect(turns.last).to_contain_text("after 6 tokens", timeout=60_000)
    expect(turns).to_have_count(3)


def test_two_results_stand_side_by_side(page, api):
    until(lambda: len(api.ask("results?type=benchmark")["results"]) == 2, "a second result", 120)
    page.goto(reverse("result-list") + "?type=benchmark")
    for box in page.get_by_role("checkbox", name=re.compile("Select res-")).all():
        box.check()

    page.get_by_role("button", name="Compare").click()

    expect(page.locator(".sides .lk")).to_have_count(2)
    older, newer = re.findall(r"id=res-(\d+)", page.url)
    assert int(older) < int(newer)  # the older is the base, though the list begins with the newer
    expect(page.locator(".main-svg").first).to_be_visible()
