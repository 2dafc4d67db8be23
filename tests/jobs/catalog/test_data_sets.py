"""Catalogue of data sets: its schema, and that forms and tools agree with it."""

import re
from typing import get_args

import pytest
from pydantic import ValidationError

from jobs.catalog.data_sets import (
    BY_EVALSCOPE,
    BY_OPENCOMPASS,
    DATA_SETS,
    EVALUATION_SETS,
    load_data_sets,
)
from jobs.kinds.evaluate import EvalscopeSetsParams, OpencompassSetsParams

SET = """
- id: a
  name: A
  about: About.
  sort: choice
  languages: [en]
  metric: accuracy
  licence_source: Not known.
"""
PARTS = """  opencompass:
    name: a
    module: a.a_gen
    variable: a_datasets
    files: [a]
    parts:
      - {name: a, questions: %s, version: %s}
"""


def test_the_guide_sets_have_their_sizes_and_hashes():
    mmlu = DATA_SETS["mmlu"]

    assert (len(mmlu.parts), mmlu.questions, mmlu.subsets) == (57, 14042, 57)
    guide = ("cluewsc-dev", "cluewsc-test", "math-500")
    assert [EVALUATION_SETS[name].questions for name in guide] == [159, 976, 500]
    assert {EVALUATION_SETS[name].version for name in guide[:2]} == {"5ab83b"}


def test_an_included_set_has_the_size_of_its_questions():
    assert DATA_SETS["basics"].questions >= 120


def test_answers_of_both_tools_belong_to_a_set():
    assert DATA_SETS["math_500"].answer_names == ("math-500", "math_500/")
    assert DATA_SETS["ceval"].answer_names == ("ceval-", "ceval/")


@pytest.mark.parametrize(
    ("params", "known"),
    [(EvalscopeSetsParams, BY_EVALSCOPE), (OpencompassSetsParams, BY_OPENCOMPASS)],
)
def test_a_form_offers_the_sets_with_their_sizes(params, known):
    field = params.model_fields["datasets"]
    assert set(get_args(get_args(field.annotation)[0])) == set(known)
    told = re.findall(r"(\w+) \((\d+)", field.description)
    assert {name: int(count) for name, count in told} == {
        name: one.questions for name, one in known.items()
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (SET, ValidationError),  # no size
        (SET + "  size: 0\n", ValidationError),
        (SET + "  size: 5\n" + PARTS % (1, "abcdef"), ValidationError),  # two sizes
        (SET + PARTS % (0, "abcdef"), ValidationError),
        (SET + PARTS % (1, "123456"), ValidationError),  # YAML reads a number
        (SET + "  size: 5\n  colour: blue\n", ValidationError),
        ((SET + "  size: 5\n") * 2, ValueError),
    ],
)
def test_a_wrong_file_of_sets_is_refused(tmp_path, text, error):
    path = tmp_path / "sets.yaml"
    path.write_text(text)

    with pytest.raises(error):
        load_data_sets(path)


def test_a_set_without_licence_says_where_it_was_looked_up(tmp_path):
    path = tmp_path / "sets.yaml"
    path.write_text(SET + PARTS % (3, "abcdef"))

    found = load_data_sets(path)["a"]

    assert (found.questions, found.licence, found.licence_source) == (3, None, "Not known.")
