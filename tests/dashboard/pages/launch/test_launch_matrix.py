"""Launch form of a matrix: presets, the table of cells before the launch, and the launch."""

import html
import re

import pytest
from django.http import QueryDict
from django.urls import reverse

from dashboard.pages.launch.launch_form import make_form
from dashboard.pages.launch.matrix import matrix_form
from jobs.kinds import KINDS
from jobs.models import AuditEntry, Job, Matrix
from jobs.schedule.targets import target_of
from tests.factories import (
    make_deployment,
    make_endpoint,
    make_host,
    make_job,
    make_user,
    make_weights,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def near():
    """A host without cards."""
    roots = dict.fromkeys(("weights", "artifacts", "environments"), "/x")
    return make_host(facts={"cpu": {"cores": 4}, "roots": roots})


def form_of(browser, **query):
    return browser.get(reverse("launch-matrix"), query)


def send(browser, **fields):
    return browser.post(reverse("launch-matrix"), fields)


def text(answer):
    """The words of a page; thin spaces in numbers are left out."""
    words = re.sub(r"<[^>]+>", " ", html.unescape(answer.text))
    return " ".join(words.replace("\u202f", "").split())


def test_without_a_deployment_the_form_says_what_to_make_first(browser, host):
    answer = form_of(browser, host=host.name)

    assert answer.status_code == 200
    assert f'href="/launch/deploy-vllm/?host={host.name}"' in answer.text
    assert "No usable input on this host yet. Prepare it" in text(answer)


def test_the_vendor_s_matrix_is_shown_before_anything_runs(browser, host, served):
    shown = text(form_of(browser, workload="vendor", host=host.name))

    assert "Soak One load for hours." in shown  # of another preset
    assert "50 of 66 cells run, 16 are skipped" in shown
    assert shown.count("exceeds the workload's total of 65536") == 10
    assert shown.count("Max prompt length is 56320 tokens.") == 6
    assert Matrix.objects.count() == Job.objects.filter(state="queued").count() == 0


def test_what_was_shown_is_launched(browser, host, served):
    fields = {"deployment": str(served.pk), "title": " Night  of fp8 "}
    answer = send(browser, workload="vendor", host=host.name, **fields)

    matrix = Matrix.objects.get()
    assert matrix.title == "Night of fp8"
    assert answer["Location"] == reverse("matrix-detail", args=[matrix.pk])
    assert matrix.cells.exclude(job=None).count() == 50
    assert matrix.cells.filter(job=None).count() == 16
    entry = AuditEntry.objects.get(action="job.launch")
    assert (entry.subject, entry.detail["jobs"]) == (f"matrix {matrix.pk}", 50)


def test_the_offered_kind_is_one_that_can_measure_the_deployment(browser, served):
    assert form_of(browser).context["form"].kind.name == "benchmark-online"


def test_a_silent_endpoint_is_offered_last(browser, near):
    make_endpoint("a-silent", check_id="endpoint:no_answer")
    answering = make_endpoint("b-answers")

    offered = target_of(near).deployments

    assert [ref.label for ref in offered] == ["b-answers", "a-silent"]
    chosen = form_of(browser, host=near.name).context["form"].spec.params["deployment"]
    assert chosen == f"endpoint:{answering.pk}"


def test_a_deployment_comes_before_a_silent_endpoint(browser, near):
    make_endpoint("a-silent", check_id="endpoint:no_answer")
    job = make_job(state="succeeded", host=near, kind="deploy")
    served = make_deployment(job=job, details={"engine": "llama.cpp", "max_total": 4096})

    form = form_of(browser, host=near.name).context["form"]

    assert (form.kind.name, form.spec.params["deployment"]) == ("benchmark", str(served.pk))


def test_a_form_opens_on_a_host_whose_engine_its_kind_can_measure(browser, near, host, served):
    opened = {
        kind: browser.get(reverse("launch-form", args=[kind])).context["form"].host
        for kind in ("benchmark-online", "prepare-weights", "prepare")
    }

    assert opened["benchmark-online"] == host.name
    assert opened["prepare"] == near.name  # it needs no engine


@pytest.mark.parametrize(
    ("kind", "usual"),
    [("benchmark", "a-with-a-key"), ("benchmark-guidellm", "b-without")],  # which shows its keys
)
def test_a_form_opens_on_an_engine_that_its_kind_can_measure(near, kind, usual):
    made = [make_endpoint("a-with-a-key", api_key="key"), make_endpoint("b-without")]

    field = make_form(KINDS[kind], target_of(near), {}, {}).field("deployment")

    assert len(field.options) == 2
    assert field.value == {row.name: f"endpoint:{row.pk}" for row in made}[usual]


def test_another_preset_brings_its_own_lengths(host, served):
    target, kind = target_of(host), KINDS["benchmark-online"]
    typed = "workload=soak&of=vendor&concurrency=1,2&repeats=2"

    form = matrix_form(QueryDict(typed), kind, target)
    kept = matrix_form(QueryDict(typed.replace("of=vendor", "of=soak")), kind, target)

    values = [{one.name: one.value for one in each.own} for each in (form, kept)]
    assert [(one["concurrency"], one["repeats"]) for one in values] == [("4", "24"), ("1,2", "2")]


def test_a_typed_name_goes_along_to_another_workload(browser, host, served):
    shown = form_of(browser, workload="vendor", host=host.name, title="Night & day")
    link = re.search(r'href="\?(workload=soak[^"]*)"', shown.text)[1]
    opened = browser.get(f"{reverse('launch-matrix')}?{html.unescape(link)}")
    changed = form_of(browser, workload="soak", of="vendor", host=host.name, title="Night & day")

    for page in (opened, changed):
        assert 'value="Night &amp; day"' in page.text


def test_a_preset_sets_what_makes_lengths_true(host, served):
    form = matrix_form(QueryDict("workload=own"), KINDS["benchmark-online"], target_of(host))

    assert form.spec.params["dataset"] == "random"
    assert form.spec.params["prefix_tokens"] == "0"
    assert form.spec.params["exclusive"] is True


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"concurrency": "1, two"}, "“two”: Enter a whole number."),
        ({"concurrency": ""}, "Enter one value, or several separated by commas."),
        ({"title": "a\x07"}, "Enter one line of at most 200 characters."),
        ({"concurrency": "4,4"}, "Enter each value only once."),
        ({"repeats": "many"}, "Enter a whole number."),
        ({"concurrency": "64"}, "No cell can run."),
        ({"concurrency": "64"}, "Max concurrency of the engine is 4."),
        ({"deployment": "99999"}, "Not on this host"),
        ({"requests": "0"}, "1"),
        ({"requests": "9" * 400}, "At most 10000."),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(browser, host, served, typed, message):
    answer = send(browser, **{"workload": "own", "of": "own", "host": host.name, **typed})

    assert answer.status_code == 422
    assert message in text(answer)
    assert Matrix.objects.count() == 0


def test_the_guide_s_commands_open_their_own_forms(browser, host, served):
    answer = form_of(browser, workload="guide", host=host.name, deployment=str(served.pk))

    source = answer.text
    for name in ("benchmark-online", "benchmark-throughput", "benchmark-latency"):
        assert f"/launch/{name}/?host={host.name}" in source
    assert source.count("as_in_guide=1") == 3
    assert send(browser, workload="guide", host=host.name).status_code == 422


def test_prompts_of_a_fixed_set_have_no_length_axis(browser, near):
    make_deployment(job=make_job(state="succeeded", host=near))

    answer = form_of(browser, workload="own", host=near.name, kind="benchmark")

    assert "prompts have fixed lengths" in text(answer)
    assert 'name="input_tokens"' not in answer.text


def test_random_prompts_get_a_length_axis(browser, near):
    made = make_deployment(job=make_job(state="succeeded", host=near), model_id="r1")
    query = {"workload": "own", "host": near.name, "kind": "benchmark", "prompts": "random"}

    missing = text(form_of(browser, **query))
    make_weights(host=near, model_id="r1", details={"format": "safetensors"})
    answer = form_of(browser, **query, input_tokens="64, 128", output_tokens="8", of="own")

    assert "Random prompts need the tokenizer of r1, which is missing" in missing
    assert "64 → 8" in text(answer)
    cells = answer.context["planned"].cells
    assert {one.preview.params.input_tokens for one in cells} == {64, 128}
    assert made.model_id == "r1"


def test_an_endpoint_without_a_model_gets_a_client_that_can_run(browser, near):
    endpoint = make_endpoint("H800")

    alone = form_of(browser, host=near.name).context
    named = form_of(browser, host=near.name, deployment=f"endpoint:{endpoint.pk}").context

    assert alone["form"].kind.name == named["form"].kind.name == "benchmark"
    assert alone["planned"] is not None


def test_the_script_is_a_download(browser, host, served):
    query = {"workload": "quick-look", "host": host.name, "deployment": str(served.pk)}

    answer = browser.get(reverse("launch-matrix-script"), query)

    assert answer["Content-Type"].startswith("text/x-shellscript")
    assert answer.text.count("bash -s") == 2
    without = query | {"of": "quick-look", "concurrency": ""}
    assert browser.get(reverse("launch-matrix-script"), without).status_code == 404


def test_without_a_host_the_page_says_how_to_add_one(browser):
    assert "No host yet." in text(form_of(browser))


def test_a_person_without_the_right_on_the_host_launches_nothing(browser, host, served):
    host.is_restricted = True
    host.save()
    host.launchers.add(make_user())

    answer = send(browser, workload="own", host=host.name, deployment=str(served.pk))

    assert answer.status_code == 422
    assert Matrix.objects.count() == 0
