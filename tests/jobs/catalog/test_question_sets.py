"""Question sets of a team: versions, removal, and what a job may name."""

import itertools
import json
from collections import Counter

import pytest

from jobs.catalog.questions import (
    INCLUDED_QUESTIONS,
    Question,
    QuestionsChanged,
    QuestionSet,
    QuestionSets,
    _warn_once,
    jsonl,
)
from jobs.catalog.questions_file import MOST_BYTES, MOST_ERRORS, read_questions


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

    with pytest.raises(QuestionsChanged):
        save(sets, "C?", onto=first.current.sha256)
    with pytest.raises(QuestionsChanged):
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
def test_a_broken_index_hides_its_set_only(sets, tmp_path, text, caplog):
    ours = save(sets, "A?")
    (tmp_path / "questions" / "broken.json").write_text(text)
    _warn_once.cache_clear()

    assert list(sets) == list(sets) == ["basics", ours.key]
    assert caplog.text.count("question set broken.json is left out") == 1


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


def faults(text):
    content = text if isinstance(text, bytes) else text.encode()
    return [(one.line, one.key, one.message) for one in read_questions(content).faults]


def test_a_line_needs_a_question_and_an_answer_only():
    read = read_questions(b'{"question": "2 + 3?", "answers": ["5", "five"]}\n')

    (question,) = read.questions
    assert (read.sort, read.encoding, read.faults) == ("JSONL", "UTF-8", ())
    assert (question.sort, question.language, question.answers) == ("short", "en", ("5", "five"))
    assert question.id.startswith("q-")


def test_an_id_comes_from_the_content_and_not_the_place():
    one, two = '{"question": "A?", "answer": "1"}', '{"question": "B?", "answer": "2"}'
    ids = {q.question: q.id for q in read_questions(f"{one}\n{two}".encode()).questions}

    swapped = read_questions(f"{two}\n\n{one}\n".encode()).questions

    assert {q.question: q.id for q in swapped} == ids


def test_a_csv_has_choices_in_columns_and_answers_between_bars():
    text = "question,A,B,answers,not_in\nWhich?,one,two,b,\n首都？,,,北京|北京市,不是北京\n"

    choice, short = read_questions(text.encode()).questions

    assert (choice.sort, choice.choices, choice.answers) == ("choice", ("one", "two"), ("B",))
    assert (short.sort, short.language, short.answers) == ("short", "zh", ("北京", "北京市"))
    assert short.not_in == ("不是北京",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_may_have_any_usual_delimiter(delimiter):
    text = delimiter.join(["question", "answer"]) + "\n" + delimiter.join(["A?", "1"]) + "\n"

    assert len(read_questions(text.encode()).questions) == 1


def test_a_file_in_gbk_is_read_and_said():
    read = read_questions("question,answer\n中国的首都？,北京\n".encode("gbk"))

    assert (read.encoding, read.questions[0].question) == ("GBK", "中国的首都？")


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    assert read_questions("\ufeffquestion,answer\nA?,1\n".encode()).questions


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("", 0, "", "No questions"),
        ("\n\n", 0, "", "No questions"),
        (b"\xff\xfe\x00a", 0, "", "Save the file as UTF-8"),
        ('{"question": "A?", "answers": ["1"]}\n{"question"\n', 2, "", "Not JSON"),
        ('{"question": "A?", "answers": [NaN]}', 1, "", "Not JSON"),
        ('{"question": "A?"}', 1, "answers", "Missing"),
        ('{"answers": ["1"]}', 1, "question", "Missing"),
        ('{"question": "A?", "answers": ["1"], "colour": "x"}', 1, "colour", "Unknown key"),
        ('{"question": "A?", "answers": [5]}', 1, "answers", "Must be text"),
        ('{"question": ["A?"], "answers": ["5"]}', 1, "question", "Must be text"),
        ('{"question": "A\\u0000?", "answers": ["5"]}', 1, "question", "control characters"),
        ('{"question": "A\\ud800?", "answers": ["5"]}', 1, "question", "control characters"),
        ('{"question": "A?", "answers": ["5"], "sort": "essay"}', 1, "sort", "short"),
        ('{"question": "A?", "answers": ["5"], "language": "fr"}', 1, "language", ""),
        ('{"question": "A?", "answers": ["5"], "id": "a b"}', 1, "id", "Begin with a letter"),
        ('{"question": "A?", "answers": ["5"], "choices": ["1", "5"]}', 1, "answers", "A to B"),
        ('{"question": "A?", "answers": ["A"], "choices": ["1"]}', 1, "choices", "2 to 10"),
        (
            '{"question": "A?", "answers": ["A"], "choices": ["1", "2"], "sort": "short"}',
            *(1, "choices", "no choices"),
        ),
        ("[1]", 1, "", "Not an object"),
        ("text,answer\nA?,1\n", 1, "", "name the columns"),
        ("question,answer,answer\nA?,1,2\n", 1, "answer", "Column written twice"),
        ("question,answer\nA?,1,2\n", 2, "", "3 cells, but 2 columns"),
        ('question,answer\n"A?,1\n', 2, "", "quotation mark"),
        ("question,answer\n" + "A?,1\n" * 2, 3, "question", "Duplicate of line 2"),
    ],
)
def test_each_error_names_its_line_and_key(text, line, key, words):
    first = faults(text)[0]

    assert first[:2] == (line, key)
    assert words in first[2]


def test_the_lines_of_a_csv_count_cells_over_several_lines():
    text = 'question,answer\n"Two\nlines?",1\nB?,\n'

    assert faults(text)[0][:2] == (4, "answers")


def test_only_the_first_errors_are_listed():
    read = read_questions(b'{"question": "A?"}\n' * (MOST_ERRORS + 5))

    assert (len(read.faults), read.more) == (MOST_ERRORS, 5)


def test_a_large_file_is_refused_unread():
    assert "MiB" in faults(b"x" * (MOST_BYTES + 1))[0][2]


def test_deep_nesting_is_an_error_of_the_line():
    assert faults('{"question": ' + "[" * 100_000)[0][0] == 1


def test_an_exported_set_is_read_back_equal():
    text = 'question,A,B,answers,not_in,category\nWhich?,one,two,A,,x\n"A, ""b""?",,,1|2,3,\n'
    questions = read_questions(text.encode()).questions

    exported = jsonl(questions)

    assert read_questions(exported.encode()).questions == questions
    assert "id" in json.loads(exported.splitlines()[0])
