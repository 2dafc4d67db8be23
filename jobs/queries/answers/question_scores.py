"""Scores of an evaluation's answers, by question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from jobs.models import Answer, AnswerRow, Result
from jobs.parsers.answers import content_key


def scores_by_question(results: Sequence[Result]) -> dict[str, dict[object, list[float]]]:
    """Return the scores of one result or of repeats by set and question, unscored answers left out.

    A question is its id, if it has one, with the checksum of its text and expected answer: two sets
    may use one name, and one id.

    Read from the rows of the reader, because these have no long texts.
    """
    answers: dict[str, dict[object, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = list(
        AnswerRow.objects.filter(result__in=results)
        .exclude(verdict=AnswerRow.Verdict.UNSCORED)
        .order_by("result_id", "index")
        .values_list("subset", "question_id", "content", "sample", "verdict")
    )
    if rows and not any(sample and not own for _subset, own, _key, sample, _verdict in rows):
        for subset, own, content, _sample, verdict in rows:
            score = float(verdict == AnswerRow.Verdict.CORRECT)
            answers[subset][own, content].append(score)
        return answers
    scored = Answer.objects.scored().filter(result__in=results).order_by("result_id", "index")
    for subset, own, asked, expected, score in scored.values_list(
        "subset", "question_id", "question", "expected", "score"
    ).iterator():
        question = own, content_key(asked, expected)
        answers[subset][question].append(min(1.0, max(0.0, score)))
    return answers
