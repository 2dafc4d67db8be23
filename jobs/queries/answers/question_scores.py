"""Scores of an evaluation's answers, by question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Case, TextField, Value, When

from jobs.models import Answer, AnswerRow, Result


def scores_by_question(results: Sequence[Result]) -> dict[str, dict[object, list[float]]]:
    """Return the scores of one result or of repeats by set and question, unscored answers left out.

    Read from the rows of the reader, because these have no long texts.

    Samples of a question without an id share its text only, which the answers have.
    """
    answers: dict[str, dict[object, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = list(
        AnswerRow.objects.filter(result__in=results)
        .exclude(verdict=AnswerRow.Verdict.UNSCORED)
        .order_by("result_id", "index")
        .values_list("subset", "question_id", "key", "sample", "verdict")
    )
    if rows and not any(sample and not own for _subset, own, _key, sample, _verdict in rows):
        for subset, own, key, _sample, verdict in rows:
            score = float(verdict == AnswerRow.Verdict.CORRECT)
            answers[subset][("id", own) if own else ("key", key)].append(score)
        return answers
    text = Case(When(question_id="", then="question"), default=Value(""), output_field=TextField())
    scored = Answer.objects.scored().filter(result__in=results).annotate(text=text)
    named = scored.order_by("result_id", "index")
    for subset, own, asked, score in named.values_list(
        "subset", "question_id", "text", "score"
    ).iterator():
        answers[subset][own, asked].append(min(1.0, max(0.0, score)))
    return answers
