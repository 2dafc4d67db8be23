"""Models of the catalogue, launch of their pipelines, and service levels over the API."""

import json

import pytest
import yaml

from jobs.catalog import MODELS, SHIPPED
from jobs.models import AuditEntry, Environment, Job, ServiceLevel
from jobs.queries.catalogue import published_comparisons
from tests.dashboard.lib.team_models import LIKE as QWEN
from tests.dashboard.lib.team_models import OURS, broken_file, text_of
from tests.factories import (
    make_artifact,
    make_deployment,
    make_evaluation,
    make_guide_host,
    make_host,
    make_job,
    make_result,
    make_weights,
)

# Models


def test_the_list_has_each_model_with_what_one_needs_to_choose(lin, model_folder):
    (model_folder / f"{OURS}.yaml").write_text(text_of())
    (model_folder / "broken.yaml").write_text("id: broken\n")
    host = make_guide_host("va16")
    make_weights(host=host, model_id=QWEN)
    make_artifact(host=host, model_id=QWEN)
    deployment, speed = make_deployment(host=host, model_id=QWEN), make_result(model_id=QWEN)
    make_result(model_id=OURS, simulated=True)

    answer = lin.get("models").json()

    shown = {one["id"]: one for one in answer["models"]}
    assert [*shown] == [*MODELS]
    qwen = shown[QWEN]
    assert (qwen["parameters"], qwen["precision"]) == (SHIPPED[QWEN].parameters, "bf16")
    assert qwen["paths"][0]["precisions"] == [*SHIPPED[QWEN].paths["build_in"].precisions]
    assert [one["id"] for one in qwen["pipelines"]] == ["build-in"]
    assert (qwen["weights"], qwen["artifacts"]) == (["va16"], ["Q8_0 from Q4_1"])
    assert (qwen["deployments"], qwen["answers"]) == ([deployment.pk], None)
    assert qwen["speed"]["result"] == f"res-{speed.pk}"
    assert qwen["speed"]["output_tokens_per_s"] == 61.9
    assert (qwen["added"], shown[OURS]["added"], shown[OURS]["speed"]) == (False, True, None)
    assert qwen["page"] == f"/models/{QWEN}/"
    (problem,) = answer["problems"]
    assert problem["file"] == "broken.yaml" and "Field required" in problem["reason"]


def test_a_model_has_its_facts_assets_and_what_stands_for_it(lin):
    host = make_guide_host("va16")
    weights = make_weights(host=host, model_id=QWEN)
    make_artifact(host=host, model_id=QWEN)
    answers = make_evaluation([1.0] * 90 + [0.0] * 10, model_id=QWEN)
    job = make_job(kind="prepare-weights", model_id=QWEN)

    model = lin.get(f"models/{QWEN}").json()

    (place,) = model["hosts"]
    assert (place["host"], place["simulated"], place["deployments"]) == ("va16", False, [])
    assert (place["weights"][0]["id"], place["weights"][0]["sha256"]) == (weights.pk, "a" * 64)
    assert place["artifacts"][0]["label"] == "Q8_0 from Q4_1"
    assert (model["answers"]["result"], model["answers"]["accuracy"]) == (f"res-{answers.pk}", 0.9)
    low, high = model["answers"]["interval"]
    assert low < 0.9 < high
    assert (model["latest_results"], model["open_jobs"]) == ([f"res-{answers.pk}"], [job.pk])
    assert model["facts"]["architecture"]["num_hidden_layers"] == 28
    assert "published" not in model["facts"]
    assert (model["version"], model["memory_tokens"]) == (None, 32768)
    assert {one["tp"] for one in model["memory"]} >= {1, 2}


def test_its_next_step_is_a_job_to_launch(lin):
    step = lin.get(f"models/{QWEN}").json()["next_step"]
    assert step == {"kind": "prepare-weights", "host": None, "params": {"model": QWEN}}
    host = make_guide_host("va16")
    artifact = make_artifact(host=host, model_id=QWEN)

    step = lin.get(f"models/{QWEN}").json()["next_step"]

    params = {"artifact": str(artifact.pk)}
    assert step == {"kind": "deploy-build-in", "host": "va16", "params": params}


def test_a_published_score_has_its_source_and_stands_beside_ours(lin):
    result = make_evaluation([1, 0, 1], model_id="deepseek-r1")
    result.answers.update(subset="cluewsc-dev")
    known = published_comparisons(SHIPPED["deepseek-r1"])

    scores = lin.get("models/deepseek-r1").json()["published"]

    assert [one["source"] for one in scores] == [one.published.source for one in known]
    ours = [one["ours"] for one in scores if one["data_set"] == "cluewsc-dev"]
    assert ours and all(one["result"] == f"res-{result.pk}" for one in ours)
    assert (ours[0]["questions"], ours[0]["interval"][0] < ours[0]["share"]) == (3, True)
    assert next(one["not_comparable"] for one in scores if one["ours"] is None) == []


def test_the_yaml_of_a_model_is_its_file(lin, model_folder):
    (model_folder / f"{OURS}.yaml").write_text(text_of())

    answer = lin.get(f"models/{OURS}/model.yaml")

    assert (answer.getvalue().decode(), answer["Content-Type"]) == (
        text_of(),
        "application/yaml; charset=utf-8",
    )
    assert yaml.safe_load(lin.get(f"models/{QWEN}/model.yaml").getvalue())["id"] == QWEN


# Pipelines

PYTORCH = {"model": "deepseek-r1", "pipeline": "pytorch", "host": "va16"}
BUILD_IN = {"model": QWEN, "pipeline": "build-in", "host": "va16"}


@pytest.fixture
def va16():
    return make_guide_host("va16")


def test_a_preview_has_the_jobs_in_order_and_launches_nothing(lin, va16):
    Environment.objects.create(host=va16, name="opencompass", fingerprint="x", path="/e")

    shown = lin.post("pipelines/preview", PYTORCH).json()

    assert (shown["model"], shown["host"], shown["stack"]) == ("deepseek-r1", "va16", "guide")
    jobs = {one["kind"]: one for one in shown["jobs"]}
    assert [one["number"] for one in shown["jobs"]] == [*range(1, len(shown["jobs"]) + 1)]
    there, deploy = jobs["prepare-opencompass"], jobs["deploy-vllm"]
    assert (there["preview"], there["title"], there["starts"]) == (None, "", "")
    assert there["existing"]
    assert jobs["benchmark-latency"]["number"] in deploy["after"]
    assert deploy["preview"]["script"].startswith("#!/usr/bin/env bash")
    assert (deploy["starts"], deploy["existing"]) == ("Starts next.", None)
    assert "shm" in shown["confirmable"]
    assert Job.objects.count() == 0


def test_a_launch_queues_the_whole_pipeline_and_answers_with_it(lin, va16):
    asked = PYTORCH | {"stack": "current"}
    shown = lin.post("pipelines/preview", asked).json()

    answer = lin.post("pipelines", asked | {"confirm": ["shm"]})

    assert answer.status_code == 201
    launched = answer.json()
    assert launched == lin.get(f"pipelines/{launched['id']}").json()
    jobs = Job.objects.order_by("pk")
    assert [job["id"] for job in launched["jobs"]] == [job.pk for job in jobs]
    assert [job.kind for job in jobs] == [one["kind"] for one in shown["jobs"]]
    assert {str(job.chain) for job in jobs} == {launched["id"]}
    assert {job.params["stack"] for job in jobs if "stack" in job.params} == {"current"}
    confirmed = [item["check"] for job in jobs for item in job.confirmed]
    assert confirmed and {*confirmed} == {"shm"}
    assert AuditEntry.objects.filter(action="job.launch").count() == len(jobs)


def test_options_of_a_pipeline_are_launched(lin, va16):
    options = {"precision": "both", "calibration": "alpaca", "concurrency": [1, 4]}

    lin.post("pipelines", BUILD_IN | options)

    jobs = Job.objects.order_by("pk")
    compiled = [job.params["precision"] for job in jobs if job.kind == "compile-vacc"]
    assert compiled == ["fp16", "int8"]
    loads = [job.params["concurrency"] for job in jobs if job.kind == "benchmark"]
    assert loads == [[1, 4]] * 2


def test_a_pipeline_with_one_key_is_launched_once(lin, va16):
    lin.headers = {**lin.headers, "Idempotency-Key": "night"}

    first, second = lin.post("pipelines", PYTORCH), lin.post("pipelines", PYTORCH)
    other = lin.post("pipelines", BUILD_IN)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert (other.status_code, other.json()["error"]) == (409, "other_request")
    assert Job.objects.values("chain").distinct().count() == 1


@pytest.mark.parametrize("path", ["pipelines", "pipelines/preview"])
@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"model": "nothing"}, 422, "model"),
        ({"pipeline": "vllm-cpu"}, 422, "pipeline"),
        ({"host": "nowhere"}, 400, "host"),
        ({"host": "here"}, 422, "host"),
        ({"stack": "cpu"}, 422, "stack"),
        ({"precision": "int8"}, 422, "precision"),
        ({"concurrency": [0]}, 422, "concurrency"),
        ({"port": 80}, 422, "port"),
        ({"bind": "here"}, 422, "bind"),
        ({"speed": 1}, 400, "speed"),
    ],
)
def test_a_wrong_pipeline_is_refused_at_its_field(lin, va16, path, fields, status, field):
    make_host("here")

    answer = lin.post(path, PYTORCH | fields)

    assert (answer.status_code, [*answer.json()["fields"]]) == (status, [field])
    assert Job.objects.count() == 0


@pytest.mark.parametrize("path", ["pipelines", "pipelines/preview"])
def test_an_error_of_a_job_is_at_the_field_of_the_body_or_at_its_kind(lin, va16, path):
    va16.facts = {**va16.facts, "registry": ""}
    va16.save()

    answer = lin.post(path, PYTORCH | {"stack": "current"})

    assert answer.status_code == 422
    assert "has no image registry" in answer.json()["message"]
    later = ["benchmark-online.deployment", "evaluate.deployment"]
    assert [*answer.json()["fields"]] == ["stack", *later]
    assert Job.objects.count() == 0


def test_a_check_without_a_warning_cannot_be_confirmed(lin, va16):
    answer = lin.post("pipelines", PYTORCH | {"confirm": ["dance"]})

    assert (answer.status_code, [*answer.json()["fields"]]) == (422, ["confirm"])
    assert Job.objects.count() == 0


# Service levels

CHAT = {"name": "Chat", "limits": {"ttft_p90_ms": 450, "latency_p99_s": 30.5}}


def test_a_level_is_added_listed_and_read(lin):
    made = lin.post("levels", CHAT | {"note": "ACME", "goodput_percent": 95})

    row = ServiceLevel.objects.get()
    shown = made.json()
    assert (made.status_code, shown["id"], shown["created_by"]) == (201, row.pk, "lin")
    assert {**CHAT, "note": "ACME", "goodput_percent": 95}.items() <= shown.items()
    assert (row.limits, row.goodput) == (CHAT["limits"], 0.95)
    assert lin.get(f"levels/{row.pk}").json() == shown
    assert lin.get("levels").json()["levels"] == [shown]


def test_a_change_of_a_level_leaves_what_it_does_not_name(lin):
    number = lin.post("levels", CHAT | {"note": "ACME", "goodput_percent": 95}).json()["id"]

    named = lin.send("patch", f"levels/{number}", {"name": "Voice"}).json()
    limited = lin.send("patch", f"levels/{number}", {"limits": {"tpot_p50_ms": 40}}).json()
    free = lin.send("patch", f"levels/{number}", {"goodput_percent": None}).json()

    assert named["name"] == "Voice"
    for name in ("limits", "note", "goodput_percent"):
        assert named[name] == {**CHAT, "note": "ACME", "goodput_percent": 95}[name]
    assert (limited["limits"], limited["goodput_percent"]) == ({"tpot_p50_ms": 40}, 95)
    assert (free["limits"], free["goodput_percent"]) == ({"tpot_p50_ms": 40}, None)


def test_an_included_level_is_hidden_and_shown(admin):
    path = "levels/included/mlperf-chat"

    def hidden():
        shown = admin.get("levels").json()["included"]
        return [one["key"] for one in shown if one["hidden"]]

    assert admin.send("put", path, {"hidden": True}).json()["hidden"] is True
    assert hidden() == ["mlperf-chat"]
    assert admin.send("put", path, {"hidden": False}).json()["source"].startswith("MLPerf")
    assert hidden() == []
    assert admin.send("put", "levels/included/nothing", {"hidden": True}).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"name": ""}, 422, "name"),
        ({"name": "a" * 300}, 422, "name"),
        ({"note": "a" * 201}, 422, "note"),
        ({"limits": {}}, 422, "limits"),
        ({"limits": {"ttft_p90_ms": 0}}, 422, "limits.ttft_p90_ms"),
        ({"limits": {"latency_p90_s": 1e9}}, 422, "limits.latency_p90_s"),
        ({"limits": {"ttft_p90_ms": 1e300}}, 422, "limits.ttft_p90_ms"),
        ({"limits": {"ttft_p90_ms": True}}, 400, "limits.ttft_p90_ms"),
        ({"limits": {"ttft_p90_s": 1}}, 422, "limits.ttft_p90_s"),
        ({"limits": {"ttft_p50_ms": 1, "ttft_p90_ms": 2}}, 422, "limits.ttft_p90_ms"),
        ({"goodput_percent": 101}, 422, "goodput_percent"),
        ({"goodput": 1}, 400, "goodput"),
    ],
)
def test_a_wrong_level_is_refused_at_its_field(lin, fields, status, field):
    number = lin.post("levels", {**CHAT, "name": "Before"}).json()["id"]

    made = lin.post("levels", CHAT | fields)
    changed = lin.send("patch", f"levels/{number}", fields)

    assert (made.status_code, [*made.json()["fields"]]) == (status, [field])
    assert (changed.status_code, [*changed.json()["fields"]]) == (status, [field])
    assert [row.name for row in ServiceLevel.objects.all()] == ["Before"]


def test_a_level_without_a_name_or_limits_is_refused(lin):
    answer = lin.post("levels", {})

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["name", "limits"])


# Models of the team


def dids():
    rows = AuditEntry.objects.filter(action="model.change").order_by("pk")
    return [row.detail["did"] for row in rows]


def put(caller, text, **fields):
    return caller.send("put", f"models/{OURS}", {"yaml": text, **fields})


def test_a_model_is_added_changed_and_the_change_undone(admin, model_folder):
    made = admin.post("models", {"yaml": text_of()})
    assert (made.status_code, made.json()["id"], made.json()["added"]) == (201, OURS, True)
    assert (model_folder / f"{OURS}.yaml").read_text() == text_of()
    assert put(admin, text_of(name="Better")).json()["name"] == "Better"

    undone = admin.post(f"models/{OURS}/undo")

    assert (undone.status_code, undone.json()["name"]) == (200, "Ours")
    assert dids() == ["add", "change", "undo"]


def test_the_second_of_two_changes_of_a_version_is_refused(admin, model_folder):
    version = admin.post("models", {"yaml": text_of()}).json()["version"]
    first = put(admin, text_of(name="First"), version=version)

    second = put(admin, text_of(name="Second"), version=version)

    assert (second.status_code, second.json()["error"]) == (409, "changed")
    third = put(admin, text_of(name="Third"), version=first.json()["version"])
    assert (third.status_code, MODELS[OURS].name) == (200, "Third")


def test_a_model_is_deleted_and_restored(admin, model_folder):
    admin.post("models", {"yaml": text_of()})

    assert admin.send("delete", f"models/{OURS}").json()["name"] == "Ours"
    assert OURS not in MODELS
    assert admin.send("delete", f"models/{OURS}").status_code == 404
    assert admin.post(f"models/{OURS}/undo").json()["name"] == "Ours"
    assert (OURS in MODELS, dids()) == (True, ["add", "delete", "undo"])


@pytest.mark.parametrize("model_id", [QWEN, "never-there", "a" * 300])
def test_a_model_that_was_not_added_is_not_changed(admin, model_folder, model_id):
    path = f"models/{model_id}"
    body = {"yaml": text_of(id=QWEN)}

    assert admin.send("put", path, body).status_code == 404
    assert admin.send("delete", path).status_code == 404
    assert admin.post(f"{path}/undo").status_code == 404
    assert (AuditEntry.objects.count(), [*model_folder.iterdir()]) == (0, [])


def test_a_restored_file_that_is_no_model_is_named_as_a_problem(admin, model_folder):
    (model_folder / f".{OURS}.before").write_text("id: x\n")

    answer = admin.post(f"models/{OURS}/undo")

    assert (answer.status_code, answer.json()["error"]) == (409, "invalid_file")
    assert [one["file"] for one in admin.get("models").json()["problems"]] == [f"{OURS}.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: [", "Invalid YAML"),
        ("- 1", "Enter lines"),
        ("[" * 200 + "]" * 200, ""),
        ("a:\tb", "hub_id: Required."),
        ("#" * 70_000, "At most 65536 characters."),
        (text_of(id=QWEN), f"Model {QWEN} already exists."),
        (text_of(active_parameters=9999999999999), "active_parameters must not exceed"),
    ],
)
def test_yaml_that_is_no_new_model_is_refused_at_its_field(admin, model_folder, text, message):
    answer = admin.post("models", {"yaml": text})

    assert (answer.status_code, [*answer.json()["fields"]]) == (422, ["yaml"])
    assert message in answer.json()["fields"]["yaml"]
    assert [*model_folder.iterdir()] == []


def test_the_id_of_a_model_cannot_change(admin, model_folder):
    admin.post("models", {"yaml": text_of()})

    answer = put(admin, text_of(id="other"))

    assert (answer.status_code, answer.json()["fields"]["yaml"]) == (
        422,
        f"The ID cannot change: {OURS}.",
    )
    assert "other" not in MODELS


def test_a_folder_that_cannot_be_written_is_an_error_at_the_field(admin, model_folder):
    model_folder.rmdir()
    model_folder.write_text("a file")

    answer = admin.post("models", {"yaml": text_of()})

    assert (answer.status_code, [*answer.json()["fields"]]) == (422, ["yaml"])


def test_a_draft_is_made_of_a_config_or_of_another_model(admin, model_folder):
    config = json.dumps(SHIPPED[QWEN].architecture.config_values())

    new = admin.post("model-drafts", {"hub_id": "Qwen/Qwen2.5_Chat", "config": config}).json()
    like = admin.post("model-drafts", {"like": QWEN}).json()

    assert yaml.safe_load(new["yaml"])["id"] == "qwen2.5-chat"
    assert any(", licence: " in one for one in new["errors"])
    assert yaml.safe_load(like["yaml"])["architecture"]["num_hidden_layers"] == 28
    assert yaml.safe_load(like["yaml"])["id"] is None
    assert [*model_folder.iterdir()] == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["hub_id", "config"]),
        ({"hub_id": "a/b", "config": "{"}, ["config"]),
        ({"hub_id": "a/b", "config": "x" * 300_000}, ["config"]),
        ({"like": "nothing"}, ["like"]),
        ({"like": "smollm2-135m-instruct"}, ["like"]),
    ],
)
def test_a_wrong_draft_is_refused_at_its_fields(admin, body, fields):
    answer = admin.post("model-drafts", body)

    assert (answer.status_code, [*answer.json()["fields"]]) == (422, fields)


def test_a_broken_file_is_read_and_deleted_and_no_other(admin, model_folder):
    admin.post("models", {"yaml": text_of()})
    name = broken_file()

    assert admin.get(f"model-files/{name}").json()["yaml"] == "id: broken\n"
    for other in (f"{OURS}.yaml", f".{OURS}.before", "nothing.yaml", "..%2F..%2Fdb.sqlite3"):
        assert admin.get(f"model-files/{other}").status_code == 404
        assert admin.send("delete", f"model-files/{other}").status_code == 404
    assert "Field required" in admin.send("delete", f"model-files/{name}").json()["reason"]
    assert (MODELS.problems, OURS in MODELS) == ((), True)
