"""Loader of the included catalogue files, run once at import."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from jobs.catalog import strict_yaml
from jobs.catalog.questions_schema import Question, QuestionSet
from jobs.catalog.schema import ZooModel
from jobs.catalog.stacks_schema import Stack

HERE = Path(__file__).parent
_MOST_REPORTED = 5  # maximum reported errors per file
T = TypeVar("T")


def read_model(text: str, stem: str | None) -> ZooModel:
    """Return a model from the YAML ``text`` of a file named ``stem`` without its suffix.

    ``stem`` None: not in a file yet.

    Raises:
        ValueError: the errors with their places: "sampling.top_p: …".
    """
    try:
        model = ZooModel.model_validate(strict_yaml.load(text))
    except ValidationError as error:
        raise ValueError(_faults(error)) from error
    if stem not in (None, model.id):
        raise ValueError(f"the model id is {model.id}: rename the file to {model.id}.yaml")
    return model


def load_models(folder: Path) -> dict[str, ZooModel]:
    """Return all models in ``folder``, one YAML file each, by id, smallest first.

    Raises:
        ValueError: a file does not match the schema, or its name does not match the model.
    """
    return by_size(_named(read_model, path) for path in folder.glob("*.yaml"))


def by_size(models: Iterable[ZooModel]) -> dict[str, ZooModel]:
    """Return models by id, smallest first."""
    return {m.id: m for m in sorted(models, key=lambda m: (m.parameters, m.id))}


def load_stacks(folder: Path) -> dict[str, Stack]:
    """Return all stacks in ``folder``, one YAML file each, by id, in stack order.

    Raises:
        ValueError: a file does not match the schema, or its name does not match the stack.
    """
    stacks = [_named(_read_stack, path) for path in folder.glob("*.yaml")]
    return {stack.id: stack for stack in sorted(stacks, key=lambda stack: stack.order)}


def load_questions(folder: Path) -> dict[str, QuestionSet]:
    """Return all question sets in ``folder``, one JSONL file each, by name.

    Raises:
        pydantic.ValidationError: a line does not match the schema.
        ValueError: two questions of a set have the same id.
    """
    sets = {}
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        questions = tuple(Question.model_validate(json.loads(line)) for line in lines)
        ids = [question.id for question in questions]
        twice = {name for name in ids if ids.count(name) > 1}
        if twice:
            raise ValueError(f"{path.name} has duplicate ids: {sorted(twice)}")
        sets[path.stem] = QuestionSet(path.stem, questions)
    return sets


def load_prompts(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return all prompt sets in ``folder``, one text file each with a prompt per line, by name."""
    return {
        path.stem: tuple(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(folder.glob("*.txt"))
    }


def _read_stack(text: str, stem: str) -> Stack:
    try:
        stack = Stack.model_validate(strict_yaml.load(text))
    except ValidationError as error:
        raise ValueError(_faults(error)) from error
    if stack.id != stem:
        raise ValueError(f"the file holds the stack {stack.id}")
    return stack


def _named(read: Callable[[str, str], T], path: Path) -> T:
    try:
        return read(path.read_text(encoding="utf-8"), path.stem)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _faults(error: ValidationError) -> str:
    """Return all errors on one line, without quoting the file."""
    faults = [
        f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    ]
    more = [f"and {len(faults) - _MOST_REPORTED} more"] if len(faults) > _MOST_REPORTED else []
    return "; ".join([*faults[:_MOST_REPORTED], *more])[:1000]


SHIPPED = load_models(HERE / "models")
STACKS = load_stacks(HERE / "stacks")
INCLUDED_QUESTIONS = load_questions(HERE / "questions")
PROMPT_SETS = load_prompts(HERE / "prompts")
