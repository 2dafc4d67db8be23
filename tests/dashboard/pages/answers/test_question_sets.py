"""Listed answers as a question set: page, file, and why there is none."""

import html
import json

import pytest
from django.urls import reverse

from jobs.catalog import QUESTION_SETS
from jobs.models import Answer, AuditEntry
from tests.factories import make_job, make_measured, make_user
from tests.jobs.lib import answering

pytestmark = pytest.mark.usefixtures("question_folder")
CHANGED = [f"q{n}" for n in answering.CHANGED]


@pytest.fixture
def pair():
    return answering.make_evaluations(questions=answering.save_set())


def at(name, result, query=""):
    return f"{reverse(name, args=[result.pk])}{query}"


def page(client, result, query="", status=200):
    response = client.get(at("result-questions", result, query))
    assert response.status_code == status
    return html.unescape(response.content.decode())


def changed(base):
    return f"?show=changed&base=res-{base.pk}"


def ids_of(text):
    return [json.loads(line)["id"] for line in text.splitlines()]


def test_the_changed_answers_are_saved_as_a_set(member, pair):
    base, result = pair
    form = {"id": "hard", "name": "Hard ones", "note": ""}

    answer = member.post(at("result-questions", result, changed(base)), form)

    assert answer.headers["Location"] == reverse("question-detail", args=["hard"])
    saved = QUESTION_SETS.of_team("hard")
    assert (saved.name, len(saved.versions)) == ("Hard ones", 1)
    assert [one.id for one in QUESTION_SETS[saved.key].questions] == CHANGED
    entry = AuditEntry.objects.get(action="questions.change", subject="questions hard")
    assert (entry.detail["did"], entry.detail["version"]) == ("add", saved.current.short)


def test_the_form_proposes_a_free_id_and_a_taken_one_is_refused(member, pair):
    base, result = pair
    own = f"changed-res-{base.pk}-res-{result.pk}"
    assert f'value="{own}"' in page(member, result, changed(base))

    answering.save_set(own)

    assert f'value="{own}-2"' in page(member, result, changed(base))
    answer = member.post(at("result-questions", result, changed(base)), {"id": "ours"})
    assert answer.status_code == 422
    assert "A set with this ID exists" in answer.content.decode()


def test_the_file_is_what_an_upload_accepts_and_a_viewer_may_read(client, member, pair):
    base, result = pair
    address = at("result-questions-file", result, changed(base))

    text = member.get(address).content.decode()
    added = member.post(reverse("question-add"), {"id": "again", "text": text, "save": "1"})
    client.force_login(make_user("vi", role="viewer"))
    reader = client.get(at("result-answers", result, changed(base))).content.decode()

    assert ids_of(text) == CHANGED
    assert added.status_code == 302
    again = f"again@{QUESTION_SETS.of_team('again').current.short}"
    wanted = [one for one in answering.question_set() if one.id in CHANGED]
    assert [*QUESTION_SETS[again].questions] == wanted
    assert client.get(address).status_code == 200
    assert client.get(at("result-questions", result, changed(base))).status_code == 403
    assert "Download JSONL" in reader and "Save as question set" not in reader


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("?show=cut&set=short_zh", ["q2"]),
        ("?q=q21", ["q21"]),
        ("?show=incorrect&show=looping&order=-tokens", ["q19"]),
    ],
)
def test_the_file_has_what_the_filters_list(member, pair, query, ids):
    _base, result = pair

    assert ids_of(member.get(at("result-questions-file", result, query)).content.decode()) == ids


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("?show=changed", "Choose the result against which the answers changed."),
        ("?show=changed&base=res-999", "Choose the result against which the answers changed."),
        ("?show=nonsense", "Unknown filter: nonsense."),
        ("?q=nowhere", "No answer matches the filters. Change them."),
    ],
)
def test_wrong_filters_save_nothing(member, pair, query, text):
    _base, result = pair

    assert text in page(member, result, query)
    assert member.post(at("result-questions", result, query), {"id": "new"}).status_code == 422
    assert member.get(at("result-questions-file", result, query)).status_code == 404
    assert QUESTION_SETS.of_team("new") is None


def test_a_set_of_the_tool_is_disabled_with_its_reason(member):
    job = make_job(kind="evaluate-opencompass", state="succeeded")
    result = make_measured(scores=[1, 0], job=job, tool="OpenCompass 0.4.1")
    text = "OpenCompass 0.4.1 asked a data set of its own"

    reader = html.unescape(member.get(at("result-answers", result)).content.decode())

    assert text in reader
    assert '<button class="btn" type="button" disabled aria-describedby="no-questions">' in reader
    assert text in page(member, result)


def test_a_set_that_is_gone_is_named(member):
    _base, result = answering.make_evaluations(questions="gone@1f2e3d4c5b6a")

    text = "question set gone@1f2e3d4c5b6a is not on this dashboard. Add it under Data sets."
    assert text in page(member, result)


def test_a_question_with_another_text_is_left_out(member, pair):
    base, result = pair
    Answer.objects.filter(result=result, question_id="q1").update(question="Another text?")
    Answer.objects.filter(result=result, question_id="q4").update(expected="another")

    assert "2 questions are left out" in page(member, result, changed(base))
    file = member.get(at("result-questions-file", result, changed(base)))
    assert ids_of(file.content.decode()) == ["q6"]


def test_samples_of_a_question_are_one_question(member):
    answers = [{**one, "sample": sample} for one in answering.answers() for sample in (0, 1)]
    result = answering.evaluation(answers, questions=answering.save_set())

    file = member.get(at("result-questions-file", result)).content.decode()

    assert ids_of(file) == [f"q{n}" for n in range(answering.QUESTIONS)]
