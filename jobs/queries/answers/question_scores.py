"""Scores of an evaluation's answers, by question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.models import AnswerRow, Result

Scores = Mapping[object, Sequence[float]]  # question -> scores of its answers, from 0 to 1


@dataclass(frozen=True, slots=True)
class ScoredAnswers:
    """Answers of one result or of repeats, by set. ``scores`` has the questions with a scored
    answer; ``asked`` the number of all questions."""

    scores: Mapping[str, Scores]
    asked: Mapping[str, int]

    @property
    def pooled(self) -> Scores:
        """Return the scores of all sets: (set, question) -> scores."""
        return {
            (subset, question): scores
            for subset, questions in self.scores.items()
            for question, scores in questions.items()
        }


def scores_by_question(results: Sequence[Result]) -> ScoredAnswers:
    """Return the scores of one result or of repeats.

    A question is its id, if it has one, with the checksum of its text and expected answer: two sets
    may use one name, and one id.

    Read from the rows of the reader, because these have no long texts.
    """
    answers: dict[str, dict[object, list[float]]] = defaultdict(lambda: defaultdict(list))
    rows = AnswerRow.objects.filter(result__in=results).order_by("result_id", "index")
    for subset, own, content, verdict, score in rows.values_list(
        "subset", "question_id", "content", "verdict", "score"
    ).iterator():
        found = answers[subset][own, content]
        if verdict != AnswerRow.Verdict.UNSCORED:
            found.append(min(1.0, max(0.0, score)))
    scored = {
        subset: {question: scores for question, scores in questions.items() if scores}
        for subset, questions in answers.items()
    }
    return ScoredAnswers(
        {subset: questions for subset, questions in scored.items() if questions},
        {subset: len(questions) for subset, questions in answers.items()},
    )
