"""Two evaluations: ``{"many": result, "few": result}``, the first with long reasoning.

Order: ``{"answers": how many, "characters": of each reasoning}``. The second has the same numbers
and no texts: a table of ids alone.
"""

import random
from typing import Any

from jobs.models import Answer, Job, Result
from jobs.services.outcomes import answer_rows
from tests.bench.inside import serve
from tests.factories import make_host, make_job, make_result

AT_ONCE = 200
SENTENCE = "so the value of this term is not equal to what we had and we must check each case"


def make(*, answers: int, characters: int) -> dict[str, Any]:
    """Answers of a few sets, of which every tenth was cut."""
    host = make_host("reader", draining=True)
    pick = random.Random(7)
    thought = " ".join(pick.choices(SENTENCE.split(), k=characters // 4))
    return {
        "many": _result(host, answers, thought),
        "few": _result(host, answers, ""),
    }


def _result(host: Any, answers: int, thought: str) -> int:
    job = make_job(host=host, state=Job.State.SUCCEEDED, kind="evaluate", params={})
    metrics = {"accuracy": 0.5, "correct": answers / 2, "questions": answers}
    result = make_result(job=job, type=Result.Type.EVALUATION, metrics=metrics)
    for start in range(0, answers, AT_ONCE):
        Answer.objects.bulk_create(
            _answer(result, n, thought) for n in range(start, min(answers, start + AT_ONCE))
        )
    answer_rows.keep(result)
    return result.pk


def _answer(result: Result, n: int, thought: str) -> Answer:
    return Answer(
        result=result,
        index=n,
        subset=f"set-{n % 57}",
        question=f"Question {n}: which one is it?" if thought else "",
        question_id=f"id-{n}",
        expected="A",
        answer=f"Answer {n} is A." if thought else "",
        extracted="A",
        # Each begins in another place, so that no two texts are equal.
        reasoning=f"{n} {thought[n % 997 :]} seen {n}" if thought else "",
        finish="length" if n % 10 == 0 else "stop",
        score=float(n % 2),
        detail={"output_tokens": 100 + n % 900, "latency_s": n % 60 / 10},
    )


if __name__ == "__main__":
    serve(make)
