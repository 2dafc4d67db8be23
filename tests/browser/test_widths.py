"""No page scrolls its body sideways, however much is on it: wide tables do so themselves."""

import json

import pytest
from playwright.sync_api import expect

from dashboard.presenters.columns import RESULTS
from jobs.queries.jobs.chains import TOUR_KINDS
from tests.browser.lib.visits import too_wide
from tests.browser.test_every_page import HOST, TURNS

pytestmark = pytest.mark.browser

SIZES = ((1440, 900), (1280, 800), (390, 844))
# Results of three benchmarks with two flags each, an evaluation of 60 categories, long names.
SEED = f"""
import json
from datetime import timedelta
from uuid import uuid4
from django.utils.timezone import now
from django.contrib.auth import get_user_model
from jobs.models import Answer, ApiToken, Conversation, Deployment, Job
from tests.browser import unwell
from tests.factories import make_deployment, make_host, make_job, make_measured
unwell.make()
Deployment.objects.update(model_id="deepseek-r1")  # that of the server itself has none
person = get_user_model().objects.first()
person.is_staff, person.username = True, "lin-weihua-of-the-second-team"
person.save()
host = make_host({HOST!r})
far = make_host("simulated-vacc-host-in-the-second-rack", sort="vacc", facts={{
    "dies": [{{"id": n}} for n in range(32)], "iommu": True, "stacks": ["guide", "current"]}})
made = {{kind: make_job(host=host, kind=kind, state="succeeded", created_by=person).pk
         for kind in {sorted(TOUR_KINDS - {"evaluate"})!r}}}
# Nothing but that its host does not answer stands beside the log of this one.
away = make_host("host-that-does-not-answer", heartbeat_at=now() - timedelta(days=1))
made["silent"] = make_job(host=away, state="running", created_by=person).pk
chain = uuid4()
for n in range(9):
    make_job(host=host, kind="benchmark", chain=chain, title="DeepSeek-R1-Distill-Qwen-32B " * 4,
             created_by=person)
made["chain"] = str(chain)
made["evaluate"] = make_job(host=host, kind="evaluate", state="running", created_by=person).pk
name = "DeepSeek-R1-Distill-Qwen-32B-{{}}-tp4-1024-2048-with-chat-template"
served = [make_deployment(host=far, name=name.format(precision), created_by=person)
          for precision in ("int8", "fp16")]
flags = [{{"id": "result:beside_jobs", "args": {{"jobs": "#5"}}}},
         {{"id": "result:few_samples", "args": {{"n": 6}}}}]
common = {{"model_id": "deepseek-r1-distill-qwen-32b", "simulated": True, "disturbed": True,
           "remarks": flags, "created_by": person,
           "what": "sonnet 1024 → 1024 tok, 3 000 requests, seed 42"}}
metrics = {{"concurrency": 128, "output_tokens_per_s": 12345.6, "requests": 30000,
            "failed_requests": 12, "total_tokens_per_s": 45678.9}}
for family in ("ttft", "tpot", "itl"):
    metrics |= {{f"{{family}}_{{s}}_ms": 12345.6 for s in ("mean", "p50", "p90", "p99")}}
metrics |= {{f"latency_{{s}}_s": 123.4 for s in ("p50", "p90", "p99")}}
def measured(**fields):
    job = make_job(host=far, kind="benchmark", state="succeeded", created_by=person)
    return make_measured(job=job, **common, **fields).pk
speeds = [measured(points=[(c, metrics | {{"concurrency": c}}) for c in (1, 16, 128)],
                   deployment=served[n % 2], label=f"int8 of the {{n}}. try") for n in range(3)]
made["speed"], made["speed2"], made["speed3"] = speeds
made["single"] = measured(points=[(128, metrics)], label="fp16")
made["quality"] = measured(scores=[1, 0, 1] * 40, label="fp16")
for answer in Answer.objects.filter(result_id=made["quality"]):
    answer.detail = {{"category": f"high_school_government_and_politics_{{answer.index % 60}}"}}
    answer.question = answer.answer = "a" * 400 + " and more " * 40
    answer.save()
made["deployment"] = served[0].pk
made["away"] = Job.objects.get(host__name=unwell.AWAY).pk
made["token"] = ApiToken.objects.create(
    user=person, name="nightly-comparison-of-all-precisions " * 2, token_sha256="0" * 64).pk
made["conversation"] = Conversation.objects.create(
    user=person, deployment=served[0], title="long " * 40).pk
print(json.dumps(made, separators=(",", ":")))
"""
MORE = [
    "/jobs/{silent}/",
    "/search/?q=deep",
    "/results/compare/?id={speed}&id={speed2}&id={speed3}&all=1",
    "/results/{single}/",
    "/jobs/{away}/",
    "/results/?order=-output_tokens_per_s&stamp=disturbed&stamp=simulated",
]
PATHS = [*TURNS, "/results/compare/?id={quality}", "/playground/?deployment={deployment}", *MORE]
# Numbers of the list that lie in sight, by the heads above them.
IN_SIGHT = """() => [...document.querySelectorAll(".results thead th")].filter((head) => {
  const { left, right } = head.getBoundingClientRect();
  return right - left > 0 && left >= 0 && right <= document.documentElement.clientWidth;
}).map((head) => head.textContent.trim())"""
OF_CHARTS = """() => [...document.querySelectorAll("[data-chart]")].every(
  (chart) => chart.closest("[hidden]") || chart.querySelector(".main-svg"))"""


@pytest.fixture(scope="module")
def made(own_server):
    """Numbers of what was made, by the names that addresses have for them."""
    return json.loads(own_server.shell(SEED)[0])


@pytest.fixture(scope="module")
def context(browser, own_server, made):
    """One window for all pages of this file, in which the administrator is logged in."""
    name, value = own_server.cookie.split("=", 1)
    root = f"http://127.0.0.1:{own_server.port}"
    with browser.new_context(base_url=root) as opened:
        opened.add_cookies([{"name": name, "value": value, "url": root}])
        yield opened


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]} px")
def page(request, context):
    """A page of one size, kept for all addresses: a new one costs a process."""
    width, height = request.param
    opened = context.new_page()
    opened.set_viewport_size({"width": width, "height": height})
    yield opened
    opened.close()


def test_no_page_scrolls_its_body_sideways(page, made):
    wide = {}
    # Of the forms, which are many and hold nothing of the data, test_every_page.py sees the others.
    is_middle = page.viewport_size["width"] == 1280
    for path in (path for path in PATHS if is_middle or not path.startswith("/launch/")):
        address = path.format(**made)
        answer = page.goto(address)
        assert answer.ok, f"{address} answered {answer.status}"
        page.wait_for_function(OF_CHARTS)
        if too_wide(page):
            page.wait_for_timeout(500)  # something may still be drawn
        if found := too_wide(page):
            wide[address] = found

    assert wide == {}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_at_1280_px_the_list_of_results_shows_every_metric(context, own_server, made, language):
    root = f"http://127.0.0.1:{own_server.port}"
    context.add_cookies([{"name": "django_language", "value": language, "url": root}])
    page = context.new_page()
    # As wide as a window of 1280 px with a scrollbar leaves it.
    page.set_viewport_size({"width": 1264, "height": 800})

    page.goto("/results/")
    context.clear_cookies(name="django_language")

    assert page.locator(".results thead th").count() == len(page.evaluate(IN_SIGHT)) == 13
    page.set_viewport_size({"width": 1264, "height": 300})
    page.evaluate("scrollTo(0, 200)")
    head = page.locator(".results thead th").nth(1)
    assert head.bounding_box()["y"] == page.locator("header.bar").bounding_box()["height"]
    page.close()


def test_a_list_with_all_its_columns_scrolls_inside_itself(context, made):
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/results/")
    page.get_by_text("Columns", exact=True).click()
    for box in page.locator(".choose input[type=checkbox]").all():
        box.check()
    page.get_by_role("button", name="Apply", exact=True).click()

    expect(page.locator(".results thead th")).to_have_count(len(RESULTS) + 1)
    assert not too_wide(page)
    inner, outer = page.locator(".results .scroll").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert inner > outer
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("button", name="Reset to defaults").click()
    expect(page.locator(".results thead th")).to_have_count(13)
    page.close()
