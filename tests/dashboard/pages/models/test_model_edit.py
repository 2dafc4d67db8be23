"""A team's own models: from hub id and config.json to a YAML that is kept, changed, launched."""

import json
import re
from pathlib import Path

import pytest
import yaml
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from dashboard.pages import models
from dashboard.pages.launch import pipeline
from dashboard.server import health
from jobs.catalog import MODELS, SHIPPED, schema
from jobs.catalog.schema import RESERVED_IDS, Architecture
from jobs.kinds import KINDS
from jobs.models import AuditEntry
from tests.factories import make_user
from tests.jobs.lib.target import here

OURS = "ours-of-the-team"
QWEN = SHIPPED["deepseek-r1-distill-qwen-7b"]


@pytest.fixture(autouse=True)
def folder(settings):
    apps.get_app_config("jobs").ready()
    models_folder = Path(settings.DATA_DIR) / "catalog" / "models"
    models_folder.mkdir(parents=True)
    yield models_folder
    MODELS.configure(None)


def data_of(model=QWEN, **changes):
    data = model.model_dump(mode="json", exclude_defaults=True)
    data["source"] = {"sort": "hub", **data["source"]}
    return {**data, "id": OURS, "name": "Ours", **changes}


def text_of(**changes):
    return yaml.safe_dump(data_of(**changes))


def add(client, **changes):
    return client.post(reverse("model-add-yaml"), {"text": text_of(**changes)})


def test_the_yaml_is_the_file_and_adds_the_model(admin, folder):
    answer = add(admin)

    assert answer.url == reverse("model-detail", args=[OURS])
    kept = yaml.safe_load((folder / f"{OURS}.yaml").read_text())
    assert (kept["id"], kept["architecture"]["num_hidden_layers"]) == (OURS, 28)
    assert MODELS[OURS].sampling == QWEN.sampling
    audit = AuditEntry.objects.get(action="model.change")
    assert (audit.subject, audit.detail) == (f"model {OURS}", {"did": "add"})


def test_a_model_id_cannot_be_the_name_of_a_page():
    pages = [*models.urlpatterns, *pipeline.urlpatterns]
    routes = [str(item.pattern) for item in pages]
    first_parts = {route.split("/")[0] for route in routes if route and not route.startswith("<")}

    assert first_parts == RESERVED_IDS


@pytest.mark.parametrize("name", sorted(RESERVED_IDS))
def test_an_id_of_a_page_is_refused_in_texts_and_files(admin, folder, name):
    page = add(admin, id=name).text
    (folder / f"{name}.yaml").write_text(text_of(id=name))

    assert "reserved for a dashboard page" in page
    reasons = [item.reason for item in MODELS.problems]
    assert reasons == ["id: the dashboard has a page of this name"]
    assert name not in MODELS


def architecture(**changes):
    return {**data_of()["architecture"], **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": architecture(num_key_value_heads=3)}, "num_attention_heads须为"),
        ({"active_parameters": 9999999999999}, "active_parameters不能大于parameters"),
    ],
)
def test_a_rule_between_fields_is_in_the_reader_s_language(admin, changes, message):
    text = text_of(**changes)

    chinese = {"accept-language": "zh-hans"}
    answer = admin.post(reverse("model-add-yaml"), {"text": text}, headers=chinese)

    assert (answer.status_code, message in answer.text) == (422, True)


CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": True,
    "bos_token_id": 151643,
    "eos_token_id": [151645, 151643],
    "torch_dtype": "bfloat16",
    "model_type": "qwen2",
    "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192},
    "use_cache": True,
}


@pytest.mark.parametrize("how", ["pasted", "uploaded"])
def test_a_config_fills_in_most_of_the_yaml(admin, folder, how):
    typed = {"hub_id": "Qwen/Qwen2.5-7B_Chat", "config": json.dumps(CONFIG)}
    if how == "uploaded":
        typed["file"] = SimpleUploadedFile("config.json", typed.pop("config").encode())

    answer = admin.post(reverse("model-add"), typed)

    made = yaml.safe_load(answer.context["text"])
    assert (made["id"], made["name"]) == ("qwen2.5-7b-chat", "Qwen2.5-7B_Chat")
    numbers = made["architecture"]
    assert (numbers["num_hidden_layers"], numbers["head_dim"]) == (36, 128)
    assert (numbers["eos_token_id"], numbers["rope_scaling"]["type"]) == (151645, "yarn")
    kept = (made["context_tokens"], made["dtype"], made["source"]["precision"])
    assert kept == (32768, "bf16", "bf16")
    assert list(folder.iterdir()) == []


def test_the_yaml_of_a_new_model_names_the_lines_to_fill_in(admin):
    typed = {"hub_id": "Qwen/Qwen2.5-7B", "config": json.dumps(CONFIG)}

    context = admin.post(reverse("model-add"), typed).context

    lines = context["text"].splitlines()
    found = dict(
        re.fullmatch(r"Line (\d+), ([^:]+): .*", one).groups() for one in context["errors"]
    )
    assert {"family", "licence", "source.bytes", "paths.vllm.tp"} <= set(found.values())
    for line, place in found.items():
        assert lines[int(line) - 1].strip().startswith(f"{place.rpartition('.')[2]}:")


def test_a_model_like_another_has_its_values_without_its_names(admin):
    context = admin.get(reverse("model-add"), {"like": QWEN.id}).context

    made = yaml.safe_load(context["text"])
    assert (made["id"], made["name"], "published" in made) == (None, None, False)
    assert made["architecture"]["num_hidden_layers"] == 28


def test_a_mixture_of_experts_config_fills_the_architecture():
    r1 = SHIPPED["deepseek-r1"].architecture
    quantized = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}
    config = {
        **{name: value for name, value in r1.config_values().items() if value is not None},
        "head_dim": r1.head_dim,
        "quantization_config": quantized,
    }

    values = schema.architecture_of(config)

    assert Architecture.model_validate(values) == r1
    assert schema.facts_of(config)["dtype"] == "fp8"


@pytest.mark.parametrize("config", ["", "{", "[1]", '{"a": 1}', "[" * 5000, "x" * 300_000])
def test_what_is_no_config_is_refused_at_its_field(admin, config):
    answer = admin.post(reverse("model-add"), {"hub_id": "a/b", "config": config})

    empty = admin.post(reverse("model-add"), {})
    assert (answer.status_code, empty.status_code) == (422, 422)
    assert list(answer.context["errors"]) == ["config"]
    assert set(empty.context["errors"]) == {"config", "hub_id"}


def test_a_long_text_is_refused_with_the_limit_and_not_cut(admin, folder):
    text = text_of() + "#" * 65_537 + "\nits end"

    answer = admin.post(reverse("model-add-yaml"), {"text": text})

    assert answer.status_code == 422
    assert "At most 65536 characters." in answer.text and "its end" in answer.text
    assert list(folder.iterdir()) == []


def test_a_model_is_changed_but_for_its_id_and_the_change_undone(admin, folder):
    add(admin)
    address = reverse("model-edit", args=[OURS])

    assert admin.post(address, {"text": text_of(id="other")}).status_code == 422
    admin.post(address, {"text": text_of(name="Better")})
    assert (MODELS[OURS].name, "other" in MODELS) == ("Better", False)
    admin.post(reverse("model-undo", args=[OURS]))

    assert MODELS[OURS].name == "Ours"
    did = list(AuditEntry.objects.order_by("pk").values_list("detail__did", flat=True))
    assert did == ["add", "change", "undo"]


def opened(admin, name):
    """The version that an edit page carries."""
    page = admin.get(reverse(name, args=[OURS])).text
    return re.search(r'name="version" value="([0-9a-f]{64})"', page)[1]


@pytest.mark.parametrize("name", ["model-edit", "model-edit-yaml"])
def test_the_second_of_two_edits_is_refused_and_not_lost(admin, folder, name):
    add(admin)
    address, version = reverse(name, args=[OURS]), opened(admin, name)
    admin.post(address, {"text": text_of(name="First"), "version": version})

    for _ in range(2):
        answer = admin.post(address, {"text": text_of(name="Second"), "version": version})
        page = answer.text
        assert answer.status_code == 422
        assert "Not saved: the model was changed after you opened it" in page
        assert "name: Second" in page
        assert f'name="version" value="{version}"' in page
    assert MODELS[OURS].name == "First"

    third = {"text": text_of(name="Third"), "version": opened(admin, name)}
    assert admin.post(address, third).status_code == 302
    assert MODELS[OURS].name == "Third"


def test_a_model_is_deleted_after_a_question_and_restored_once(admin, folder):
    add(admin)
    admin.post(reverse("model-edit", args=[OURS]), {"text": text_of(name="Better")})
    address, delete = (reverse(f"model-delete{end}", args=[OURS]) for end in ("d", ""))
    assert admin.get(address).status_code == 404
    assert "Delete Better?" in admin.get(delete).text
    assert OURS in MODELS

    for _click in range(2):  # the second deletes no more
        assert admin.post(delete).url == address
    assert OURS not in MODELS
    for _ in range(2):
        assert reverse("model-undo", args=[OURS]) in admin.get(address).text

    admin.post(reverse("model-undo", args=[OURS]))
    assert MODELS[OURS].name == "Better"
    assert admin.get(address).status_code == 404
    for name in (QWEN.id, "never-there"):
        assert admin.get(reverse("model-deleted", args=[name])).status_code == 404


def test_a_model_that_ships_is_neither_changed_nor_deleted(admin):
    for name in ("model-edit", "model-delete", "model-edit-yaml"):
        assert admin.post(reverse(name, args=[QWEN.id])).status_code == 404
    assert admin.post(reverse("model-undo", args=[QWEN.id])).status_code == 404
    assert add(admin, id=QWEN.id).status_code == 422


@pytest.mark.parametrize("how", ["pasted", "uploaded"])
def test_a_model_as_yaml_is_taken_as_it_is_written(admin, folder, how):
    text = "# by hand\n" + text_of()
    sent = {"text": text} if how == "pasted" else {"file": SimpleUploadedFile("x", text.encode())}

    admin.post(reverse("model-add-yaml"), sent)

    assert (folder / f"{OURS}.yaml").read_text() == text
    assert admin.get(reverse("model-yaml", args=[OURS])).text == text


@pytest.mark.parametrize(
    "text", ["", "- 1", "id: [", "id: x", "a: &b 1\nc: *b", "x: " + "y" * 70_000]
)
def test_yaml_that_is_no_model_is_refused_with_the_reason(admin, folder, text):
    answer = admin.post(reverse("model-add-yaml"), {"text": text})

    assert answer.status_code == 422
    assert list(folder.iterdir()) == []


def test_each_yaml_error_has_its_place_in_plain_words(admin, folder):
    text = "id: x\nname: Ours\nsource: {sort: hub, bytes: many}\npublished: [{unit: x}, {unit: y}]"

    page = admin.post(reverse("model-add-yaml"), {"text": text}).text
    broken = admin.post(reverse("model-add-yaml"), {"text": "id: x\nname: ]"}).text

    assert "paths: Enter precisions and dies for Build_In or vLLM." in page
    for place in ("hub_id", "family", "licence", "source.shards", "published.1.metric"):
        assert f"{place}: Required." in page
    assert "source.bytes: Enter a whole number." in page
    assert "Invalid YAML, line 2: " in broken
    assert list(folder.iterdir()) == []


def test_a_broken_file_is_reported_and_breaks_nothing_else(admin, folder):
    (folder / "broken.yaml").write_text("id: broken\n")
    (folder / f"{OURS}.yaml").write_text(text_of())

    page = admin.get(reverse("model-list")).text
    part = health.catalogue()

    assert "broken.yaml" in page
    assert "hub_id: Field required" in page
    assert reverse("model-detail", args=[OURS]) in page
    assert part["ok"]
    assert list(part["unread"]) == ["broken.yaml"]
    opened = admin.get(reverse("model-add-yaml"), {"file": "broken.yaml"}).text
    assert "id: broken" in opened
    admin.post(reverse("model-discard"), {"file": "broken.yaml"})
    assert MODELS.problems == ()


@pytest.mark.parametrize("file", ["../../db.sqlite3", "/etc/passwd", ".x.before", "x.yaml", ""])
def test_no_other_file_is_opened_or_deleted(admin, folder, file):
    (folder / f"{OURS}.yaml").write_text(text_of())
    target = folder.parent.parent / "db.sqlite3"
    target.write_text("to be seen by nobody")

    page = admin.get(reverse("model-add-yaml"), {"file": file}).text

    assert "to be seen by nobody" not in page
    assert admin.post(reverse("model-discard"), {"file": file}).status_code == 404
    assert admin.post(reverse("model-discard"), {"file": f"{OURS}.yaml"}).status_code == 404
    assert target.exists()


def test_a_member_sees_models_and_changes_none(client, folder):
    (folder / f"{OURS}.yaml").write_text(text_of())
    client.force_login(make_user())

    page = client.get(reverse("model-detail", args=[OURS])).text

    assert reverse("model-edit", args=[OURS]) not in page
    assert "added here" in page


def test_an_added_file_is_a_model_without_a_restart(client, folder):
    client.force_login(make_user("lin"))
    address = reverse("model-detail", args=[OURS])
    assert client.get(address).status_code == 404

    smol = SHIPPED["smollm2-135m-instruct"]
    (folder / f"{OURS}.yaml").write_text(yaml.safe_dump(data_of(smol)), encoding="utf-8")

    assert "Ours" in client.get(address).text
    assert address in client.get(reverse("model-list")).text
    kind = KINDS["prepare"]
    params = kind.Params.model_validate({"what": "weights", "model": OURS})
    assert OURS in [choice.value for choice in kind.choices("model", here())]
    assert f"/weights/{OURS}/" in kind.product(params, here())["path"]
    assert kind.plan(params, here()).steps[0].name == "fetch"
