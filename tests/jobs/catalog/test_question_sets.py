"""Question sets of a team: versions, removal, and what a job may name."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from jobs.catalog.questions import INCLUDED_QUESTIONS, Changed, Question, QuestionSet, QuestionSets
from jobs.catalog.questions_file import read_questions


def questions(*texts):
    lines = "\n".join(f'{{"question": "{text}", "answers": ["1"]}}' for text in texts)
    return read_questions(lines.encode()).questions


@pytest.fixture
def sets(tmp_path):
    return QuestionSets(INCLUDED_QUESTIONS, tmp_path / "questions")


def save(sets, *texts, onto=None, **meta):
    given = {"id": "ours", "name": "Ours", "note": "", **meta}
    return sets.save(given, questions(*texts), at="2026-11-28T06:00:00Z", by="anna", onto=onto)


def test_a_saved_set_is_offered_with_its_version(sets):
    ours = save(sets, "A?", "B?")

    assert list(sets) == ["basics", ours.key]
    assert len(sets[ours.key].questions) == 2
    assert sets[ours.key].name == ours.key == f"ours@{ours.current.sha256[:12]}"


def test_a_version_is_the_checksum_of_the_questions(sets):
    ours = save(sets, "A?")

    assert sets[ours.key].sha256 == ours.current.sha256


def test_an_older_version_can_be_named_but_is_not_offered(sets):
    first = save(sets, "A?")
    second = save(sets, "A?", "B?", onto=first.current.sha256)

    assert list(sets) == ["basics", second.key]
    assert len(sets[first.key].questions) == 1
    assert [one.questions for one in second.versions] == [1, 2]


def test_the_same_questions_make_no_new_version(sets):
    first = save(sets, "A?")
    second = save(sets, "A?", onto=first.current.sha256, name="Renamed")

    assert (len(second.versions), second.name) == (1, "Renamed")


def test_a_change_onto_an_older_version_is_refused(sets):
    first = save(sets, "A?")
    save(sets, "B?", onto=first.current.sha256)

    with pytest.raises(Changed):
        save(sets, "C?", onto=first.current.sha256)
    with pytest.raises(Changed):
        save(sets, "C?")  # a new set of a taken id


def test_a_removed_set_is_not_offered_but_readable(sets):
    ours = save(sets, "A?")

    assert sets.mark_removed("ours", "2026-11-28T07:00:00Z")
    assert list(sets) == ["basics"]
    assert len(sets[ours.key].questions) == 1
    assert sets.mark_removed("ours", "")
    assert ours.key in list(sets)
    assert not sets.mark_removed("ours", "")
    assert not sets.mark_removed("other", "")


@pytest.mark.parametrize("key", ["", "ours", "ours@", "ours@123456789012", "../x@1", "x@y@z"])
def test_an_unknown_key_is_a_key_error(sets, key):
    save(sets, "A?")

    assert key not in sets


def test_changed_questions_of_a_version_are_refused(sets, tmp_path):
    ours = save(sets, "A?")
    (file,) = (tmp_path / "questions").glob("ours@*.jsonl")
    file.write_text("{}")

    assert ours.key not in sets


@pytest.mark.parametrize("text", ["", "{}", "[", '{"id": "other"}', "\x00"])
def test_a_broken_index_hides_its_set_only(sets, tmp_path, text):
    ours = save(sets, "A?")
    (tmp_path / "questions" / "broken.json").write_text(text)

    assert list(sets) == ["basics", ours.key]


def test_a_question_may_hold_any_line_separator(sets):
    lines = b'{"question": "A\\u2028B?", "answers": ["1"]}'
    ours = sets.save(
        {"id": "ours", "name": "Ours", "note": ""},
        read_questions(lines).questions,
        at="",
        by="",
        onto=None,
    )

    assert sets[ours.key].questions[0].question == "A\u2028B?"


@pytest.mark.parametrize("limit", [1, 5, 40])
def test_a_seed_draws_the_same_questions_again(limit):
    basics = INCLUDED_QUESTIONS["basics"]
    drawn = basics.part(limit, 7)

    assert len(drawn) == limit
    assert drawn == basics.part(limit, 7)
    assert drawn != basics.part(limit, 8)
    assert drawn != basics.part(limit)
    assert [q for q in basics.questions if q in drawn] == list(drawn)


def in_categories(*sizes):
    """A set whose categories come in turn, as long as they have questions."""
    rows = [
        Question(
            id=f"q{place:03}-{category}",
            sort="short",
            language="en",
            category=f"category {category}",
            question="?",
            answers=["1"],
        )
        for place in range(max(sizes))
        for category, size in enumerate(sizes)
        if place < size
    ]
    return QuestionSet("in turn", tuple(rows))


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("sizes", "limit", "shares"),
    [
        ((60, 60, 60, 60), 30, (7, 7, 8, 8)),
        ((60, 60, 60, 60), 8, (2, 2, 2, 2)),
        ((200, 30, 10), 24, (20, 3, 1)),
        ((10, 10, 4), 5, (2, 2, 1)),
        ((3,) * 20, 7, (0,) * 13 + (1,) * 7),
    ],
)
def test_a_limit_takes_the_share_of_each_category(sizes, limit, shares, seed):
    drawn = Counter(one.category for one in in_categories(*sizes).part(limit, seed))

    taken = [drawn[f"category {number}"] for number in range(len(sizes))]
    assert sorted(taken) == sorted(shares)
    for number, other in itertools.permutations(range(len(sizes)), 2):
        assert sizes[number] <= sizes[other] or taken[number] >= taken[other]
