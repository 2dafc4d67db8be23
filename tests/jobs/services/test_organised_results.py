"""Limits of what people add to results: tags, notes, sign-offs, baselines, views."""

import pytest

from jobs.base.errors import LaunchError
from jobs.models import Baseline, Note, Result, SignOff, Tag
from jobs.queries.results.organised import baseline_history, organised, tag_names, views_for
from jobs.services.results import baselines, notes, saved_views, sign_offs, tags
from tests.factories import make_result, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def lin():
    return make_user("lin")


def names(result):
    return [tag.name for tag in organised([result])[result.pk].tags]


def test_tags_are_cleaned_and_kept_once():
    assert tags.parse(" nightly ,  v3.3   rc，nightly、发布 ") == ["nightly", "v3.3 rc", "发布"]


def test_a_tag_keeps_the_spelling_in_use(lin):
    tags.add([make_result().pk], ["Nightly"], lin)

    assert tags.clean(["NIGHTLY"]) == ["Nightly"]


@pytest.mark.parametrize("text", ["", " , ", "x" * 33, "a\x07b", ",".join(map(str, range(13)))])
def test_a_wrong_tag_is_refused_at_its_field(text):
    with pytest.raises(LaunchError) as caught:
        tags.parse(text)

    assert caught.value.field == "tags"


def test_a_tag_of_the_api_has_no_comma():
    with pytest.raises(LaunchError):
        tags.clean(["a, b"])


def test_several_results_get_several_tags(lin):
    rows = [make_result() for _ in range(3)]
    tags.add([rows[0].pk], ["a"], lin)

    changed = tags.add([row.pk for row in rows], ["a", "b"], lin)

    assert sorted(changed) == sorted(row.pk for row in rows)
    assert [names(row) for row in rows] == [["a", "b"]] * 3
    assert tag_names() == ["a", "b"]


def test_a_full_result_gets_none_of_the_tags(lin):
    full, other = make_result(), make_result()
    tags.add([full.pk], [str(n) for n in range(tags.MOST)], lin)

    with pytest.raises(LaunchError):
        tags.add([other.pk, full.pk], ["new"], lin)

    assert names(other) == []


def test_too_many_results_at_once_are_refused(lin):
    with pytest.raises(LaunchError):
        tags.add(list(range(tags.MOST_RESULTS + 1)), ["a"], lin)


def test_an_unknown_result_is_left_out(lin):
    assert tags.add([10**9], ["a"], lin) == []
    assert not Tag.objects.exists()


def test_a_note_keeps_its_lines_and_its_author(lin):
    result = make_result()

    note = notes.add(result, " one\r\ntwo ", lin)

    assert (note.text, note.created_by, note.edited_at) == ("one\ntwo", lin, None)
    assert organised([result])[result.pk].notes == 1


@pytest.mark.parametrize("text", ["", " \n ", "x" * (notes.LONGEST + 1), "a\x00b", "\x1b[31m"])
def test_a_wrong_note_is_refused_at_its_field(lin, text):
    with pytest.raises(LaunchError) as caught:
        notes.add(make_result(), text, lin)

    assert caught.value.field == "text"


def test_a_full_result_gets_no_further_note(lin, monkeypatch):
    monkeypatch.setattr(notes, "MOST", 1)
    result = make_result()
    notes.add(result, "one", lin)

    with pytest.raises(LaunchError):
        notes.add(result, "two", lin)


def test_an_edited_note_says_who_and_when(lin):
    note, ada = notes.add(make_result(), "one", lin), make_user("ada", is_staff=True)

    assert notes.change(note, "one", ada) is False
    assert notes.change(note, "two", ada) is True

    note.refresh_from_db()
    assert (note.text, note.created_by, note.edited_by) == ("two", lin, ada)
    assert notes.remove(note) is True
    assert notes.change(note, "three", ada) is False
    assert not Note.objects.exists()


def test_a_withdrawn_sign_off_stays_in_the_history(lin):
    result = make_result()
    row = sign_offs.add(result, "  customer  X ", lin)
    assert [one.purpose for one in organised([result])[result.pk].sign_offs] == ["customer X"]

    assert sign_offs.withdraw(row, lin) is True
    assert sign_offs.withdraw(row, lin) is False

    assert organised([result])[result.pk].sign_offs == ()
    row.refresh_from_db()
    assert row.withdrawn_by == lin and row.withdrawn_at is not None


def test_a_result_is_signed_off_once_for_a_purpose(lin):
    result = make_result()
    sign_offs.withdraw(sign_offs.add(result, "X", lin), lin)
    sign_offs.add(result, "X", lin)

    with pytest.raises(LaunchError) as caught:
        sign_offs.add(result, "X", lin)

    assert caught.value.field == "purpose"
    assert SignOff.objects.count() == 2


def test_a_new_baseline_ends_the_one_before(lin):
    one, other = make_result(subject="s"), make_result(subject="s")
    strange = make_result(subject="t")

    assert baselines.set_baseline(one, lin) is True
    assert baselines.set_baseline(one, lin) is False
    assert baselines.set_baseline(strange, lin) is True
    assert baselines.set_baseline(other, lin) is True

    rows = list(Baseline.objects.filter(subject="s").order_by("pk"))
    assert [(row.result, row.ended_at is None) for row in rows] == [(one, False), (other, True)]
    assert organised([one, other])[other.pk].is_baseline is True


def test_undo_returns_to_the_state_before(lin):
    one, other = make_result(subject="s"), make_result(subject="s")

    def undo():
        history = baseline_history(one)
        return history.undo, history.undo_sets

    assert undo() == (None, False)
    baselines.set_baseline(one, lin)
    assert undo() == (one, False)
    baselines.set_baseline(other, lin)
    assert undo() == (one, True)
    baselines.remove_baseline(other, lin)
    assert undo() == (other, True)
    assert baselines.remove_baseline(other, lin) is False


@pytest.mark.parametrize(
    "fields",
    [{"subject": ""}, {"subject": "s", "disturbed": True}, {"subject": "s", "incomplete": True}],
)
def test_a_result_that_misleads_is_no_baseline(lin, fields):
    with pytest.raises(LaunchError):
        baselines.set_baseline(make_result(**fields), lin)

    assert baselines.remove_baseline(Result.objects.get(), lin) is False


def test_views_are_own_or_shared(lin):
    other = make_user("wei")
    own = saved_views.save("Mine", "model=a", lin)
    saved_views.save("Theirs", "", other)
    shared = saved_views.save("Ours", "", other, is_shared=True)

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
    saved_views.save("Mine", "", lin)

    with pytest.raises(LaunchError) as caught:
        saved_views.save(name, query, lin)

    assert caught.value.field == field


def test_a_person_has_a_limited_number_of_views(lin, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 1)
    view = saved_views.save("one", "", lin)

    with pytest.raises(LaunchError):
        saved_views.save("two", "", lin)

    assert saved_views.change(view, name="other", is_shared=True).is_shared is True
    saved_views.save("one", "", make_user("wei"))
