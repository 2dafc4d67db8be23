"""Two evaluations with the same questions, whose faults are known one by one."""

from collections.abc import Collection
from typing import Any

from jobs.catalog import QUESTION_SETS, Question
from jobs.models import Answer, Deployment, Job, Result
from jobs.services.outcomes import answer_rows, identity
from tests.factories import make_job, make_result

QUESTIONS = 24
CUT, NOT_EXTRACTED, LOOPING = (2, 3, 5, 7, 11), (13, 17), (19,)
# Of the second result: 1 was correct and 4, 6 were incorrect.
CHANGED = (1, 4, 6)
LOOP = "Wait, I have to check this once more. "


def make_evaluations(**params: Any) -> tuple[Result, Result]:
    """A sound baseline, then a result with :data:`CHANGED`, :data:`CUT`, :data:`NOT_EXTRACTED` and
    :data:`LOOPING` answers."""
    wrong = {*CUT, *NOT_EXTRACTED, *LOOPING, 4, 6}
    base = evaluation([_answer(n, right=n not in wrong) for n in range(QUESTIONS)], **params)
    after = (wrong - {4, 6}) | {1}
    answers = [_answer(n, right=n not in after) for n in range(QUESTIONS)]
    for n in CUT:
        answers[n] |= {"finish": "length"}
    for n in NOT_EXTRACTED:
        answers[n] |= {"extracted": "", "detail": answers[n]["detail"] | {"rule": "no_number"}}
    for n in LOOPING:
        answers[n] |= {"reasoning": LOOP * 60}
    return base, evaluation(answers, **params)


def evaluation(
    answers: list[dict[str, Any]], deployment: Deployment | None = None, **params: Any
) -> Result:
    """An evaluation with these answers, as its intake stores it."""
    of = {"host": deployment.host} if deployment else {}
    job = make_job(
        state=Job.State.SUCCEEDED,
        kind="evaluate",
        params={"max_tokens": 64, "temperature": 0.0, **params},
        **of,
    )
    scored = [one["score"] for one in answers if not one.get("status")]
    right = sum(scored)
    metrics = {"accuracy": right / len(scored), "correct": right, "questions": len(scored)}
    fields = {"type": Result.Type.EVALUATION, "what": "basics (24)", "metrics": metrics}
    result = make_result(job=job, deployment=deployment, **fields)
    Answer.objects.bulk_create(
        Answer(result=result, index=index, **one) for index, one in enumerate(answers)
    )
    answer_rows.keep(result)
    identity.keep(result)
    return result


def _answer(n: int, *, right: bool) -> dict[str, Any]:
    said = str(n) if right else str(n + 1)
    return {
        "subset": "short_en" if n % 2 else "short_zh",
        "question": f"Which number is $x_{{{n}}}$, number {n}?",
        "question_id": f"q{n}",
        "expected": str(n),
        "answer": f"It is **{said}**.",
        "extracted": said,
        "reasoning": f"The list has numbers, and the one at place {n} is {said}.",
        "finish": "stop",
        "score": float(right),
        "detail": {
            "category": "prime" if n in (2, 3, 5, 7, 11, 13, 17, 19) else "other",
            "rule": "number",
            "input_tokens": 12,
            "output_tokens": 20 + n,
            "latency_s": 1.0 + n / 10,
        },
    }


def question_set() -> tuple[Question, ...]:
    """The questions of :func:`make_evaluations`, for a set of the team."""
    asked = [_answer(n, right=True) for n in range(QUESTIONS)]
    return tuple(
        Question(
            id=one["question_id"],
            sort="short",
            language="en" if one["subset"] == "short_en" else "zh",
            category=one["detail"]["category"],
            question=one["question"],
            answers=(one["expected"],),
        )
        for one in asked
    )


def make_sets_of_one_name() -> tuple[Result, Result]:
    """Evaluations of the included questions and of a set of the team. Both have parts "short_en"
    and "short_zh", and ids q0 to q23, of different questions."""
    ours = answers(wrong={1, 2, 3})
    for one in ours:
        one["question"] = f"Another: {one['question']}"
    base = evaluation(answers(wrong=range(12)), questions="basics")
    return base, evaluation(ours, questions="ours@0123456789ab")


def save_set(set_id: str = "ours", questions: tuple[Question, ...] | None = None) -> str:
    """Save a set of the team; return its key. The test configures the folder."""
    meta = {"id": set_id, "name": set_id, "note": ""}
    chosen = question_set() if questions is None else questions
    return QUESTION_SETS.save(meta, chosen, at="2026-11-28T09:00", by="lin", onto=None).key


def answers(wrong: Collection[int] = ()) -> list[dict[str, Any]]:
    """An answer to each question; those of ``wrong`` are incorrect."""
    return [_answer(n, right=n not in wrong) for n in range(QUESTIONS)]
