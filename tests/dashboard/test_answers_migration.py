"""Answers of results that were kept before their ids, thoughts and endings were."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from jobs.models import Answer
from tests.factories import make_measured

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
migration = import_module("jobs.migrations.0019_answers_in_full")


def test_old_answers_fill_their_columns_from_details_and_text():
    result = make_measured(scores=[1, 0, 1])
    rows = list(Answer.objects.filter(result=result).order_by("index"))
    rows[0].detail = {"id": "short-one", "extracted": "4", "category": "sums"}
    rows[1].answer = "<think>so</think>5"
    rows[1].question = rows[2].question = "the same"
    Answer.objects.bulk_update(rows, ["detail", "answer", "question"])
    columns = {row.pk: (row.question, row.expected, row.score) for row in rows}

    migration.fill(apps, None)

    first, second, third = Answer.objects.filter(result=result).order_by("index")
    assert (first.question_id, first.extracted, first.detail) == (
        "short-one",
        "4",
        {"id": "short-one", "category": "sums"},
    )
    assert (second.reasoning, second.answer) == ("so", "5")
    assert (second.sample, second.finish, second.status) == (0, "", "")
    keys = {(row.subset, row.question_id, row.question) for row in (first, second, third)}
    assert len(keys) == 3
    assert columns == {
        row.pk: (row.question, row.expected, row.score) for row in (first, second, third)
    }


def test_going_back_loses_nothing():
    result = make_measured(scores=[1])
    Answer.objects.filter(result=result).update(reasoning="so", answer="5", extracted="5")

    migration.put_back(apps, None)

    row = Answer.objects.get(result=result)
    assert row.detail["extracted"] == "5"
    assert "so" in row.answer and row.answer.endswith("5")
