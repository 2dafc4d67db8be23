"""Limits of what people add to results: tags, notes, sign-offs, baselines, views."""

import pytest

from dashboard.actions import results
from jobs.base.errors import LaunchError
from jobs.models import AuditEntry, Baseline, Note, Result, SignOff
from jobs.queries.results.listing import baseline_history, organised, tag_names, views_for
from tests.factories import make_result, make_user, stored
from tests.refusals import refused_at


@pytest.fixture
def lin():
    return make_user("lin")


def names(result):
    return organised([result])[result.pk].tags


def test_tags_are_cleaned_and_kept_once():
    assert results.parse_tags(" nightly ,  v3.3   rc，nightly、发布 ") == [
        "nightly",
        "v3.3 rc",
        "发布",
    ]


@pytest.mark.postgresql
def test_a_tag_keeps_the_spelling_in_use(lin):
    results.tag(lin, [make_result().pk], ["Nightly"])

    assert results.clean_tags(["NIGHTLY"]) == ["Nightly"]


@pytest.mark.parametrize("text", ["", " , ", "x" * 33, "a\x07b", ",".join(map(str, range(13)))])
def test_a_wrong_tag_is_refused_at_its_field(text):
    with pytest.raises(LaunchError) as caught:
        results.parse_tags(text)
    with pytest.raises(LaunchError, match="no comma"):
        results.clean_tags(["a, b"])  # as the API sends them

    assert caught.value.field == "tags"


def test_several_results_get_several_tags_and_unknown_ones_none(lin):
    rows = [make_result() for _ in range(3)]
    results.tag(lin, [rows[0].pk], ["a"])

    assert results.tag(lin, [row.pk for row in rows], ["a", "b"]) == 3

    assert [names(row) for row in rows] == [["a", "b"]] * 3
    assert tag_names() == ["a", "b"]
    assert results.tag(lin, [10**9], ["a"]) == 0
    with pytest.raises(LaunchError):
        results.tag(lin, list(range(results.MOST_TAGGED + 1)), ["a"])


def test_a_full_result_gets_none_of_the_tags(lin):
    full, other = make_result(), make_result()
    results.tag(lin, [full.pk], [str(n) for n in range(results.MOST_TAGS)])

    with pytest.raises(LaunchError):
        results.tag(lin, [other.pk, full.pk], ["new"])

    assert names(other) == []


def test_a_note_keeps_its_lines_and_its_author_until_there_are_too_many(lin, monkeypatch):
    monkeypatch.setattr(results, "MOST_NOTES", 1)
    result = make_result()

    note = results.note(lin, result, " one\r\ntwo ")

    assert (note.text, note.created_by, note.edited_at) == ("one\ntwo", lin, None)
    assert organised([result])[result.pk].notes == 1
    with pytest.raises(LaunchError):
        results.note(lin, result, "two")


@pytest.mark.parametrize("text", ["", " \n ", "x" * (results.NOTE_CHARS + 1), "a\x00b", "\x1b[31m"])
def test_a_wrong_note_is_refused_at_its_field(lin, text):
    with refused_at("text"):
        results.note(lin, make_result(), text)


def test_an_edited_note_says_who_and_when(lin):
    note, ada = results.note(lin, make_result(), "one"), make_user("ada", is_staff=True)

    assert results.change_note(ada, note, "one") is False
    assert results.change_note(ada, note, "two") is True

    assert stored(note, "text", "created_by", "edited_by") == ("two", lin, ada)
    assert results.remove_note(lin, note) is True
    assert results.change_note(ada, note, "three") is False
    assert not Note.objects.exists()


def test_a_withdrawn_sign_off_stays_in_the_history_and_may_come_once_more(lin):
    result = make_result()
    row = results.sign_off(lin, result, "  customer  X ")
    assert organised([result])[result.pk].released == ["customer X"]

    assert results.withdraw(lin, row) is True
    assert results.withdraw(lin, row) is False

    assert organised([result])[result.pk].released == []
    row.refresh_from_db()
    assert row.withdrawn_by == lin and row.withdrawn_at is not None
    results.sign_off(lin, result, "customer X")
    with refused_at("purpose"):
        results.sign_off(lin, result, "customer X")
    assert SignOff.objects.count() == 2


def test_who_signs_a_limited_result_off_says_so(lin):
    result = make_result(simulated=True, loaded=True)

    for accept in ([], ["simulated"], ["loaded", "disturbed"]):
        with refused_at("accept"):
            results.sign_off(lin, result, "X", accept)
    row = results.sign_off(lin, result, "X", ["loaded", "simulated", "disturbed"])

    assert row.accepted == ["simulated", "loaded"]
    assert AuditEntry.objects.get().detail["accepted"] == ["simulated", "loaded"]


@pytest.mark.postgresql
def test_a_new_baseline_ends_the_one_before(lin):
    one, other = make_result(subject="s"), make_result(subject="s")
    strange = make_result(subject="t")

    assert results.set_baseline(lin, one) is True
    assert results.set_baseline(lin, one) is False
    assert results.set_baseline(lin, strange) is True
    assert results.set_baseline(lin, other) is True

    rows = list(Baseline.objects.filter(subject="s").order_by("pk"))
    assert [(row.result, row.ended_at is None) for row in rows] == [(one, False), (other, True)]
    assert organised([one, other])[other.pk].is_baseline is True


def test_undo_returns_to_the_state_before(lin):
    one, other = make_result(subject="s"), make_result(subject="s")

    def undo():
        history = baseline_history(one)
        return history.undo, history.undo_sets

    assert undo() == (None, False)
    results.set_baseline(lin, one)
    assert undo() == (one, False)
    results.set_baseline(lin, other)
    assert undo() == (one, True)
    results.remove_baseline(lin, other)
    assert undo() == (other, True)
    assert results.remove_baseline(lin, other) is False


@pytest.mark.parametrize(
    "fields",
    [{"subject": ""}, {"subject": "s", "disturbed": True}, {"subject": "s", "incomplete": True}],
)
def test_a_result_that_misleads_is_no_baseline(lin, fields):
    with pytest.raises(LaunchError):
        results.set_baseline(lin, make_result(**fields))

    assert results.remove_baseline(lin, Result.objects.get()) is False


@pytest.mark.postgresql
def test_views_are_own_or_shared(lin):
    other = make_user("wei")
    own = results.save_view(lin, "Mine", "model=a")
    results.save_view(other, "Theirs", "")
    shared = results.save_view(other, "Ours", "", is_shared=True)

    assert views_for(lin) == [own, shared]


@pytest.mark.parametrize(
    ("name", "query", "field"),
    [
        ("", "", "name"),
        ("x" * 61, "", "name"),
        ("n", "q=" + "x" * 1500, "query"),
        ("Mine", "", "name"),
    ],
)
def test_a_wrong_view_is_refused_at_its_field(lin, name, query, field):
    results.save_view(lin, "Mine", "")

    with refused_at(field):
        results.save_view(lin, name, query)


def test_a_person_has_a_limited_number_of_views(lin, monkeypatch):
    monkeypatch.setattr(results, "MOST_VIEWS", 1)
    view = results.save_view(lin, "one", "")

    with pytest.raises(LaunchError):
        results.save_view(lin, "two", "")

    assert results.change_view(lin, view, name="other", is_shared=True).is_shared is True
    results.save_view(make_user("wei"), "one", "")
