"""Adding a model in the browser: a form over the catalogue's schema writes the model's file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from dashboard.pages.launch import launch_pipeline
from dashboard.pages.models import model_edit, model_form, models
from dashboard.server import health
from jobs.catalog import MODELS, SHIPPED, schema
from jobs.catalog.schema import RESERVED_IDS, Architecture
from jobs.models import AuditEntry
from tests.factories import make_user

pytestmark = pytest.mark.django_db
OURS = "ours-of-the-team"
QWEN = SHIPPED["deepseek-r1-distill-qwen-7b"]


@pytest.fixture
def folder(settings):
    apps.get_app_config("jobs").ready()
    models_folder = Path(settings.DATA_DIR) / "catalog" / "models"
    models_folder.mkdir(parents=True)
    yield models_folder
    MODELS.configure(None)


@pytest.fixture
def admin(client, folder):
    client.force_login(make_user("root", is_staff=True))
    return client


def data_of(model=QWEN, **changes):
    data = model.model_dump(mode="json", exclude_defaults=True)
    data["source"] = {"sort": "hub", **data["source"]}
    return {**data, "id": OURS, "name": "Ours", **changes}


def filled(**changes):
    return model_form.typed_of(data_of()) | changes


def text_of(**changes):
    return yaml.safe_dump(data_of(**changes))


@pytest.mark.parametrize(
    "model", [model for model in SHIPPED.values() if model.package is None], ids=lambda m: m.id
)
def test_a_form_filled_from_a_model_makes_that_model_again(model):
    data = data_of(model)

    made = model_form.data_of(model_form.typed_of(data))

    assert schema.ZooModel.model_validate(made) == schema.ZooModel.model_validate(data)


def test_the_form_writes_the_file_and_adds_the_model(admin, folder):
    answer = admin.post(reverse("model-add"), {**filled(), "keep": "1"})

    assert answer.url == reverse("model-detail", args=[OURS])
    kept = yaml.safe_load((folder / f"{OURS}.yaml").read_text())
    assert (kept["id"], kept["architecture"]["num_hidden_layers"]) == (OURS, 28)
    assert MODELS[OURS].sampling == QWEN.sampling
    assert MODELS[OURS].published == QWEN.published
    audit = AuditEntry.objects.get(action="model.change")
    assert (audit.subject, audit.detail) == (f"model {OURS}", {"did": "add"})


def test_showing_the_yaml_keeps_nothing(admin, folder):
    page = admin.post(reverse("model-add"), {**filled(), "show": "1"}).content.decode()

    assert "id: ours-of-the-team" in page
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("id", "My_Model", "Use small letters, digits, single dots and hyphens."),
        ("hub_id", "only-a-name", "Enter owner/name: letters, digits"),
        ("parameters", "many", "Enter a whole number."),
        ("sampling.top_p", "2", "At most 1"),
        ("architecture.hidden_size", "", "Required."),
        ("paths.build_in.default_tp", "3", ""),
        ("source.shards", "0", "At least 1"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_kept(
    admin, folder, field, value, message
):
    answer = admin.post(reverse("model-add"), {**filled(**{field: value}), "keep": "1"})

    page = answer.content.decode()
    assert answer.status_code == 422
    if message:
        error = page[page.index(f'id="e-{field}"') :]
        assert message in error[: error.index("</p>")]
    assert list(folder.iterdir()) == []


def test_a_model_id_cannot_be_the_name_of_a_page():
    pages = (models, model_edit, launch_pipeline)
    routes = [str(item.pattern) for page in pages for item in page.urlpatterns]
    first_parts = {route.split("/")[0] for route in routes if route and not route.startswith("<")}

    assert first_parts == RESERVED_IDS


@pytest.mark.parametrize("name", sorted(RESERVED_IDS))
def test_an_id_of_a_page_is_refused_in_forms_and_files(admin, folder, name):
    page = admin.post(reverse("model-add"), {**filled(id=name), "keep": "1"}).content.decode()
    (folder / f"{name}.yaml").write_text(text_of(id=name))

    error = page[page.index('id="e-id"') :]
    assert "reserved for a dashboard page" in error[: error.index("</p>")]
    reasons = [item.reason for item in MODELS.problems]
    assert reasons == ["id: the dashboard has a page of this name"]
    assert name not in MODELS


def test_a_model_without_precisions_and_dies_is_refused(admin, folder):
    nothing = {name: "" for name in filled() if name.startswith(("paths.", "more"))}

    page = admin.post(reverse("model-add"), {**filled(**nothing), "keep": "1"}).content.decode()

    for field in ("paths.build_in.precisions", "paths.vllm.precisions"):
        error = page[page.index(f'id="e-{field}"') :]
        assert "Enter precisions and dies for Build_In or vLLM." in error[: error.index("</p>")]
    assert "paths: " not in page


def test_an_error_without_a_field_has_its_place(admin, folder):
    typed = filled(more="published: [{dataset: aime24}]")

    page = admin.post(reverse("model-add"), {**typed, "keep": "1"}).content.decode()

    error = page[page.index('id="e-more"') :]
    assert "published.0." in error[: error.index("</p>")]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("architecture.num_key_value_heads", "3", "num_attention_heads须为"),
        ("paths.build_in.default_tp", "3", "default_tp须为tp之一"),
        ("active_parameters", "9999999999999", "active_parameters不能大于parameters"),
    ],
)
def test_a_rule_between_fields_is_in_the_reader_s_language(admin, field, value, message):
    typed = {**filled(**{field: value}), "keep": "1"}

    answer = admin.post(reverse("model-add"), typed, headers={"accept-language": "zh-hans"})

    assert answer.status_code == 422
    assert message in answer.content.decode()


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


def test_a_pasted_config_fills_only_the_architecture(admin):
    typed = {"name": "Mine", "config": json.dumps(CONFIG), "fill": "1"}

    page = admin.post(reverse("model-add"), typed).content.decode()

    def value(name):
        start = page.index(f'name="{name}" value="') + len(f'name="{name}" value="')
        return page[start : page.index('"', start)]

    assert value("architecture.num_hidden_layers") == "36"
    assert value("architecture.head_dim") == "128"
    assert value("architecture.eos_token_id") == "151645"
    assert value("context_tokens") == "32768"
    assert value("name") == "Mine"
    assert page.count('<option value="bf16" selected>') == 2  # of the weights as published, kept
    assert "type: yarn" in page


def test_a_mixture_of_experts_config_fills_the_architecture():
    r1 = SHIPPED["deepseek-r1"].architecture
    config = {
        **{name: value for name, value in r1.config_values().items() if value is not None},
        "head_dim": r1.head_dim,
        "quantization_config": {
            "quant_method": "fp8",
            "fmt": "e4m3",
            "weight_block_size": [128, 128],
        },
    }

    values = schema.architecture_of(config)

    assert Architecture.model_validate(values) == r1
    assert schema.facts_of(config)["dtype"] == "fp8"


@pytest.mark.parametrize("config", ["", "{", "[1]", '{"a": 1}', "[" * 5000, "x" * 300_000])
def test_what_is_no_config_is_refused_at_its_field(admin, config):
    answer = admin.post(reverse("model-add"), {"config": config, "fill": "1"})

    page = answer.content.decode()
    assert answer.status_code == 422
    error = page[page.index('id="e-config"') :]
    assert len(error[: error.index("</p>")]) > len('id="e-config">')


@pytest.mark.parametrize("more", ["5", "0", "true", "1.5", "- 1", "2020-01-01", "a: [", "b"])
@pytest.mark.parametrize("button", ["fill", "show", "keep"])
def test_every_button_refuses_yaml_that_names_nothing(admin, more, button):
    typed = {**filled(more=more), "config": json.dumps(CONFIG), button: "1"}

    answer = admin.post(reverse("model-add"), typed)

    page = answer.content.decode()
    assert answer.status_code == 422
    error = page[page.index('id="e-more"') :]
    assert len(error[: error.index("</p>")]) > len('id="e-more">')


@pytest.mark.parametrize("more", ["5: x", "a: 2020-01-01", "published: 5", "rope: {5: 6}"])
def test_a_config_fills_in_beside_any_names_and_values(admin, more):
    typed = {**filled(more=more), "config": json.dumps(CONFIG), "fill": "1"}

    assert admin.post(reverse("model-add"), typed).status_code == 200


@pytest.mark.parametrize("button", ["fill", "show", "keep"])
@pytest.mark.parametrize("field", ["more", "summary"])
def test_a_long_value_is_refused_with_the_limit_and_not_cut(admin, folder, button, field):
    typed = filled(**{field: "#" * 65_537 + "\nits end"})

    answer = admin.post(reverse("model-add"), {**typed, "config": json.dumps(CONFIG), button: "1"})

    page = answer.content.decode()
    assert answer.status_code == 422
    error = page[page.index(f'id="e-{field}"') :]
    assert "At most 65536 characters." in error[: error.index("</p>")]
    assert "its end" in page
    assert list(folder.iterdir()) == []


def test_what_a_file_can_hold_goes_through_the_form_whole(admin, folder):
    more = filled()["more"] + "# a line as a browser sends it\r\n" * 1_500

    admin.post(reverse("model-add"), {**filled(more=more + "context_tokens: 77"), "keep": "1"})

    assert MODELS[OURS].context_tokens == 77


def test_a_model_is_changed_and_the_change_undone(admin, folder):
    admin.post(reverse("model-add"), {**filled(), "keep": "1"})

    admin.post(reverse("model-edit", args=[OURS]), {**filled(name="Better"), "keep": "1"})
    assert MODELS[OURS].name == "Better"
    admin.post(reverse("model-undo", args=[OURS]))

    assert MODELS[OURS].name == "Ours"
    did = list(AuditEntry.objects.order_by("pk").values_list("detail__did", flat=True))
    assert did == ["add", "change", "undo"]


def opened(admin, name):
    """The version that an edit page carries."""
    page = admin.get(reverse(name, args=[OURS])).content.decode()
    return re.search(r'name="version" value="([0-9a-f]{64})"', page)[1]


def test_the_second_of_two_edits_is_refused_and_not_lost(admin, folder):
    admin.post(reverse("model-add"), {**filled(), "keep": "1"})
    address, version = reverse("model-edit", args=[OURS]), opened(admin, "model-edit")
    first = {**filled(name="First"), "version": version, "keep": "1"}
    assert admin.post(address, first).status_code == 302

    more = filled()["more"] + "# my own"
    second = {**filled(name="Second", more=more), "version": version}
    for _ in range(2):
        answer = admin.post(address, {**second, "keep": "1"})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "Not saved: the model was changed after you opened it" in page
        assert 'value="Second"' in page and "# my own" in page
    assert MODELS[OURS].name == "First"
    shown = admin.post(address, {**second, "show": "1"}).content.decode()
    assert f'name="version" value="{version}"' in shown

    third = {**filled(name="Third"), "version": opened(admin, "model-edit"), "keep": "1"}
    assert admin.post(address, third).status_code == 302
    assert MODELS[OURS].name == "Third"


def test_yaml_replaces_no_version_but_the_one_that_was_opened(admin, folder):
    admin.post(reverse("model-add"), {**filled(), "keep": "1"})
    address, version = reverse("model-edit-yaml", args=[OURS]), opened(admin, "model-edit-yaml")
    admin.post(address, {"text": text_of(name="First"), "version": version})

    answer = admin.post(address, {"text": text_of(name="Second"), "version": version})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Not saved: the model was changed after you opened it" in page
    assert "name: Second" in page
    assert f'name="version" value="{version}"' in page
    assert MODELS[OURS].name == "First"


def test_the_id_of_a_model_stays(admin, folder):
    admin.post(reverse("model-add"), {**filled(), "keep": "1"})

    admin.post(reverse("model-edit", args=[OURS]), {**filled(id="other"), "keep": "1"})
    answer = admin.post(reverse("model-edit-yaml", args=[OURS]), {"text": text_of(id="other")})

    assert answer.status_code == 422
    assert "other" not in MODELS


def test_a_model_is_deleted_after_a_question_and_restored(admin, folder):
    admin.post(reverse("model-add"), {**filled(), "keep": "1"})
    address = reverse("model-delete", args=[OURS])

    asked = admin.get(address).content.decode()
    assert "Delete Ours?" in asked
    assert OURS in MODELS
    page = admin.post(address, follow=True).content.decode()

    assert OURS not in MODELS
    assert reverse("model-undo", args=[OURS]) in page
    admin.post(reverse("model-undo", args=[OURS]))
    assert MODELS[OURS].name == "Ours"


def test_a_deleted_model_s_page_offers_undo_once(admin, folder):
    admin.post(reverse("model-add"), {**filled(), "keep": "1"})
    admin.post(reverse("model-edit", args=[OURS]), {**filled(name="Better"), "keep": "1"})
    address = reverse("model-deleted", args=[OURS])
    assert admin.get(address).status_code == 404

    for _click in range(2):  # the second deletes no more
        assert admin.post(reverse("model-delete", args=[OURS])).url == address
    for _ in range(2):
        assert reverse("model-undo", args=[OURS]) in admin.get(address).content.decode()

    admin.post(reverse("model-undo", args=[OURS]))
    assert admin.get(address).status_code == 404
    for name in (QWEN.id, "never-there"):
        assert admin.get(reverse("model-deleted", args=[name])).status_code == 404


def test_a_model_that_ships_is_neither_changed_nor_deleted(admin):
    for name in ("model-edit", "model-delete", "model-edit-yaml"):
        assert admin.post(reverse(name, args=[QWEN.id])).status_code == 404
    assert admin.post(reverse("model-undo", args=[QWEN.id])).status_code == 404
    answer = admin.post(reverse("model-add"), {**filled(id=QWEN.id), "keep": "1"})
    assert answer.status_code == 422


@pytest.mark.parametrize("how", ["pasted", "uploaded"])
def test_a_model_as_yaml_is_taken_as_it_is_written(admin, folder, how):
    text = "# by hand\n" + text_of()
    sent = {"text": text} if how == "pasted" else {"file": SimpleUploadedFile("x", text.encode())}

    admin.post(reverse("model-add-yaml"), sent)

    assert (folder / f"{OURS}.yaml").read_text() == text
    assert admin.get(reverse("model-yaml", args=[OURS])).content.decode() == text


@pytest.mark.parametrize(
    "text", ["", "- 1", "id: [", "id: x", "a: &b 1\nc: *b", "x: " + "y" * 70_000]
)
def test_yaml_that_is_no_model_is_refused_with_the_reason(admin, folder, text):
    answer = admin.post(reverse("model-add-yaml"), {"text": text})

    assert answer.status_code == 422
    assert list(folder.iterdir()) == []


def test_each_yaml_error_has_its_place_in_plain_words(admin, folder):
    text = "id: x\nname: Ours\nsource: {sort: hub, bytes: many}\npublished: [{unit: x}, {unit: y}]"

    page = admin.post(reverse("model-add-yaml"), {"text": text}).content.decode()
    broken = admin.post(reverse("model-add-yaml"), {"text": "id: x\nname: ]"}).content.decode()

    assert "paths: Enter precisions and dies for Build_In or vLLM." in page
    for place in ("hub_id", "family", "licence", "source.shards", "published.1.metric"):
        assert f"{place}: Required." in page
    assert "source.bytes: Enter a whole number." in page
    assert "Invalid YAML, line 2: " in broken
    assert list(folder.iterdir()) == []


def test_a_broken_file_is_reported_and_breaks_nothing_else(admin, folder):
    (folder / "broken.yaml").write_text("id: broken\n")
    (folder / f"{OURS}.yaml").write_text(text_of())

    page = admin.get(reverse("model-list")).content.decode()
    part = health.catalogue()

    assert "broken.yaml" in page
    assert "hub_id: Field required" in page
    assert reverse("model-detail", args=[OURS]) in page
    assert part.is_ok
    assert list(part.facts["unread"]) == ["broken.yaml"]
    opened = admin.get(reverse("model-add-yaml"), {"file": "broken.yaml"}).content.decode()
    assert "id: broken" in opened
    admin.post(reverse("model-discard"), {"file": "broken.yaml"})
    assert MODELS.problems == ()


@pytest.mark.parametrize("file", ["../../db.sqlite3", "/etc/passwd", ".x.before", "x.yaml", ""])
def test_no_other_file_is_opened_or_deleted(admin, folder, file):
    (folder / f"{OURS}.yaml").write_text(text_of())
    target = folder.parent.parent / "db.sqlite3"
    target.write_text("to be seen by nobody")

    page = admin.get(reverse("model-add-yaml"), {"file": file}).content.decode()

    assert "to be seen by nobody" not in page
    assert admin.post(reverse("model-discard"), {"file": file}).status_code == 404
    assert admin.post(reverse("model-discard"), {"file": f"{OURS}.yaml"}).status_code == 404
    assert target.exists()


def test_a_member_sees_models_and_changes_none(client, folder):
    (folder / f"{OURS}.yaml").write_text(text_of())
    client.force_login(make_user())

    page = client.get(reverse("model-detail", args=[OURS])).content.decode()

    assert reverse("model-edit", args=[OURS]) not in page
    assert "added here" in page
    for name in ("model-edit", "model-delete", "model-undo"):
        assert client.post(reverse(name, args=[OURS])).status_code == 403
    assert client.get(reverse("model-deleted", args=[OURS])).status_code == 403
    assert client.post(reverse("model-add"), filled()).status_code == 403
    assert client.get(reverse("model-yaml", args=[OURS])).status_code == 200


@pytest.mark.parametrize("button", ["keep", "show"])
def test_an_empty_form_requires_only_the_config_and_hub_id(admin, button):
    empty = admin.get(reverse("model-add")).context["groups"]
    typed = {field.name: field.value for group in empty for field in group.fields}

    answer = admin.post(reverse("model-add"), {**typed, button: "1"})

    assert answer.status_code == 422
    assert set(answer.context["errors"]) == {"config", "hub_id"}
    assert "Required." not in answer.text


def test_what_is_kept_with_a_config_is_filled_in_from_it_first(admin):
    typed = {"config": json.dumps(CONFIG), "hub_id": "Qwen/Qwen2.5-7B_Chat", "keep": "1"}

    context = admin.post(reverse("model-add"), typed).context

    shown = {field.name: field for group in context["groups"] for field in group.fields}
    assert shown["architecture.num_hidden_layers"].value == str(CONFIG["num_hidden_layers"])
    assert (shown["id"].value, shown["name"].value) == ("qwen2.5-7b-chat", "Qwen2.5-7B_Chat")
    assert not {name for name in context["errors"] if name.startswith("architecture")}
    assert "config" not in context["errors"]


def test_an_id_that_was_typed_is_not_replaced_by_the_hubs(admin):
    typed = {"config": json.dumps(CONFIG), "hub_id": "Qwen/Qwen2.5-7B", "id": "mine", "fill": "1"}

    groups = admin.post(reverse("model-add"), typed).context["groups"]

    values = {field.name: field.value for group in groups for field in group.fields}
    assert (values["id"], values["name"]) == ("mine", "Qwen2.5-7B")
