"""Pages of what people add to results: tags, notes, sign-offs, baseline, saved views."""

import html

import pytest
from django.urls import reverse

from dashboard.actions.results import set_baseline
from jobs.models import AuditEntry, Baseline, Note, Result, SavedView, SignOff, Tag
from tests.comparing import OTHER, listed, text_of
from tests.factories import make_measured, make_result, make_user
from tests.measuring import measured, runs, served

LIST = reverse("result-list")


def page_of(result):
    return reverse("result-detail", args=[result.pk])


def test_the_selection_of_the_list_is_tagged(client, lin):
    one, other, third = (make_result() for _ in range(3))

    page = client.post(
        reverse("result-tag"),
        {"id": [f"res-{one.pk}", f"res-{other.pk}"], "tags": "nightly, v3"},
        follow=True,
    ).text

    assert "2 results tagged." in page
    assert {tag.result_id for tag in Tag.objects.filter(name="v3")} == {one.pk, other.pk}
    assert listed(client, tag="nightly") == [other, one]
    entry = AuditEntry.objects.get()
    assert entry.detail == {
        "tags": ["nightly", "v3"],
        "results": [f"res-{one.pk}", f"res-{other.pk}"],
    }
    assert third not in listed(client, tag="nightly")


def test_tags_show_in_the_list_and_are_suggested(client, lin):
    result = make_result()
    Tag.objects.create(result=result, name="<b>", created_by=lin)

    for address in (LIST, page_of(result)):
        page = client.get(address).text
        assert "&lt;b&gt;</a>" in page and "<b></a>" not in page
        assert '<option value="&lt;b&gt;">' in page


def test_a_wrong_tag_is_at_its_field_and_stays_and_of_a_selection_is_said(client, lin):
    result, typed = f"res-{make_result().pk}", "x" * 40
    address = reverse("result-tag")

    answer = client.post(address, {"id": result, "tags": typed, "from": "result"})
    of_list = client.post(address, {"id": result, "tags": ""}, follow=True).text

    assert answer.status_code == 422
    assert f'value="{typed}"' in answer.text
    assert "at most 32 characters" in answer.text.partition('id="tags-error"')[2][:200]
    assert "Not tagged. Enter a tag." in of_list


def test_a_tag_is_removed_by_who_set_it_and_by_admins(client, lin):
    result = make_result()
    for name in ("mine", "other"):
        Tag.objects.create(result=result, name=name, created_by=lin if name == "mine" else None)
    address = reverse("result-untag", args=[result.pk])

    assert client.post(address, {"name": "other"}).status_code == 403
    assert client.post(address, {"name": "mine"}).status_code == 302
    assert client.post(address, {"name": "mine"}).status_code == 404

    client.force_login(make_user("ada", is_staff=True))
    assert client.post(address, {"name": "other"}).status_code == 302
    assert not Tag.objects.exists()


def test_notes_show_with_author_and_are_edited_by_them(client, lin):
    result = make_result()
    client.post(reverse("result-note", args=[result.pk]), {"text": "warm\nroom"})
    note = Note.objects.get()
    page = client.get(page_of(result)).text
    assert "warm\nroom" in page and "1 note" in client.get(LIST).text

    change = reverse("result-change-note", args=[note.pk])
    client.post(change, {"text": "cold room"})
    page = client.get(page_of(result)).text
    assert "cold room" in page and "edited" in page
    client.post(change, {"remove": "1"})

    assert not Note.objects.exists()
    actions = [(one.action, one.detail.get("did")) for one in AuditEntry.objects.order_by("pk")]
    assert actions == [
        ("result.note", None),
        ("result.change_note", "edit"),
        ("result.change_note", "delete"),
    ]


def test_a_wrong_note_is_at_its_field_of_a_whole_page_whose_links_lead_back(client, lin):
    speed = make_measured(points=[(n, {"output_tokens_per_s": 9.0 * n}) for n in (1, 2, 4)])
    quality = make_measured(scores=[1, 0, 1])
    note = Note.objects.create(result=quality, text="one", created_by=lin)

    answers = [
        client.post(reverse("result-note", args=[one.pk]), {"text": " "})
        for one in (speed, quality)
    ]
    edited = client.post(reverse("result-change-note", args=[note.pk]), {"text": ""})

    pages = [answer.text for answer in answers]
    assert 'id="conclusion"' in pages[0] and "data-chart=" in pages[0]
    assert 'id="sets"' in pages[1] and f"note-{note.pk}-error" not in pages[1]
    for answer, one in zip(answers, (speed, quality), strict=True):
        assert answer.status_code == 422 and 'id="note-error"' in answer.text
        assert f'="{page_of(one)}' in answer.text
        assert 'href="?' not in answer.text and 'method="get" action="#' not in answer.text
    assert edited.status_code == 422 and f'id="note-{note.pk}-error"' in edited.text


def test_a_sign_off_is_stamped_everywhere_and_withdrawn_by_its_person(client, lin):
    one, other = (make_measured(points=[(1, {"output_tokens_per_s": 5.0})]) for _ in range(2))
    client.post(reverse("result-sign-off", args=[one.pk]), {"purpose": "ACME"})
    compare = f"{reverse('result-compare')}?id=res-{one.pk}&id=res-{other.pk}"
    places = [page_of(one), LIST, compare]
    for address in places:
        assert "released</span>" in client.get(address).text
    assert "ACME" in client.get(f"{LIST}?format=csv").text
    assert listed(client, mark="released") == [one]

    address = reverse("result-withdraw", args=[SignOff.objects.get().pk])
    client.force_login(make_user("wei"))
    assert client.post(address).status_code == 403
    client.force_login(lin)
    client.post(address)

    for address in places[1:]:
        assert "released</span>" not in client.get(address).text
    page = client.get(page_of(one)).text
    assert "withdrawn" in page and "ACME" in page
    row = SignOff.objects.create(result=other, purpose="ACME")
    client.force_login(make_user("ada", is_staff=True))
    client.post(reverse("result-withdraw", args=[row.pk]))
    assert SignOff.objects.get(pk=row.pk).withdrawn_by.username == "ada"


def test_a_sign_off_of_a_disturbed_result_asks_for_it_and_shows_it(client, lin):
    result = make_measured(points=[(1, {"output_tokens_per_s": 5.0})])
    Result.objects.filter(pk=result.pk).update(disturbed=True)
    address = reverse("result-sign-off", args=[result.pk])
    assert 'name="accept" value="disturbed" required' in client.get(page_of(result)).text

    refused = client.post(address, {"purpose": "ACME"})
    client.post(address, {"purpose": "ACME", "accept": "disturbed"})

    assert refused.status_code == 422
    assert "to sign it off: disturbed." in refused.text and 'value="ACME"' in refused.text
    assert SignOff.objects.get().accepted == ["disturbed"]
    assert '<span class="stamp">disturbed</span>' in client.get(page_of(result)).text
    report = client.get(reverse("report-result"), {"id": f"res-{result.pk}", "format": "md"}).text
    assert "Released: ACME; disturbed (lin," in report


def test_a_baseline_is_set_replaced_removed_and_undone(client, lin, host):
    one = measured(served(host))
    other = measured(served(host, OTHER))

    def post(result, value):
        return client.post(reverse("result-baseline", args=[result.pk]), {"set": value})

    def current():
        return list(Baseline.objects.filter(ended_at=None).values_list("result", flat=True))

    post(one, "1")
    assert f"Replace res-{one.pk} as baseline" in client.get(page_of(other)).text
    post(other, "1")
    assert current() == [other.pk]
    page = client.get(page_of(other)).text
    assert f"Undo: res-{one.pk} as baseline again" in page
    post(one, "1")
    post(one, "0")
    assert current() == []
    assert f"Undo: res-{one.pk} as baseline again" in client.get(page_of(other)).text
    dids = [one.detail["did"] for one in AuditEntry.objects.order_by("pk")]
    assert dids == ["set", "set", "set", "remove"]


@pytest.mark.parametrize(
    ("flag", "words"),
    [("disturbed", "A disturbed result"), ("loaded", "A result of a loaded host")],
)
def test_a_result_that_does_not_count_is_refused_as_baseline(client, lin, host, flag, words):
    result = measured(served(host))
    Result.objects.update(**{flag: True})

    page = client.post(reverse("result-baseline", args=[result.pk]), {"set": "1"}, follow=True).text

    assert f"Baseline not set. {words} cannot be the baseline." in page
    assert not Baseline.objects.exists()


def test_a_regression_is_on_the_page_in_the_list_and_in_exports(client, lin, host):
    base = runs(served(host), 100, 101, 99)
    later = runs(served(host, OTHER), 92, 93, 91)
    set_baseline(lin, base[0])

    page = text_of(client.get(page_of(later[0])).text)
    in_list = text_of(client.get(LIST).text)
    csv = client.get(f"{LIST}?format=csv").text

    assert f"Regressed: output tokens/s at concurrency 1 −8.0 % vs res-{base[0].pk}" in page
    assert "(runs: 3, then 3)" in page
    assert in_list.count("regressed −8.0 %") == 2 * len(later)  # for a phone, too
    assert csv.count(",worse,") == len(later) and csv.count(",own,") == len(base)
    assert client.get(page_of(later[0])).text.count("group=") == 2


def test_a_single_run_never_says_regressed(client, lin, host):
    (base,) = runs(served(host), 100)
    (later,) = runs(served(host, OTHER), 92)
    set_baseline(lin, base)

    page = text_of(client.get(page_of(later)).text)

    assert "regressed" not in page.lower()
    assert "Cannot tell" in page and "without an interval" in page
    assert "3 runs of each are needed: 2 more of the baseline, 2 of this." in page
    assert "−8.0 %, cannot tell" in text_of(client.get(LIST).text)


# Saved views


def test_a_view_keeps_filters_order_rows_and_columns_and_a_refused_one_says_why(client, lin):
    page = client.get(LIST, {"tag": "a b", "order": "-done", "format": "", "x": "1"}).text
    query = html.unescape(page.partition('name="query" value="')[2].partition('"')[0])

    client.post(reverse("result-save-view"), {"name": "Mine", "query": f"{query}&format=csv"})

    view = SavedView.objects.get()
    assert (view.name, view.created_by, view.is_shared) == ("Mine", lin, False)
    assert view.query.startswith("tag=a+b&order=-done&columns=")
    assert "format" not in view.query and "x=1" not in view.query
    assert client.get(f"{LIST}?{view.query}").status_code == 200
    refused = client.post(reverse("result-save-view"), {"name": "", "query": "q=a"}, follow=True)
    assert "View not saved. Enter a text." in refused.text
    assert refused.redirect_chain[-1][0] == f"{LIST}?q=a"


def test_columns_of_a_view_win_over_the_cookie(client, lin):
    make_result()
    page = client.get(LIST, {"columns": "tool"})

    assert [column.name for column in page.context["columns"]] == ["job", "model", "tool"]

    answer = client.post(
        reverse("columns", args=["results"]),
        {"column": "stack", "next": f"{LIST}?columns=tool&q=a"},
    )

    assert answer.url == f"{LIST}?q=a"


def test_shared_views_show_to_others_and_change_by_their_owner(client, lin):
    wei = make_user("wei")
    theirs = SavedView.objects.create(name="Nightly", query="q=n", created_by=wei, is_shared=True)
    SavedView.objects.create(name="Private", query="", created_by=wei)

    page = client.get(LIST).text
    address = reverse("result-change-view", args=[theirs.pk])
    assert "Nightly" in page and "Private" not in page and address not in page
    assert client.post(address, {"remove": "1"}).status_code == 403

    client.force_login(wei)
    client.post(address, {"name": "Weekly", "shared": ""})
    theirs.refresh_from_db()
    assert (theirs.name, theirs.is_shared) == ("Weekly", False)
    client.post(address, {"remove": "1"})
    assert not SavedView.objects.filter(pk=theirs.pk).exists()


def test_a_viewer_reads_all_and_has_no_buttons(client):
    client.force_login(make_user("eve", role="viewer"))
    result = make_result(subject="s")
    Tag.objects.create(result=result, name="nightly")
    SignOff.objects.create(result=result, purpose="ACME")

    page = client.get(page_of(result)).text

    assert "nightly" in page and "ACME" in page
    for name in ("result-tag", "result-save-view"):
        assert reverse(name) not in page + client.get(LIST).text
    for name in ("result-note", "result-sign-off", "result-baseline", "result-untag"):
        assert reverse(name, args=[result.pk]) not in page


def test_a_redirect_stays_on_this_site(client, lin):
    typed = {"id": make_result().pk, "tags": "a", "next": "https://evil.example/"}

    assert client.post(reverse("result-tag"), typed).url == LIST
