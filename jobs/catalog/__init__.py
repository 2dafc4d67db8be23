"""Models, stacks, question sets, known failures: shipped, or a team's own.
Here: YAML files, their schema, what follows from a model's constants.
Not here: what lies on a host (`models`), command lines (`toolchains`).

``MODELS`` are the models that ship and those that a team has added to the folder that
:func:`configure` names; a file that is put there is a model at the next look, without a restart.
"""

from __future__ import annotations

from jobs.catalog.added import Problem
from jobs.catalog.library import MODELS, configure, models
from jobs.catalog.loader import PROMPT_SETS, QUESTION_SETS, SHIPPED, STACKS
from jobs.catalog.questions_schema import Question, QuestionSet
from jobs.catalog.schema import HubSource, PackageSource, Sampling, ZooModel
from jobs.catalog.stacks_schema import Stack

__all__ = [
    "MODELS",
    "PROMPT_SETS",
    "QUESTION_SETS",
    "SHIPPED",
    "STACKS",
    "HubSource",
    "PackageSource",
    "Problem",
    "Question",
    "QuestionSet",
    "Sampling",
    "Stack",
    "ZooModel",
    "configure",
    "models",
]
