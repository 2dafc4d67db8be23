"""Reads the catalogue's files. Done once, when the module is imported."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from jobs.catalog.questions_schema import Question, QuestionSet
from jobs.catalog.schema import ZooModel

HERE = Path(__file__).parent


def load_models(folder: Path) -> dict[str, ZooModel]:
    """Every model in ``folder``, one YAML file each, by its id.

    Raises:
        pydantic.ValidationError: a file says something else than the schema.
        ValueError: a file's name is not its model's id.
    """
    models = {}
    for path in sorted(folder.glob("*.yaml")):
        model = ZooModel.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        if model.id != path.stem:
            raise ValueError(f"{path.name} holds the model {model.id}")
        models[model.id] = model
    return models


def load_questions(folder: Path) -> dict[str, QuestionSet]:
    """Every question set in ``folder``, one JSONL file each, by its name.

    Raises:
        pydantic.ValidationError: a line says something else than the schema.
        ValueError: two questions of a set have the same id.
    """
    sets = {}
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        questions = tuple(Question.model_validate(json.loads(line)) for line in lines)
        ids = [question.id for question in questions]
        twice = {name for name in ids if ids.count(name) > 1}
        if twice:
            raise ValueError(f"{path.name} has these ids twice: {sorted(twice)}")
        sets[path.stem] = QuestionSet(path.stem, questions)
    return sets


def load_prompts(folder: Path) -> dict[str, tuple[str, ...]]:
    """Every prompt set in ``folder``, one text file each with a prompt a line, by its name."""
    return {
        path.stem: tuple(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(folder.glob("*.txt"))
    }


MODELS = load_models(HERE / "models")
QUESTION_SETS = load_questions(HERE / "questions")
PROMPT_SETS = load_prompts(HERE / "prompts")
