"""Models, stacks, question sets, known failures: included, or added by a team.
Here: YAML files, schemas, values derived from a model's constants.
Not here: assets on hosts (`models`), command lines (`tools`).

``MODELS`` are the included models and those that a team adds to the folder of :func:`configure`,
``QUESTION_SETS`` the included questions and those of the team. A new file is available at the next
read, without a restart.
"""

from __future__ import annotations

from jobs.catalog.added import Problem
from jobs.catalog.library import MODELS, configure, models
from jobs.catalog.loader import INCLUDED_QUESTIONS, PROMPT_SETS, SHIPPED, STACKS
from jobs.catalog.question_sets import QuestionSets
from jobs.catalog.questions_schema import Question, QuestionSet
from jobs.catalog.schema import (
    THINKING_SWITCHES,
    HubSource,
    PackageSource,
    Sampling,
    ZooModel,
)
from jobs.catalog.stacks_schema import Stack

QUESTION_SETS = QuestionSets(INCLUDED_QUESTIONS)

__all__ = [
    "MODELS",
    "PROMPT_SETS",
    "QUESTION_SETS",
    "SHIPPED",
    "STACKS",
    "THINKING_SWITCHES",
    "HubSource",
    "PackageSource",
    "Problem",
    "Question",
    "QuestionSet",
    "QuestionSets",
    "Sampling",
    "Stack",
    "ZooModel",
    "configure",
    "models",
]
