"""Prompt sets over the API."""

import pytest

from jobs.models import PromptSet
from tests.factories import make_prompts

pytestmark = pytest.mark.django_db

LINES = '{"prompt": "Why?"}\n{"prompt": "为什么？"}\n'


def test_a_set_is_added_read_listed_and_removed(lin):
    made = lin.post("prompts", {"name": "Chat", "language": "中文", "text": LINES})
    row = PromptSet.objects.get()

    assert made.status_code == 201
    shown = made.json()
    assert (shown["name"], shown["count"], shown["sha256"]) == ("Chat", 2, row.sha256)
    assert lin.get(f"prompts/{row.pk}").json()["prompts"] == ["Why?", "为什么？"]
    assert [one["id"] for one in lin.get("prompts").json()["prompt_sets"]] == [row.pk]
    assert lin.send("delete", f"prompts/{row.pk}").json()["removed"] is True
    assert lin.get("prompts").json()["prompt_sets"] == []
    assert lin.get(f"prompts/{row.pk}").json()["removed"] is True


@pytest.mark.parametrize(
    ("asked", "field", "text"),
    [
        ({"name": "", "text": LINES}, "name", "Enter a name."),
        ({"name": "Chat", "text": "Why?"}, "text", "text, line 1: no JSON."),
    ],
)
def test_an_error_is_at_its_field(lin, asked, field, text):
    answer = lin.post("prompts", asked)

    assert answer.status_code == 422
    assert answer.json()["fields"][field].startswith(text)


def test_an_unknown_set_is_missing(lin):
    make_prompts()

    assert lin.get("prompts/999").status_code == 404
    assert lin.send("delete", "prompts/999").status_code == 404
