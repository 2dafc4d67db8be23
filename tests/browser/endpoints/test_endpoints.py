"""Endpoints in a real browser: save, check, measure, chat. The engines are made here, over real
sockets: stand-ins without a model."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.chat_engine import END, ask, chat_engine, delta, part
from tests.browser.lib.visits import axe
from tests.jobs.lib.scripted_engine import MODEL, engine

pytestmark = pytest.mark.browser

KEY = "sk-not-a-real-one-0123456789"
# A host that can run EvalScope, and the key for the address.
READY = """
from jobs.models import Environment, Host
from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE
from tests.factories import keep_secret
host = Host.objects.first()
host.facts["roots"]["spool"] = "/s"
host.save()
made = {{"name": EVALSCOPE, "fingerprint": ENVIRONMENTS[EVALSCOPE].fingerprint}}
Environment.objects.get_or_create(host=host, **made, defaults={{"path": "/e/evalscope"}})
keep_secret("H800_KEY", {key!r}, purpose="engine", endpoints=[{url!r}])
"""
PERMIT = """
from tests.factories import permit_source
permit_source({url!r}, "endpoint")
"""
MADE = """
from tests.factories import keep_secret, make_deployment, make_endpoint
make_deployment(name="small", dashboard_url={url!r})
keep_secret("CHAT_KEY", {key!r}, purpose="engine", endpoints=[{url!r}])
fields = {{"api_key": "CHAT_KEY", "model": "r1", "model_id": "deepseek-r1"}}
print(make_endpoint("H800, R1", url={url!r}, **fields).pk)
"""
RUNS = """
from jobs.models import Job
for job in Job.objects.filter(cell__isnull=False).order_by("pk"):
    print(job.inputs["deployment"]["endpoint"], *job.params["concurrency"])
"""
ARCHIVE = """
from django.utils.timezone import now
from jobs.models import Endpoint
Endpoint.objects.update(archived_at=now())
"""


def save(page):
    page.get_by_role("button", name="Check and save").click()


def test_an_endpoint_is_saved_checked_and_measured(page, server, window):
    with engine(KEY) as served:
        server.shell(READY.format(key=KEY, url=served.url))
        page.goto("/endpoints/add/")
        typed = {"name": "H800, DeepSeek-R1", "url": f"{served.url}/v1", "device": "8 × H800"}
        for field, value in {**typed, "devices": "8"}.items():
            page.locator(f"#{field}").fill(value)
        page.locator("#api_key").select_option("H800_KEY")
        save(page)

        expect(page.locator("#url")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#url-hint")).to_contain_text("may not be called")
        expect(page.locator("#device")).to_have_value("8 × H800")
        assert axe(page) == []
        assert [each[:4] for each in window.complaints.take()] == ["422:"]
        assert served.asked == []

        server.shell(PERMIT.format(url=served.url))
        save(page)

        page.wait_for_url(re.compile(r"/endpoints/\d+/"))
        expect(page.locator(".say")).to_contain_text("answers")
        expect(page.get_by_text(MODEL)).not_to_have_count(0)
        assert KEY not in page.content()
        key, served.key = served.key, "another one"
        page.get_by_role("button", name="Check now").click()
        expect(page.locator(".say")).to_contain_text("check failed")
        served.key = key
        page.get_by_role("button", name="Check now").click()
        expect(page.locator(".say")).to_contain_text("answers")

        number = re.search(r"/endpoints/(\d+)/", page.url)[1]
        launch_quick_look(page, number)
        assert server.shell(RUNS) == [number, "1", number, "4"]


def launch_quick_look(page, number):
    """Open the preset for the endpoint, look at its preview, launch it."""
    page.goto(f"/launch/matrix/?workload=quick-look&deployment=endpoint:{number}")
    expect(page.locator("#f-deployment")).to_have_value(f"endpoint:{number}")
    expect(page.locator("#f-kind")).to_have_value("benchmark")  # EvalScope's needs no tokenizer
    expect(page.get_by_text("2 of 2 cells run")).to_be_visible()
    expect(page.get_by_label("Commands")).to_contain_text("check_endpoint.py")
    assert KEY not in page.content()
    assert axe(page) == []

    page.get_by_role("button", name="Launch matrix").click()

    page.wait_for_url(re.compile(r"/matrices/\d+/"))
    expect(page.locator("td.cell")).to_have_count(2)


def test_a_chat_with_an_endpoint_is_whole_and_outlasts_it(page, server, window):
    with chat_engine() as served:
        (number,) = server.shell(MADE.format(key=KEY, url=served.url))
        page.goto(f"/playground/?deployment=endpoint:{number}")
        expect(page.get_by_label("Deployment or endpoint")).to_have_value(f"endpoint:{number}")
        expect(page.locator("#chat-sim")).to_have_text("external, 8 × H800")
        assert axe(page) == []

        served.end(delta(reasoning="Two and two."), delta(content="Four."), END)
        turn = ask(page, "2 + 2?")
        expect(turn).to_have_attribute("data-state", "done")
        expect(part(turn, "answer")).to_have_text("Four.")
        expect(part(turn, "reasoning")).to_have_text("Two and two.")
        expect(turn.locator(".turn-by")).to_contain_text("r1 external, 8 × H800")
        assert served.keys == [f"Bearer {KEY}"]

        served.end(delta(content=f"Not {KEY}."), END)
        turn.get_by_role("button", name="Regenerate").click()
        turn = page.locator("[data-turn]")
        expect(turn).to_have_attribute("data-state", "done")
        expect(turn).to_contain_text("2/2")
        expect(part(turn, "answer")).to_have_text(f"Not {'*' * len(KEY)}.")

        served.say(delta(reasoning="Three and two."), delta(content="Five"))
        last = ask(page, "And 3 + 2?")
        expect(last).to_contain_text("Five")
        page.get_by_role("button", name="Stop").click()
        expect(last).to_have_attribute("data-state", "stopped")
        served.end()
        assert KEY not in page.content()

    server.shell(ARCHIVE)
    page.reload()
    expect(part(page.locator("[data-turn]").last, "answer")).to_have_text("Five")
    expect(page.locator("#chat-state")).to_contain_text("archived")
    assert axe(page) == []
    page.get_by_label("Message").fill("Still there?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#problem")).to_contain_text("This endpoint is archived")
    assert [each[:4] for each in window.complaints.take()] == ["422:"]
