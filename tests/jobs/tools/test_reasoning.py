"""Serving a model that was never trained to reason so that it thinks first. Live: tests/browser."""

import re

import pytest

from jobs.catalog import QUESTION_SETS
from jobs.kinds import KINDS
from tests.jobs.lib.scripts import SCRIPTS
from tests.jobs.lib.target import here

TEMPLATE = (SCRIPTS / "reasoning.jinja").read_text()


@pytest.mark.parametrize("reasoning", [True, False])
def test_only_a_reasoning_server_has_template_and_grammar(reasoning):
    kind = KINDS["deploy"]
    plan = kind.plan(kind.Params(artifact="2", reasoning=reasoning), here())

    argv = next(step for step in plan.steps if step.serves).argv
    named = re.findall(r"\{serve_dir\}/files/(\S+)", " ".join(argv))
    wanted = ["reasoning.jinja", "reasoning.gbnf"] if reasoning else []
    assert named == ["llama_serve.py", *wanted]
    assert set(named) <= {file.name for file in plan.files}
    assert ("--grammar-file" in argv, "--chat-template-file" in argv) == (reasoning, reasoning)


def test_template_examples_contain_no_evaluation_answer():
    examples = re.findall(r"\('([^']+)',\n", TEMPLATE)
    asked = {one.question for each in QUESTION_SETS.values() for one in each.questions}

    assert len(examples) == 6
    assert asked
    assert not asked.intersection(examples)
