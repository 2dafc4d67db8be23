"""Missing questions of a statement: counted, asked, and added to their side."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from jobs.catalog import QUESTION_SETS
from jobs.models import Answer, Result
from jobs.queries.parity.runs import lacking
from jobs.queries.parity.statement import parity
from jobs.services.outcomes import answer_rows, identity
from tests.factories import make_user
from tests.jobs.lib import answering
from tests.measuring import make_measuring_host, served

pytestmark = pytest.mark.usefixtures("question_folder")
WRONG = (2, 3, 20)
ASKED = 16  # the second side was asked these first questions


@pytest.fixture
def deployment():
    return served(make_measuring_host("near"))


@pytest.fixture
def pair(deployment):
    """A baseline, and an evaluation of a part of its questions."""
    key = answering.save_set()
    answers = answering.answers(WRONG)
    base = answering.evaluation(answers, questions=key, limit=0)
    return base, asked(answers[:ASKED], deployment, questions=key, limit=ASKED)


def asked(answers, deployment, **params):
    result = answering.evaluation(answers, deployment, **params)
    result.job.params |= {"deployment": str(deployment.pk), "batch": 4, "samples": 1}
    result.job.save()
    return result


def rest_of(deployment, name="rest", **params):
    answers = answering.answers(WRONG)[ASKED:]
    key = answering.save_set(name, answering.question_set()[ASKED:])
    return asked(answers, deployment, questions=key, limit=0, **params)


def text_of(response):
    return html.unescape(response.content.decode())


def page(client, base, result):
    return text_of(client.get(reverse("parity"), {"base": base, "id": result}))


def missing(base, result, side="result"):
    return f"{reverse('parity-missing')}?base=res-{base.pk}&id=res-{result.pk}&margin=2&side={side}"


def test_missing_questions_are_counted_and_a_viewer_has_no_button(client, member, pair):
    base, result = pair
    sides = f"res-{base.pk}", f"res-{result.pk}"

    text = page(member, *sides)
    client.force_login(make_user("vi", role="viewer"))
    of_viewer = page(client, *sides)

    assert "8 questions of " in text and "have no scored answer in" in text
    assert reverse("parity-missing") in text
    assert "side=result" in text and "side=base" not in text
    assert "8 questions of " in of_viewer
    assert reverse("parity-missing") not in of_viewer
    assert client.get(missing(base, result)).status_code == 403
    assert Result.objects.count() == 2


def test_question_and_planned_number_stay_on_the_way_to_them(member, pair):
    base, result = pair
    asks = {"goal": "at_least", "margin": "2", "planned": "24"}
    sides = {"base": f"res-{base.pk}", "id": f"res-{result.pk}"}

    text = text_of(member.get(reverse("parity"), {**sides, **asks}))

    (link,) = re.findall(rf'href="({reverse("parity-missing")}[^"]*)"', text)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert asked == {**sides, **asks, "side": "result"}
    back = text_of(member.get(link))
    assert "goal=at_least&planned=24" in back


def test_an_answer_without_a_score_is_missing(member, pair):
    base, result = pair
    Answer.objects.filter(result=result, index=5).update(status="failed", score=0)
    answer_rows.keep(result)

    found = lacking([result], [base])

    assert found.total == 9
    assert found.places == {base.pk: [5, *range(ASKED, answering.QUESTIONS)]}


def test_form_and_plan_ask_exactly_the_missing_and_none_early(member, pair, deployment):
    base, result = pair
    early = {"stop_early": True, "baseline": f"res-{base.pk}", "margin": 5.0}
    result.job.params |= {"question_seed": 7, "max_tokens": 48, **early}
    result.job.save()

    answer = member.post(missing(base, result), {"id": "more", "name": "More"})

    saved = QUESTION_SETS.of_team("more")
    asked = [one.id for one in QUESTION_SETS[saved.key].questions]
    assert asked == [f"q{n}" for n in range(16, 24)]
    shown = member.get(answer.headers["Location"]).context
    values = {field.name: field.value for field in shown["form"].fields}
    assert (values["questions"], values["stop_early"]) == (saved.key, "0")
    assert (values["limit"], values["question_seed"], values["max_tokens"]) == ("0", "0", "48")
    assert values["deployment"] == str(deployment.pk)
    assert shown["errors"] == {}
    assert '"id": "q16"' in shown["script"] and '"id": "q23"' in shown["script"]
    assert '"id": "q15"' not in shown["script"]


def test_the_same_questions_are_saved_once(member, pair):
    base, result = pair
    first = member.post(missing(base, result), {"id": f"missing-res-{result.pk}"})

    again = member.get(missing(base, result))

    assert again.headers["Location"] == first.headers["Location"]
    query = parse_qs(urlsplit(again.headers["Location"]).query)
    assert query["from"] == [str(result.job_id)]
    assert len(QUESTION_SETS.team()) == 2


def test_a_later_run_with_the_same_sampling_is_added_to_its_side(member, pair, deployment):
    base, result = pair
    rest_of(deployment, "warmer", temperature=0.6)
    assert "answered 8 of them." not in page(member, f"res-{base.pk}", f"res-{result.pk}")
    later = rest_of(deployment)

    text = page(member, f"res-{base.pk}", f"res-{result.pk}")

    assert f"id=res-{result.pk},res-{later.pk}" in text
    assert text.count("answered 8 of them.") == 1
    both = page(member, f"res-{base.pk}", f"res-{result.pk},res-{later.pk}")
    assert "Missing questions" not in both and "Only in" not in both


def test_two_runs_are_one_side_of_all_questions_unless_their_texts_differ(pair, deployment):
    base, result = pair
    later = rest_of(deployment)

    found = parity([base], [result, later], 1.0, "same")

    assert found.statement.pooled.questions == (24, 24)
    assert found.statement.pooled.method == "paired"
    assert "partly" not in found.notes.names
    names = {one.name for one in found.unequal.work}
    assert not names & {"questions", "limit", "question_seed", "questions_sha256"}
    Answer.objects.filter(result=later, index=0).update(question="Another text?")
    answer_rows.keep(later)
    identity.keep(later)
    found = parity([base], [result, later], 1.0, "same")
    assert "questions_sha256" in {one.name for one in found.unequal.work}


def test_an_import_cannot_be_asked(member, pair):
    base, result = pair
    job = result.job
    job.kind = "evaluate-opencompass"
    job.save()

    text = page(member, f"res-{base.pk}", f"res-{result.pk}")

    assert "cannot be asked here" in text
    assert reverse("parity-missing") not in text
    assert "cannot be asked here" in text_of(member.get(missing(base, result)))


def test_a_complete_pair_has_nothing_to_ask(member, pair):
    base, _result = pair
    other = answering.evaluation(answering.answers(), questions=base.job.params["questions"])

    assert "Missing questions" not in page(member, f"res-{base.pk}", f"res-{other.pk}")
    assert "No question is missing." in text_of(member.get(missing(base, other)))


@pytest.mark.parametrize(
    "query", ["", "?base=res-1&id=res-2&side=none", "?base=x&id=y", "?base=res-1&id=res-1"]
)
def test_a_wrong_address_is_not_found(member, query):
    assert member.get(f"{reverse('parity-missing')}{query}").status_code == 404
