"""Models, stacks, question sets, known failures: included, or added by a team.
Here: YAML files, schemas, values derived from a model's constants.
Not here: assets on hosts (`models`), command lines (`tools`).
"""

from jobs.catalog.library import MODELS, SHIPPED, ModelProblem
from jobs.catalog.presets import PROMPT_SETS
from jobs.catalog.questions import QUESTION_SETS, Question, QuestionSet, QuestionSets
from jobs.catalog.schema import THINKING_SWITCHES, HubSource, PackageSource, Sampling, ZooModel
from jobs.catalog.stacks import STACKS, Stack

__all__ = [
    "MODELS",
    "PROMPT_SETS",
    "QUESTION_SETS",
    "SHIPPED",
    "STACKS",
    "THINKING_SWITCHES",
    "HubSource",
    "ModelProblem",
    "PackageSource",
    "Question",
    "QuestionSet",
    "QuestionSets",
    "Sampling",
    "Stack",
    "ZooModel",
]
