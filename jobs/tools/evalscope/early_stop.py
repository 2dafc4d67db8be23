"""EvalScope in parts, which ends when the comparison with a baseline is decided.

The questions are asked in a random order, the same share of each subset in each look. So a look
compares a random part of them, and not those that were answered first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.catalog import Question
from jobs.catalog.questions import draw
from jobs.plans import Output, Plan, PlanFile
from jobs.statistics import paired
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib.site import FILES, Site, script

LOOKS = 10
LOOKS_FILE = "eval/looks.jsonl"
_SCRIPT, _RULE = "ask_until_decided.py", "early_stop.json"
_ASKED = "asked"  # folder of the questions asked so far
# The same formulas decide on the dashboard.
_FORMULAS = Path(paired.__file__)


@dataclass(frozen=True, slots=True)
class Rule:
    """``verdicts`` of the result ``baseline``, such as "res-15": question id -> correct, None
    without a score. ``margin`` is from 0 to 1."""

    baseline: str
    margin: float
    goal: paired.Goal
    verdicts: Mapping[str, bool | None]


def decided_plan(asking: evalscope.QuestionRun, rule: Rule, site: Site, seed: int) -> Plan:
    """Plan an evaluation that asks a tenth more in each look until ``rule`` decides."""
    asking = replace(asking, questions=_drawn(asking.questions, seed))
    plan = evalscope.eval_plan(asking, site, folder=_ASKED)
    (step,) = plan.steps
    python, _ask, *arguments = step.argv
    argv = (python, f"{FILES}/{_SCRIPT}", f"{FILES}/{_RULE}", *arguments)
    formulas = PlanFile(_FORMULAS.name, _FORMULAS.read_text(encoding="utf-8"))
    return replace(
        plan,
        steps=(replace(step, argv=argv),),
        files=(*plan.files, script(_SCRIPT), formulas, _rule_file(asking.questions, rule)),
        outputs=(*plan.outputs, Output("looks", LOOKS_FILE)),
    )


def _drawn(questions: Sequence[Question], seed: int) -> tuple[Question, ...]:
    subsets = evalscope.by_subset(questions).values()
    drawn = (sorted(those, key=lambda one: draw(seed, one.id)) for those in subsets)
    return tuple(question for those in drawn for question in those)


def _rule_file(questions: Sequence[Question], rule: Rule) -> PlanFile:
    parts = {
        f"{subset}.jsonl": {
            "reviews": f"eval/reviews/model/{evalscope.BENCHMARKS[those[0].sort]}_{subset}.jsonl",
            "looks": [-(-look * len(those) // LOOKS) for look in range(1, LOOKS + 1)],
            "baseline": [_number(rule.verdicts[one.id]) for one in those],
        }
        for subset, those in evalscope.by_subset(questions).items()
    }
    asked = {"baseline": rule.baseline, "margin": rule.margin, "goal": rule.goal}
    content = {**asked, "parts": parts}
    return PlanFile(_RULE, json.dumps(content) + "\n")


def _number(right: bool | None) -> int | None:
    return None if right is None else int(right)
