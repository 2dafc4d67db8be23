"""Presets of chats: members add them, everyone chooses them, their owner changes them."""

import html
import json
import re

import pytest
from django.urls import reverse

from jobs.models import AuditEntry, ChatPreset
from tests.factories import make_deployment, make_preset

TYPED = {
    "name": "Terse",
    "system": "Be brief.\r\nNo lists.",
    "temperature": "0.2",
    "stop": "END\r\nSTOP",
    "response_format": '{"type": "json_object"}',
}
PARAMS = {
    "system": "Be brief.\nNo lists.",
    "temperature": 0.2,
    "stop": ["END", "STOP"],
    "response_format": {"type": "json_object"},
}
BY_SCRIPT = {"Accept": "application/json"}


def value(response, name):
    field = re.search(rf'name="{name}" value="([^"]*)"', response.text)
    return field and field[1]


def test_a_member_adds_a_preset(client, lin):
    page = client.post(reverse("preset-add"), TYPED, follow=True).text

    row = ChatPreset.objects.get()
    assert (row.name, row.params, row.created_by) == ("Terse", PARAMS, lin)
    assert "Terse added." in page
    assert '<span class="dim">temperature</span> 0.2' in page
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail) == ("preset.add", {"name": "Terse"})


@pytest.mark.parametrize(
    ("changed", "name", "text"),
    [
        ({"name": " "}, "name", "Enter a name."),
        ({"temperature": "hot"}, "temperature", "Enter a number."),
        ({"top_k": "-9"}, "top_k", "Ensure this value is greater than or equal to -1."),
        ({"extra": '{"model": "x"}'}, "extra", "The dashboard sets model. Remove it here."),
        (
            dict.fromkeys(TYPED, "") | {"name": "n"},
            "system",
            "Enter a system prompt or a parameter.",
        ),
    ],
)
def test_a_wrong_part_is_named_at_its_field(client, lin, changed, name, text):
    page = client.post(reverse("preset-add"), TYPED | changed)
    told = client.post(reverse("preset-add"), TYPED | changed, headers=BY_SCRIPT)

    assert (page.status_code, told.status_code) == (422, 422)
    assert f"<span>{text}</span>" in html.unescape(page.text)
    assert told.json()["fields"][name] == text
    assert not ChatPreset.objects.exists()


def test_a_script_saves_a_preset_and_gets_its_number(client, lin):
    told = client.post(reverse("preset-add"), TYPED, headers=BY_SCRIPT)

    assert (told.status_code, told.json()) == (201, {"id": ChatPreset.objects.get().pk})


def test_a_name_is_taken_once(client, lin):
    make_preset(name="Terse")

    told = client.post(reverse("preset-add"), TYPED, headers=BY_SCRIPT)

    taken = "Another preset has this name. Choose another."
    assert told.json() == {"error": taken, "fields": {"name": taken}}


def test_its_owner_changes_removes_and_restores_a_preset(client, lin):
    row = make_preset(created_by=lin)
    edit, remove, restore = (
        reverse(f"preset-{did}", args=[row.pk]) for did in ("edit", "remove", "restore")
    )
    assert value(client.get(edit), "temperature") == "0.2"

    client.post(edit, TYPED)
    row.refresh_from_db()
    assert (row.name, row.params) == ("Terse", PARAMS)

    assert "Terse removed." in client.post(remove, follow=True).text
    texts = reverse("preset-texts", args=[row.pk])
    assert ">Terse</option>" not in client.get(reverse("playground")).text
    assert (client.get(edit).status_code, client.get(texts).status_code) == (404, 404)
    client.post(restore)
    assert ">Terse</option>" in client.get(reverse("playground")).text
    assert client.get(texts).status_code == 200


def test_a_chat_begins_with_the_preset_of_its_address(client, lin):
    make_deployment(model_id="deepseek-r1")
    preset = make_preset(params={"temperature": 0.25, "system": "Be brief."}).pk

    page = client.get(reverse("playground"), {"preset": preset})

    assert value(page, "temperature") == "0.25"
    assert value(page, "top_p") == "0.95"  # the model's own
    assert ">\nBe brief.</textarea>" in page.text
    assert client.get(reverse("playground"), {"preset": "999999"}).status_code == 200


def test_chats_offer_each_preset_and_load_the_texts_of_the_chosen_one(client, lin):
    engine = make_deployment()
    row = make_preset(name="Terse", params=PARAMS)
    texts = {
        "temperature": "0.2",
        "stop": "END\nSTOP",
        "response_format": '{"type": "json_object"}',
        "system": "Be brief.\nNo lists.",
    }

    for address in (reverse("playground"), f"{reverse('side-by-side')}?column={engine.pk}"):
        page = client.get(address).text
        assert f'<option value="{row.pk}">Terse</option>' in page
        assert "No lists." not in page
    assert client.get(reverse("preset-texts", args=[row.pk])).json() == texts
    chosen = client.get(reverse("playground"), {"preset": row.pk}).text
    found = re.search('data-texts="([^"]*)">Terse<', chosen)
    assert json.loads(html.unescape(found[1])) == texts
