"""Questions above the launch forms, and the way from a page to a form that answers them."""

import html
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from dashboard.pages.launch.front import MATRIX, PURPOSES, purpose_of
from dashboard.pages.launch.launch_form import Field
from dashboard.pages.launch.parts import FormFault, faults
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import FAMILIES
from jobs.models import Job
from tests.factories import (
    make_artifact,
    make_deployment,
    make_endpoint,
    make_guide_deployment,
    make_guide_host,
    make_host,
    make_job,
    make_measured,
    make_user,
    make_weights,
)

pytestmark = pytest.mark.django_db

QWEN, R1, SMALL = "deepseek-r1-distill-qwen-7b", "deepseek-r1", "smollm2-135m-instruct"
LARGE = [name for name in MODELS if name != SMALL]
START = reverse("launch")


@pytest.fixture
def here():
    return make_host("here")


@pytest.fixture
def cards():
    return make_guide_host()


def serve(host, kind="deploy", **fields):
    return make_deployment(job=make_job(state="succeeded", host=host, kind=kind), **fields)


def begun(browser, **query):
    """Return the path and the query of the form that *New job* leads to."""
    parts = urlsplit(browser.get(START, query).url)
    return parts.path, dict(parse_qsl(parts.query))


def front(browser, address, query=None):
    return browser.get(address, query or {}).context["front"]


def test_each_family_of_kinds_has_one_purpose():
    families = [family for one in PURPOSES.values() for family in one.families]

    assert sorted(families) == sorted(FAMILIES)
    assert purpose_of(KINDS["compile"]) == purpose_of(KINDS["collect-results"]) == "prepare"


def test_each_kind_says_in_one_line_what_it_is_good_for():
    lines = [kind.good_for for kind in KINDS.values()]

    assert len(set(lines)) == len(KINDS)
    assert all(len(line.split()) <= 15 for line in lines)


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_address_opens_the_form_with_its_answers(browser, here, cards, name):
    shown = front(browser, reverse("launch-form", args=[name]))

    assert (shown.purpose, shown.tool) == (purpose_of(KINDS[name]), name)
    assert name in [tool.name for tool in shown.tools]


def test_a_new_person_begins_with_the_engine_that_is_ready(browser, here, cards):
    serve(make_host("sim", type="simulated"), name="copy")
    ready = make_guide_deployment(cards)
    serve(here, name="gone", state="stopped")

    path, query = begun(browser)

    assert path == "/launch/benchmark-online/"  # the usual one of its server
    assert query == {"host": cards.name, "deployment": str(ready.pk)}


def test_without_an_engine_a_job_begins_with_a_model_that_a_host_can_run(browser, here):
    assert begun(browser)[0] == f"/models/{SMALL}/pipelines/vllm-cpu/"
    make_guide_host()
    assert begun(browser)[0] == f"/models/{next(iter(LARGE))}/pipelines/build-in/"


def test_a_person_goes_on_with_the_last_choice(browser, here):
    serve(here, name="other")
    mine = serve(here, name="mine")
    used = {"deployment": {"id": mine.pk}}
    make_job(
        kind="evaluate", host=here, created_by=User.objects.first(), inputs=used, state="failed"
    )
    make_job(kind="benchmark", host=here, created_by=make_user("eve"))

    assert begun(browser) == ("/launch/evaluate/", {"host": "here", "deployment": str(mine.pk)})
    assert begun(browser, **{"for": "speed"})[0] == "/launch/benchmark/"


def links(page):
    (found,) = re.findall(r'href="(/launch/[^"]*)" data-key="n"', page)
    return html.unescape(found)


def test_new_job_begins_where_a_person_stands(browser, here, cards):
    serve(here, name="first")
    served = serve(cards, "deploy-build-in", name="qwen", model_id=QWEN)
    job = make_job(kind="evaluate", host=cards, inputs={"deployment": {"id": served.pk}})
    result = make_measured(job=job, deployment=served)
    endpoint = make_endpoint("H800")
    pages = {
        f"/hosts/{cards.name}/": f"host={cards.name}",
        f"/models/{QWEN}/": f"deployment={served.pk}",
        f"/deployments/{served.pk}/": f"deployment={served.pk}",
        f"/jobs/{job.pk}/": f"/launch/evaluate/?host={cards.name}&deployment={served.pk}",
        f"/results/res-{result.pk}/": f"deployment={served.pk}",
        f"/endpoints/{endpoint.pk}/": f"deployment=endpoint%3A{endpoint.pk}",
    }

    led = {path: browser.get(links(browser.get(path).text)).url for path in pages}

    assert {path: part for path, part in pages.items() if part not in led[path]} == {}


@pytest.mark.parametrize(
    ("model", "purpose", "path"),
    [
        (R1, "serve", "/launch/deploy-vllm/"),
        (QWEN, "serve", "/launch/deploy-build-in/"),
        (SMALL, "prepare", "/launch/prepare/"),
        (R1, "prepare", "/launch/prepare-weights/"),
        (R1, "speed", "/launch/benchmark-online/"),
        (QWEN, "pipeline", f"/models/{QWEN}/pipelines/build-in/"),
        (R1, "pipeline", f"/models/{R1}/pipelines/pytorch/"),
    ],
)
def test_model_and_purpose_choose_the_tool_and_a_host_that_can(
    browser, here, cards, model, purpose, path
):
    found, query = begun(browser, model=model, **{"for": purpose})

    assert (found, query["host"]) == (path, "here" if model == SMALL else cards.name)


def test_what_exists_chooses_before_what_is_usual(browser, here):
    make_artifact(host=here, model_id=SMALL)

    assert begun(browser, model=SMALL, **{"for": "serve"})[0] == "/launch/deploy/"


def test_a_host_that_has_the_weights_comes_first(browser, cards):
    other = make_guide_host("va16-02")
    weights = make_weights(host=other, model_id=R1)

    query = begun(browser, model=R1, near=cards.name, **{"for": "serve"})[1]
    shown = front(browser, "/launch/deploy-vllm/", query)

    assert query["host"] == other.name
    assert [(one.host.name, one.remark) for one in shown.hosts] == [
        (other.name, ""),
        (cards.name, "nothing prepared yet"),
    ]
    page = browser.get("/launch/deploy-vllm/", query)
    assert page.context["form"].field("weights").value == str(weights.pk)
    assert begun(browser, model=R1, host=cards.name, **{"for": "serve"})[1]["host"] == cards.name


def test_hosts_that_cannot_run_it_are_listed_with_the_reason(browser, here, cards):
    closed = make_guide_host("va16-02", is_restricted=True)
    served = serve(cards, "deploy-build-in", name="qwen")

    def reasons(kind, **query):
        shown = front(browser, f"/launch/{kind}/", query)
        return {one.host.name: one.remark for one in shown.hosts if one.is_blocked}

    assert reasons("compile-vacc") == {"here": "no cards", closed.name: "you may not launch here"}
    assert reasons("deploy") == dict.fromkeys((cards.name, closed.name), "for hosts without cards")
    others = dict.fromkeys(("here", closed.name), "does not run this engine")
    assert reasons("benchmark", deployment=served.pk) == others
    page = browser.get("/launch/compile-vacc/").text
    assert '<option value="here" disabled>here · no cards</option>' in page


def test_the_form_is_on_the_host_of_its_engine(browser, here, cards):
    served = serve(cards, "deploy-build-in", name="qwen")

    context = browser.get("/launch/benchmark/", {"deployment": served.pk}).context

    assert context["host"] == cards
    assert not context["errors"]


def test_a_tool_that_cannot_take_the_engine_says_so(browser, cards):
    served = serve(cards, "deploy-build-in", name="qwen", details={"engine": "vastgenx"})

    shown = front(browser, "/launch/benchmark/", {"deployment": served.pk})
    path, _query = begun(browser, deployment=served.pk, tool="benchmark-online")

    reasons = {tool.name: tool.reason for tool in shown.tools}
    assert reasons["benchmark-online"] == "Not for this engine."
    assert reasons["benchmark"] == reasons[MATRIX] == ""
    assert path == "/launch/benchmark/"


def test_another_purpose_keeps_model_and_values(browser, here):
    served = serve(here, name="small", model_id=SMALL)
    typed = {"deployment": served.pk, "tool": "benchmark", "host": "here", "requests": "7"}

    path, query = begun(browser, **typed, **{"for": "accuracy", "limit": "5"})
    page = browser.get(path, query)

    assert (path, query["deployment"], query["limit"]) == ("/launch/evaluate/", str(served.pk), "5")
    assert '<input type="hidden" name="requests" value="7">' in page.text
    assert "requests=7" in page.context["address"]  # back at the benchmark it is there again
    again = begun(browser, **{**query, "for": "speed"})
    assert again == ("/launch/benchmark/", {**query, "deployment": str(served.pk)})
    assert begun(browser, **typed, **{"for": "prepare"})[1]["model"] == SMALL


def test_an_engine_that_is_chosen_in_place_of_a_model_is_measured(browser, here):
    served = serve(here, name="small", model_id=SMALL)

    path, query = begun(browser, model=f"engine:{served.pk}", tool="prepare", **{"for": "prepare"})

    assert (path, query["deployment"]) == ("/launch/benchmark/", str(served.pk))


def test_a_model_in_place_of_an_engine_offers_to_serve_it(browser, here, cards):
    serve(here, name="small", model_id=SMALL)

    path, query = begun(browser, deployment=f"model:{R1}", **{"for": "accuracy"})
    page = browser.get(path, query)

    assert query == {"host": cards.name, "model": R1}
    assert "DeepSeek-R1 is not served on any host." in page.text
    assert "?model=deepseek-r1&amp;for=pipeline&amp;host=" in page.text
    assert f'href="/launch/?model={R1}&amp;for=serve"' in page.text
    assert page.context["front"].chosen == f"model:{R1}"
    assert "is-invalid" not in page.text.partition("With which tool?")[0]


def test_a_matrix_is_a_tool_whose_lists_no_other_form_gets(browser, cards):
    served = make_guide_deployment(cards)
    typed = {"deployment": served.pk, "for": "speed", "concurrency": "1, 4", "seed": "9"}

    path, query = begun(browser, **typed, tool=MATRIX)
    left = begun(browser, **typed, tool="benchmark", of="vendor")[1]

    assert (path, query["concurrency"]) == ("/launch/matrix/", "1, 4")
    assert ("concurrency" in left, left["seed"]) == (False, "9")
    shown = front(browser, path, query)
    assert (shown.purpose, shown.tool, shown.chosen) == ("speed", MATRIX, str(served.pk))


def test_a_pipeline_keeps_its_options_for_another_model(browser, cards):
    path, query = begun(browser, model=R1, tool="build-in", **{"for": "pipeline", "port": "8100"})

    assert (path, query["port"]) == (f"/models/{R1}/pipelines/pytorch/", "8100")
    shown = front(browser, path, query)
    assert (shown.purpose, shown.tool, shown.chosen) == ("pipeline", "pytorch", R1)
    assert [tool.name for tool in shown.tools] == ["pytorch"]


def test_a_field_without_a_value_is_red_only_once_it_was_sent(browser, here):
    address = reverse("launch-form", args=["collect-results"])

    opened = browser.get(address).text
    sent = browser.post(address, {"host": "here", "folder": ""})

    assert "is-invalid" not in opened
    assert '<p class="form-error" id="e-folder"></p>' in opened
    assert 'Still to fill in: <a href="#f-folder">Folder</a>' in re.sub(r"\s+", " ", opened)
    assert sent.status_code == 422
    note = sent.text.partition('role="alert"')[2].partition("</div>")[0]
    assert '<a href="#f-folder">Folder</a>' in note
    assert 'aria-invalid="true"' in sent.text
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("address", "query", "words"),
    [
        ("/launch/benchmark/", "requests=0", "Requests"),
        ("/launch/compile-vacc/", "stack=current&precision=int4", "Precision"),
        ("/launch/matrix/", "workload=own&of=own&repeats=many", "Repeats"),
        (f"/models/{QWEN}/pipelines/build-in/", "precision=fp16&calibration=x", "Calibration data"),
        (f"/models/{R1}/pipelines/pytorch/", "bind=x", "Listen on"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_each_error_beside_launch_leads_to_its_field(browser, cards, address, query, words, method):
    make_guide_deployment(cards)
    serve(cards, "deploy-build-in")
    make_weights(host=cards, model_id=QWEN)
    typed = {"host": cards.name, **dict(parse_qsl(query))}

    page = getattr(browser, method)(address, typed).text

    beside = page.partition('class="panel start foot"')[2]
    (name,) = re.findall(rf'<a href="#f-(\w+)">{words}</a>: ', re.sub(r"\s+", " ", beside))
    assert re.search(rf'id="f-{name}" [^>]*aria-invalid="true"', page)
    error = re.search(rf'class="form-error" id="e-{name}">[^<]', page)
    assert page.index(f">{words}<") < error.start() < page.index(f'name="{name}"')
    assert ("Not launched." in page.partition('class="two launch"')[0]) == (method == "post")


def test_the_error_of_a_hidden_field_leads_to_the_one_that_shows_it():
    samples = Field(
        "samples", "Samples", "", "number", "0", "1", when=("precision", "int8"), is_hidden=True
    )

    assert faults({"samples": "At least 1.", "": "Busy."}, [samples]) == [
        FormFault("f-precision", "Samples", "At least 1."),
        FormFault("", "", "Busy."),
    ]


def test_a_field_that_nobody_sees_blocks_no_launch(browser, here):
    typed = {"host": "here", "what": "environment", "model": "no-such-model"}

    assert browser.post(reverse("launch-form", args=["prepare"]), typed).status_code == 302
    typed["what"] = "weights"
    assert browser.post(reverse("launch-form", args=["prepare"]), typed).status_code == 422
