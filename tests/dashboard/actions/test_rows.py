"""Rows that a team edits: names, limits, removal, by the form of prompt sets."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from dashboard.actions import rows
from dashboard.actions.rows import PromptForm
from jobs.base.errors import LaunchError
from jobs.models import PromptSet
from jobs.queries.catalogue import prompts_in, team_prompts
from tests.factories import make_prompts, make_user

pytestmark = pytest.mark.django_db

LINES = '{"prompt": "Why?"}\n\n{"prompt": "为什么？\\n请回答。", "id": 7}\r\n'


def add(name="Chat", language=""):
    user = make_user()
    files = {"file": SimpleUploadedFile("own.jsonl", LINES.encode())}
    return rows.save(user, PromptForm({"name": name, "language": language}, files, user=user))


def test_a_set_keeps_the_text_that_a_plan_carries():
    row = add(" Chat ", "中文")

    assert (row.name, row.language, row.prompts) == ("Chat", "中文", 2)
    assert prompts_in(row.text) == ["Why?", "为什么？\n请回答。"]
    assert [json.loads(line).keys() for line in row.text.splitlines()] == [{"prompt"}] * 2
    (offered,) = team_prompts()
    assert (offered.name, offered.count, offered.longest) == ("Chat", 2, row.longest)
    assert offered.read() == ["Why?", "为什么？\n请回答。"]


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "Enter a name."),
        ("a\nb", "Enter one line of at most 60 characters."),
        ("x" * 61, "Enter one line of at most 60 characters."),
        ("everyday", "An included set has this name. Choose another."),
        ("random", "An included set has this name. Choose another."),
        ("Chat", "Another prompt set has this name. Choose another."),
    ],
)
def test_a_name_is_one_line_and_unique(name, text):
    make_prompts(name="Chat")

    with pytest.raises(LaunchError) as caught:
        add(name)

    assert (caught.value.field, str(caught.value)) == ("name", text)


def test_a_removed_row_is_not_offered_and_can_come_back():
    row, user = make_prompts(name="Chat"), make_user(is_staff=True)

    rows.remove(user, PromptForm, row)
    assert team_prompts() == ()
    rows.restore(user, PromptForm, PromptSet.objects.get())
    assert [one.name for one in team_prompts()] == ["Chat"]


@pytest.mark.postgresql
def test_a_row_is_not_restored_over_another_of_its_name():
    row, user = make_prompts(name="Chat"), make_user(is_staff=True)
    rows.remove(user, PromptForm, row)
    make_prompts(name="Chat")

    with pytest.raises(LaunchError, match="Another prompt set has this name"):
        rows.restore(user, PromptForm, row)


def test_the_number_of_rows_is_bounded(monkeypatch):
    monkeypatch.setattr(PromptForm, "most", 1)
    make_prompts()

    with pytest.raises(LaunchError, match="There are 1 prompt sets"):
        add()
