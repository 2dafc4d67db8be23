"""Page of a model's full pipeline: its jobs on a host, and their launch."""

import html
import re

import pytest
from django.urls import reverse

from jobs.models import AuditEntry, Environment, Host, Job
from jobs.queries.hosts import dies
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = pytest.mark.django_db

PIPELINE = reverse("model-pipeline", args=("deepseek-r1", "pytorch"))
BUILD_IN = reverse("model-pipeline", args=("deepseek-r1-distill-qwen-7b", "build-in"))


def test_a_model_links_to_its_pipelines_only(browser):
    page = browser.get(reverse("model-detail", args=["deepseek-r1"])).text

    assert PIPELINE in page
    for unknown in (("deepseek-r1", "build-in"), ("x", "pytorch")):
        assert browser.get(reverse("model-pipeline", args=unknown)).status_code == 404


def test_the_page_lists_existing_parts_and_launches_nothing(browser, host):
    Environment.objects.create(host=host, name="opencompass", fingerprint="x", path="/e")
    Host.objects.update(type="simulated")

    page = browser.get(PIPELINE).text

    assert page.count("already on the host") == 1
    assert "simulated" in page
    assert Job.objects.count() == 0


def test_one_click_launches_the_whole_chain_and_keeps_who_did(browser, host):
    answer = browser.post(PIPELINE, {"host": host.name, "stack": "guide"})

    jobs = list(Job.objects.order_by("pk"))
    assert answer.url == reverse("pipeline", args=[jobs[0].chain])
    assert len({job.chain for job in jobs}) == 1
    assert {job.kind for job in jobs} >= {"deploy-vllm", "benchmark-online", "evaluate-opencompass"}
    assert AuditEntry.objects.filter(action="job.launch").count() == len(jobs)


def test_an_impossible_pipeline_is_refused_with_its_reason(browser, host):
    host.facts = {**host.facts, "registry": ""}
    host.save()

    answer = browser.post(PIPELINE, {"host": host.name, "stack": "current"})

    assert answer.status_code == 422
    assert "has no image registry" in answer.text
    assert Job.objects.count() == 0


def test_a_cause_is_said_once_and_not_by_the_jobs_that_follow(browser, host):
    host.facts = {name: value for name, value in host.facts.items() if name != "roots"}
    host.save()

    page = html.unescape(browser.get(BUILD_IN, {"host": host.name, "stack": "guide"}).text)

    causes = re.findall(r'<p class="in bad">(.*?)</p>', page)
    assert causes and len(causes) == len(set(causes))
    assert any("has not reported its folders" in cause for cause in causes)
    assert "“job:" not in page
    assert page.count("cannot be planned") > len(causes)


def test_a_person_without_the_right_on_the_host_gets_the_check_of_a_preview(browser, host):
    host.is_restricted = True
    host.save()
    host.launchers.add(make_user())

    answer = browser.post(PIPELINE, {"host": host.name, "stack": "guide"})

    assert answer.status_code == 422
    assert f"You may not launch on {host.name}." in browser.get(PIPELINE).text
    assert f"You may not launch on {host.name}." in answer.text
    assert Job.objects.count() == 0


def test_the_page_names_jobs_that_wait_for_dies(browser, host):
    assert "Start time unknown" not in browser.get(PIPELINE).text
    held = ",".join(dies(host)[31:])
    made = {"values": {"dies": held}, "product": {"type": "deployment", "name": "qwen"}}
    make_deployment(job=make_job(host=host, state="succeeded", **made), name="qwen")

    page = browser.get(PIPELINE).text

    waits = re.findall(r"<td class=\"tx\">([^<]*)</td>", page)
    (reason,) = (text for text in waits if "Start time unknown" in text)
    kinds, text = reason.split(": ", 1)
    assert "Deploy with vLLM" in kinds.split(" · ")
    assert "Evaluate with OpenCompass" not in kinds
    assert "Stop: qwen (port" in text


def test_a_host_of_unknown_stacks_is_offered_all_of_them(browser, host):
    del host.facts["stacks"]
    host.save()

    page = browser.get(PIPELINE).text
    answer = browser.post(PIPELINE, {"host": host.name})

    assert page.count('<option value="guide"') == page.count('<option value="current"') == 1
    assert answer.status_code == 302


def test_without_a_host_with_cards_the_page_says_what_to_do(browser):
    make_host("this-computer")

    page = browser.get(PIPELINE).text

    assert "No host with cards yet." in page


def test_a_model_shows_memory_of_a_die_and_published_figures(browser):
    page = browser.get(reverse("model-detail", args=["deepseek-r1"])).text

    assert "21.5" in page
    assert "does not fit" not in page
    assert "Published accuracy" in page
    assert "95.59" in page
    small = browser.get(reverse("model-detail", args=["deepseek-r1-distill-llama-70b"]))
    assert "does not fit" in small.text


def test_processor_pipelines_need_hosts_without_dies(browser, host):
    here = make_host("here")
    pipeline = reverse("model-pipeline", args=("smollm2-135m-instruct", "vllm-cpu"))

    page = browser.get(pipeline).text

    assert f'value="{here.name}" selected' in page
    assert f'value="{host.name}" disabled>{host.name} · for hosts without cards<' in page
    assert "2.4 GB" in page


def test_pipeline_options_are_shown_launched_and_linked(browser, host):
    chosen = {"host": host.name, "precision": "both", "calibration": "alpaca", "concurrency": "1,4"}

    page = browser.get(BUILD_IN, chosen).text
    browser.post(BUILD_IN, chosen)

    assert page.count("Compile for VACC") == 2
    assert 'value="both" selected' in page
    assert 'value="alpaca" selected' in page
    jobs = Job.objects.order_by("pk")
    compiled = [job.params["precision"] for job in jobs if job.kind == "compile-vacc"]
    assert compiled == ["fp16", "int8"]
    assert page.count('<details class="cmd-file stage"') == len(jobs)
    loads = {str(job.params["concurrency"]) for job in jobs if job.kind == "benchmark"}
    assert loads == {"[1, 4]"}


def test_a_changed_option_is_marked_and_an_unknown_one_names_the_known(browser, host):
    page = browser.get(BUILD_IN, {"precision": "fp16", "evaluation": "x"}).text

    assert re.findall(r'is-changed" data-field="(\w+)"', page) == ["precision"]
    assert "Default: int8<" in page
    assert 'id="e-evaluation">Choose one of smoke, guide, paper.' in page


def test_an_option_that_does_not_count_is_not_shown(browser, host):
    coded = browser.get(BUILD_IN, {"calibration": "alpaca", "precision": "fp16"}).text
    right, exact = (
        browser.get(PIPELINE, {"bind": "192.0.2.7", "as_in_guide": switch}).text for switch in "01"
    )

    assert '<input type="hidden" name="calibration" value="alpaca">' in coded
    assert 'name="bind" value="192.0.2.7"' in exact
    assert 'name="bind"' not in right


def test_the_switch_makes_every_job_of_the_pipeline_verbatim(browser, host):
    page = browser.get(PIPELINE, {"as_in_guide": "1"}).text
    browser.post(PIPELINE, {"host": host.name, "as_in_guide": "1"})

    assert "match the guide verbatim" in html.unescape(page)
    assert "10.24.73.25" in page
    switched = [job.params["as_in_guide"] for job in Job.objects.all() if "stack" in job.params]
    assert set(switched) == {True}


def test_a_wrong_option_is_refused_at_its_field(browser, host):
    wrong = {"host": host.name, "precision": "fp16", "concurrency": "1, x"}

    shown = browser.get(BUILD_IN, wrong)
    answer = browser.post(BUILD_IN, wrong)

    assert (shown.status_code, answer.status_code) == (200, 422)
    for page in (shown.text, answer.text):
        assert 'id="e-concurrency">Enter at most 12 whole numbers from 1 to 1024' in page
        assert 'value="fp16" selected' in page
        assert 'value="1, x"' in page
    assert Job.objects.count() == 0


def test_without_scripts_a_button_shows_the_commands(browser, host):
    answer = browser.post(BUILD_IN, {"host": host.name, "precision": "fp16", "show": "1"})

    assert answer.status_code == 200
    assert not any("Prepare datasets" in text for text in stages(answer.text))
    assert Job.objects.count() == 0


def test_each_job_shows_the_port_of_its_own_server(browser, host):
    page = browser.get(BUILD_IN, {"precision": "both"}).text

    assert "port 7863" in page
    assert "port set at start" in page  # the second server: the first will have that one
    assert re.findall(r'<span class="mono">publish_port</span> (\d+)', page) == ["17810", "17811"]
    fp16, int8 = [text for text in stages(page) if "Benchmark" in text.partition("will run")[0]]
    assert "127.0.0.1:7863/" in fp16
    assert "127.0.0.1:7863" not in int8


def stages(page: str) -> list[str]:
    """Return the text of each stage of the page."""
    parts = page.split('<details class="cmd-file stage"')[1:]
    return [html.unescape(re.sub(r"<[^>]*>", "", part)) for part in parts]


def test_evaluations_use_the_server_s_listen_address(browser, host):
    chosen = {"host": host.name, "stack": "guide", "as_in_guide": "1"}

    page = browser.get(PIPELINE, chosen).text

    (asked,) = [text for text in stages(page) if "VACC_API_BASE" in text]
    assert "http://10.24.73.25:8000" in asked
    assert "127.0.0.1:8000" not in asked


def test_jobs_that_the_guide_lacks_are_marked_as_our_own(browser, host):
    exact = browser.get(BUILD_IN, {"stack": "guide", "as_in_guide": "1"}).text
    right = browser.get(BUILD_IN, {"stack": "guide"}).text

    marked = [text for text in stages(exact) if "not in the guide" in text]
    titles = ("Prepare", "Benchmark", "Evaluate")
    assert len(marked) == 3
    assert all(any(f"{title}" in text for text in marked) for title in titles)
    assert "Commands match the guide verbatim" not in exact
    assert "The guide has no commands for Prepare, Benchmark, Evaluate" in exact
    assert "not in the guide" not in right
