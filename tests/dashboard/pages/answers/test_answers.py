"""The reader of answers: list, filters, one answer, links."""

import re
from html import unescape
from http import HTTPStatus
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from dashboard.security import counters
from jobs.confined import Busy, Pool
from jobs.models import Answer, AnswerRow
from jobs.queries.answers import answer_list
from jobs.queries.answers.answer_list import wrong_agreement, wrong_answers
from jobs.services.outcomes import answer_rows
from tests.factories import make_measured, make_user
from tests.jobs.lib import answering


@pytest.fixture
def pair():
    return answering.make_evaluations()


@pytest.fixture
def page(client):
    client.force_login(make_user("lin"))

    def get(result, query="", index=None, target=""):
        name = "result-answers" if index is None else "result-answer"
        args = [result.pk] if index is None else [result.pk, index]
        headers = {"HX-Target": target} if target else {}
        answer = client.get(f"{reverse(name, args=args)}{query}", headers=headers)
        assert answer.status_code == 200
        return answer.content.decode()

    return get


def listed(html):
    return tuple(int(n) for n in re.findall(r'data-row="(\d+)"', html))


def count(html, title):
    return int(re.search(rf'>{title} <b class="num"><span class="num">(\d+)<', html)[1])


FILTERED = (
    ("?show=cut", answering.CUT),
    ("?show=not_extracted", answering.NOT_EXTRACTED),
    ("?show=looping", answering.LOOPING),
    ("?show=faulty", (2, 3, 5, 7, 11, 13, 17, 19)),
    ("?show=changed&base=res-{base}", answering.CHANGED),
    ("?show=changed&show=correct&base=res-{base}", (4, 6)),
    ("?show=cut&set=short_zh", (2,)),
    ("?show=cut&category=other", ()),
    ("?show=long", (23,)),
    ("?show=slow&show=incorrect", ()),
    ("?show=incorrect&order=-tokens", (19, 17, 13, 11, 7, 5, 3, 2, 1)),
    ("?q=place+21+is", (21,)),
    ("?q=place+21+is&in=question", ()),
    ("?q=PLACE+21+is&in=answer&in=reasoning", (21,)),
    ("?q=q21", (21,)),
    ("?show=nonsense&order=nonsense&page=99&q=number+3", (3,)),
)


def test_filters_list_exactly_the_answers(page, pair):
    base, result = pair

    found = [(query, listed(page(result, query.format(base=base.pk)))) for query, _ in FILTERED]

    assert found == list(FILTERED)


@pytest.mark.parametrize("text", ["x 1%", "a_b", "ÄB", "中文", "ſ", "\u212a", "k", "'"])
def test_a_text_is_found_as_the_database_finds_it(pair, text):
    _base, result = pair
    reasoning = ["X 1% A_B", "x 10 aXb", "Äb äB", "中文 K ſ", "it's a \u212a"]
    for index, one in enumerate(reasoning):
        Answer.objects.filter(result=result, index=index).update(reasoning=one)

    found = answer_list.matches(result, answer_list.Wanted(text=text, places=("reasoning",)))

    wanted = result.answers.filter(reasoning__icontains=text)
    assert list(found.indexes) == list(wanted.values_list("index", flat=True))
    assert found.indexes


def test_a_search_without_an_answer_says_why(client, page, pair, monkeypatch):
    _base, result = pair
    monkeypatch.setattr(Pool, "run", Mock(side_effect=Busy))

    html = client.get(f"{reverse('result-answers', args=[result.pk])}?q=place")

    assert listed(page(result))
    assert html.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    text = html.content.decode()
    assert "Answers not searched" in text
    assert f'href="{html.request["PATH_INFO"]}?q=place"' in text  # to try again


def test_a_person_searches_answers_once_at_a_time(client, page, pair, monkeypatch):
    _base, result = pair
    monkeypatch.setattr(counters, "LONGEST_WAIT_S", 0.0)

    with counters.search_turn(User.objects.get(username="lin").pk, "answers"):
        refused = client.get(reverse("result-answers", args=[result.pk]), {"q": "place"})

        assert listed(page(result))
    assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "Other searches are still running." in refused.text
    assert listed(page(result, "?q=place"))


def test_the_first_question_has_number_one_everywhere(client, page, pair):
    base, result = pair

    html = page(result)

    numbers = re.findall(r'data-row="(\d+)"[^>]*>(\d+)</a>', html)
    assert all(int(shown) == int(index) + 1 for index, shown in numbers)
    assert numbers[0] == ("0", "1")
    assert '<h2 id="answer-title" data-title>Question 1</h2>' in html
    assert 'data-answer="0" data-heading="Question 1"' in html
    assert "1 of 24" in html
    assert "<title>Answer 24 of" in page(result, index=23)
    assert "- Question: 24, " in page(result, index=23)
    link = reverse("result-answer", args=[result.pk, 4])
    address = f"{reverse('result-compare')}?id=res-{base.pk}&id=res-{result.pk}"
    compared = client.get(address).content.decode()
    assert re.search(rf'href="{link}[^"]*">5</a>', compared)


def test_counts_say_what_each_filter_leaves(page, pair):
    base, result = pair
    html = page(result, f"?base=res-{base.pk}")

    titles = ("Incorrect", "Correct", "Cut off", "Not extracted", "Loop", "Changed")
    assert [count(html, title) for title in titles] == [9, 15, 5, 2, 1, 3]
    html = page(result, f"?base=res-{base.pk}&show=correct")
    assert [count(html, title) for title in ("Incorrect", "Correct", "Changed")] == [9, 15, 2]


def test_an_answer_shows_all_that_is_stored(page, pair):
    base, result = pair
    html = page(result, f"?base=res-{base.pk}", index=4)

    for text in ("number 4?", "It is **4**.", "at place 4 is 4", "12 → 24", "Numeric comparison"):
        assert text in html
    assert "temperature 0.0" in html and "max_tokens 64" in html
    assert f"In res-{base.pk}" in html


def test_both_reasonings_are_side_by_side_from_the_first_difference(page, pair):
    base, result = pair
    html = page(result, f"?base=res-{base.pk}", index=4).split("data-pair")[1]

    marks = re.findall(r"([^>]*)<mark>([^<]*)</mark>", html)
    assert [mark for _before, mark in marks] == ["5.", "4."]
    assert all(before.endswith("the one at place 4 is ") for before, _mark in marks)
    assert "reasoning equal" in page(result, f"?base=res-{base.pk}", index=0)


def test_equal_incorrect_answers_are_counted(pair):
    base, result = pair
    assert wrong_agreement(wrong_answers(base), wrong_answers(result)) == (6, 6)

    Answer.objects.filter(result=result, index=2).update(extracted="99")
    answer_rows.keep(result)
    assert wrong_agreement(wrong_answers(base), wrong_answers(result)) == (6, 5)


def test_a_comparison_leads_to_the_changed_answers(client, page, pair):
    base, result = pair
    query = f"?id=res-{base.pk}&id=res-{result.pk}"
    html = client.get(reverse("result-compare") + query).content.decode()

    answers = reverse("result-answers", args=[result.pk])
    assert f'{answers}?show=changed&amp;base=res-{base.pk}"' in html
    assert f'{answers}4/?show=changed&amp;base=res-{base.pk}"' in html
    assert "6 of 6 answers that are incorrect in both are the same." in html


def test_an_answer_is_beside_its_page_of_the_list(page):
    result = make_measured(scores=[1] * 250)
    html = page(result, "?order=-index", index=10)

    assert 'data-page="3"' in html and listed(html)[-1] == 0 and len(listed(html)) == 50
    assert f'href="{reverse("result-answer", args=[result.pk, 9])}?order=-index"' in html
    assert "240 of 250" in html


def test_the_script_gets_an_answer_alone_or_a_list_without_texts(
    page, pair, django_assert_max_num_queries
):
    alone = page(pair[1], index=4, target="answer")
    with django_assert_max_num_queries(20) as captured:
        html = page(pair[1], target="answer-list")

    assert "number 4?" in alone and "<html" not in alone and "data-row" not in alone
    assert len(listed(html)) == answering.QUESTIONS
    assert not [one for one in captured.captured_queries if '"reasoning"' in one["sql"]]


def test_an_unscored_answer_is_not_incorrect(client, page, pair):
    result = pair[1]
    Answer.objects.filter(result=result, index=1).update(status="excluded", score=0)
    answer_rows.keep(result)

    assert 1 not in listed(page(result, "?show=incorrect"))
    assert listed(page(result, "?show=unscored")) == (1,)
    html = client.get(reverse("result-detail", args=[result.pk])).content.decode()
    assert "Unscored is not incorrect: 1 answer" in html


@pytest.mark.parametrize(("status", "flag"), [("error", "failed"), ("excluded", "no_score")])
def test_an_answer_without_a_score_is_faulty(client, page, pair, status, flag):
    result = pair[1]
    Answer.objects.filter(result=result, index=1).update(status=status, score=0, answer="")
    answer_rows.keep(result)

    assert listed(page(result, f"?show={flag}")) == (1,)
    assert 1 in listed(page(result, "?show=faulty"))
    html = client.get(reverse("result-detail", args=[result.pk])).content.decode()
    # 15 of 23 are correct: 62.50 % with the other one incorrect, 66.67 % with it correct.
    assert re.search(rf"show={flag}.*?62.50 – 66.67", html, re.DOTALL)


def test_the_prompt_that_was_sent_is_beside_the_question(page, pair):
    result = pair[1]
    answer = Answer.objects.get(result=result, index=4)
    answer.detail = answer.detail | {"prompt": "number 4?\nAnswer with one <short> sentence."}
    answer.save()

    assert "Answer with one &lt;short&gt; sentence." in page(result, index=4)
    assert "Prompt as sent" not in page(result, index=5)


def test_a_base_with_other_questions_changes_nothing(page, pair):
    other = make_measured(scores=[1, 0])

    assert listed(page(pair[1], f"?show=changed&base=res-{other.pk}")) == ()
    assert "No evaluation with answers to compare with: res-999" in page(pair[1], "?base=res-999")


def test_hidden_characters_are_shown(page, pair):
    result = pair[1]
    Answer.objects.filter(result=result, index=0).update(
        answer="<script>alert(1)</script>\x1b[31m\u202edoc.exe", question="<b>\u2066x"
    )
    answer_rows.keep(result)
    html = page(result, index=0)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;[U+001B][31m[U+202E]doc.exe" in html
    assert "<script>alert" not in html and "\u202e" not in html and "&lt;b&gt;[U+2066]x" in html


def test_the_text_for_an_issue_has_question_and_facts(page, pair):
    result = pair[1]
    Answer.objects.filter(result=result, index=2).update(answer="```\nnot out of it\n```")
    html = page(result, index=2)
    text = unescape(re.search(r'data-copy-text="([^"]*)"', html)[1])

    assert f"- Result: res-{result.pk}" in text and "- Flags: Cut off" in text
    assert reverse("result-answer", args=[result.pk, 2]) in text
    assert "````text\n```\nnot out of it\n```\n````" in text


def test_the_playground_gets_question_and_parameters(client, pair):
    answer = Answer.objects.get(result=pair[1], index=4)
    client.force_login(make_user("lin"))
    html = client.get(f"{reverse('playground')}?answer={answer.pk}").content.decode()

    assert f">{answer.question}</textarea>" in unescape(html)
    assert re.search(r'name="temperature" value="0.0"', html)
    assert re.search(r'name="max_tokens" value="64"', html)


def test_what_is_not_there_is_not_found(client, pair):
    client.force_login(make_user("lin"))
    benchmark = make_measured(points=[(1, {"output_tokens_per_s": 1.0})])

    assert client.get(reverse("result-answer", args=[pair[1].pk, 99])).status_code == 404
    assert client.get(reverse("result-answers", args=[benchmark.pk])).status_code == 404


def test_rows_of_an_earlier_version_are_made_anew(pair):
    result = pair[1]
    AnswerRow.objects.filter(result=result).delete()
    type(result).objects.filter(pk=result.pk).update(rows_version=0, metrics={"accuracy": 0.5})

    assert answer_rows.keep_missing() == 1
    assert answer_rows.keep_missing() == 0
    result.refresh_from_db()
    assert result.metrics["answers_cut"] == 5 and result.metrics["accuracy"] == 0.5
    assert AnswerRow.objects.filter(result=result).count() == answering.QUESTIONS
