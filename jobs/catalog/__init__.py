"""Models, question sets, prompts: data in files, checked when they are loaded."""

from __future__ import annotations

from jobs.catalog.loader import MODELS, PROMPT_SETS, QUESTION_SETS
from jobs.catalog.questions_schema import Question, QuestionSet
from jobs.catalog.schema import PackageSource, Sampling, ZooModel

__all__ = [
    "MODELS",
    "PROMPT_SETS",
    "QUESTION_SETS",
    "PackageSource",
    "Question",
    "QuestionSet",
    "Sampling",
    "ZooModel",
]
