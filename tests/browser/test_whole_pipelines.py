"""Full pipelines of two models on a simulated host: each with one click, watched, to a chat.

Each test continues the one before. EvalScope is the one that the tour has installed on this
machine.
"""

import re
from contextlib import ExitStack

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.api import until
from tests.browser.lib.checks import Inspector
from tests.browser.lib.visits import open_window
from tests.simulated import LARGE, NAME, SMALL

pytestmark = [pytest.mark.browser, pytest.mark.simulated, pytest.mark.in_order]

TOUR_S = 600
PIPELINE_S = 300  # much less, but for a machine that does other things as well
BUILD_IN, PYTORCH = ("build-in", SMALL), ("pytorch", LARGE)
KINDS_OF = {
    BUILD_IN: {
        *("prepare-weights", "apply-modification", "prepare-datasets", "compile-vacc"),
        *("deploy-build-in", "benchmark", "evaluate"),
    },
    PYTORCH: {
        *("build-images", "prepare-weights", "benchmark-throughput", "benchmark-latency"),
        *("deploy-vllm", "benchmark-online", "evaluate-opencompass"),
    },
}
# Forms that open on another host with the sample data.
FORMS = ("deploy-vllm", "benchmark-online", "benchmark-throughput", "benchmark-latency")
LOOKS = {"en": {"390 px": "light"}, "zh-CN": {"1440 px": "dark"}}
PAGES = [
    f"/models/{SMALL}/",
    *(
        f"/models/{model}/pipelines/{pipeline}/?host={NAME}"
        for pipeline, model in (BUILD_IN, PYTORCH)
    ),
    f"/hosts/{NAME}/",
    "/deployments/?all=1",
    *(f"/launch/{kind}/?host={NAME}" for kind in FORMS),
]


@pytest.fixture(scope="module")
def host(simulated, request):
    """The simulated host; EvalScope is there, from a tour."""
    environments = request.config.getoption("--toured")
    if environments is None:
        environments = request.getfixturevalue("toured").stack.data_dir / "host" / "environments"
    until(environments.exists, "the tour beside this run has ended", TOUR_S)
    simulated.borrow_evalscope(environments.resolve(), NAME)
    return simulated


@pytest.fixture(scope="module")
def page(browser, host):
    with open_window(browser, host.stack) as window:
        yield window.new_page()
    assert window.complaints == []


@pytest.fixture(scope="module")
def inspectors(browser, host):
    with ExitStack() as ends:
        yield {
            locale: Inspector(ends.enter_context(open_window(browser, host.stack, locale=locale)))
            for locale in LOOKS
        }


def launched(page, host, pipeline, model):
    page.goto(reverse("model-detail", args=[model]))
    title = {"build-in": "Build_In", "pytorch": "PyTorch"}[pipeline]
    page.get_by_role("link", name=f"Full pipeline: {title}").click()
    expect(page.get_by_label("Jobs of the pipeline").locator("details.stage")).not_to_have_count(0)
    expect(page.locator(".start .stamp.sim")).to_have_text("simulated")
    page.get_by_role("button", name="Launch full pipeline").click()
    page.wait_for_url(re.compile(r"/pipelines/[0-9a-f-]{36}/$"))
    chain = page.url.split("/")[-2]
    host.pipelines[pipeline, model] = [job["id"] for job in host.jobs() if job["pipeline"] == chain]
    return host.pipelines[pipeline, model]


# Scope: all tests of one pipeline, then all of the next.
@pytest.mark.parametrize(("pipeline", "model"), [BUILD_IN, PYTORCH], scope="class")
class TestAWay:
    def test_one_click_launches_all_of_it_as_one_chain(self, page, host, pipeline, model):
        numbers = launched(page, host, pipeline, model)

        assert {host.job(number)["kind"] for number in numbers} >= KINDS_OF[pipeline, model]

    def test_the_page_shows_its_first_success_by_itself(self, page, pipeline, model):
        expect(page.locator("#pipeline")).to_contain_text("simulated")
        first = page.locator("#pipeline tbody tr").first
        expect(first.locator(".st.ok")).to_be_visible(timeout=PIPELINE_S * 1000)

    def test_opencompass_has_a_row_for_each_data_set_while_it_runs(
        self, page, host, pipeline, model
    ):
        if (pipeline, model) == BUILD_IN:
            pytest.skip("EvalScope evaluates it")
        number = next(
            number
            for number in host.pipelines[pipeline, model]
            if host.job(number)["kind"] == "evaluate-opencompass"
        )
        page.goto(reverse("job-detail", args=[number]))  # while it waits: it runs for seconds
        rows = page.locator("#accuracy-rows tbody tr")
        asked = page.locator("#accuracy-rows tfoot td").nth(1)
        shown, waited = set(), False

        def has_moved():
            nonlocal waited
            if page.locator("#accuracy[data-open=yes]").count() and rows.count() == 2 + 1 + 57:
                waited |= rows.get_by_text("scored at the end of the set").count() > 0
                shown.update(asked.all_inner_texts())
            return len(shown) > 2 and waited and page.locator("#accuracy .main-svg").count()

        until(has_moved, "questions asked grow, scores come later, a chart is drawn", PIPELINE_S)

    def test_the_overview_follows_it_to_the_playground(self, page, host, pipeline, model):
        page.goto(reverse("overview"))

        link = page.get_by_role("link", name="Open the playground")
        expect(link).to_be_visible(timeout=PIPELINE_S * 1000)
        expect(page.locator("#serving .stamp.sim").first).to_be_visible()
        jobs = [host.ended(number, PIPELINE_S) for number in host.pipelines[pipeline, model]]
        assert {job["state"] for job in jobs} == {"succeeded"}, [job["message"] for job in jobs]

    def test_its_own_page_is_whole(self, inspectors, host, pipeline, model):
        chain = host.job(host.pipelines[pipeline, model][0])["pipeline"]
        for locale, inspector in inspectors.items():
            address = reverse("pipeline", args=[chain])
            assert inspector.faults(address, looks=LOOKS[locale]) == [], locale

    def test_each_result_of_it_is_marked_as_simulated(self, page, host, pipeline, model):
        made = set(host.pipelines[pipeline, model])
        results = [one for one in host.ask("results")["results"] if one["job"] in made]

        assert len(results) >= 2
        for result in results:
            page.goto(f"/results/{result['id']}/")
            expect(page.locator("main h1")).to_contain_text("Simulated")

    def test_its_benchmark_has_ttft_and_tpot(self, host, pipeline, model):
        made = set(host.pipelines[pipeline, model])
        measured = [
            one for one in host.ask("results?type=benchmark")["results"] if one["job"] in made
        ]

        served = [one for one in measured if "ttft_mean_ms" in one["metrics"]]
        assert served, measured
        for one in served:
            assert one["metrics"]["ttft_mean_ms"] > 0 < one["metrics"]["tpot_mean_ms"], one
        told = " ".join(remark for one in served for remark in one["remarks"])
        is_bare = (pipeline, model) == BUILD_IN  # llmdeploy's stream has bare JSON lines
        assert ("bare JSON lines" in told) == is_bare, told

    def test_it_ends_in_a_chat(self, page, host, pipeline, model):
        (deployment,) = host.deployments()
        page.goto(reverse("deployment-detail", args=[deployment["id"]]))
        page.get_by_role("main").get_by_role("link", name="Chat").click()
        page.get_by_label("Message").fill("What is 17 + 25?")
        page.get_by_role("button", name="Send").click()

        turn = page.locator("[data-turn]").last
        expect(turn).to_have_attribute("data-state", "done", timeout=60_000)
        expect(turn.locator("[data-part=answer]")).to_contain_text("42")
        expect(page.locator(".stamp.sim").first).to_be_visible()

    def test_what_holds_the_dies_is_stopped_for_the_next(self, page, host, pipeline, model):
        if (pipeline, model) == PYTORCH:
            pytest.skip("nobody needs them")
        (deployment,) = host.deployments()
        page.goto(reverse("deployment-detail", args=[deployment["id"]]))
        page.get_by_text("Stop", exact=True).first.click()
        page.get_by_role("button", name="Stop deployment").click()

        stopped = re.compile(r"Stopped( by admin)?\.")
        expect(page.locator("#deployment-head")).to_contain_text(stopped, timeout=60_000)
        until(lambda: not host.containers(), "its container is gone")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_a_host_with_cards_is_whole(inspectors, path):
    locale = list(LOOKS)[PAGES.index(path) % 2]

    assert inspectors[locale].faults(path, looks=LOOKS[locale]) == []
