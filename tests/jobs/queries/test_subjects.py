"""MMLU's subjects: names of three tools, areas, orders, differences to a baseline."""

from collections import Counter

import pytest

from jobs.catalog.data_sets import DATA_SETS
from jobs.queries.results.results import areas, set_groups, subject_name
from jobs.statistics import difference, wilson
from tests.factories import make_measured

pytestmark = pytest.mark.django_db


def kept(name, value, questions=100):
    row = {"dataset": name, "version": "", "metric": "accuracy", "mode": "gen", "group": "mmlu"}
    return {**row, "value": value, "questions": questions}


def evaluated(scores, before="lukaemon_mmlu_"):
    sets = [kept(f"{before}{name}", value) for name, value in scores.items()]
    return make_measured(scores=[1, 0], run_context={"sets": sets})


def group_of(result):
    (group,) = set_groups(result)
    return group


def names(area):
    return [one.name for one in area.subjects]


def test_there_are_57_subjects_in_four_areas():
    counts = Counter(part.area for part in DATA_SETS["mmlu"].parts)

    assert counts == {"stem": 18, "humanities": 13, "social": 12, "other": 14}


@pytest.mark.parametrize("before", ["lukaemon_mmlu_", "mmlu/", "mmlu_", ""])
def test_names_of_all_tools_are_known(before):
    assert subject_name(f"{before}virology") == "virology"


def test_another_data_set_is_no_subject():
    assert subject_name("mmlu_pro_math") == ""
    assert areas(group_of(evaluated({"virology": 50.0, "astrology": 50.0})), None, "score") == []


def test_low_scores_are_first_and_missing_ones_last():
    scores = {"anatomy": 90.0, "virology": None, "nutrition": 40.0, "marketing": 60.0}
    (other,) = areas(group_of(evaluated(scores)), None, "score")

    assert names(other) == ["nutrition", "marketing", "anatomy", "virology"]
    assert other.share is None


def test_an_area_pools_its_questions():
    found = areas(group_of(evaluated({"anatomy": 90.0, "virology": 40.0})), None, "name")

    assert [(area.name, area.share) for area in found] == [("other", wilson(130, 200))]
    assert names(found[0]) == ["anatomy", "virology"]


def test_differences_to_a_baseline_sort_and_have_intervals():
    base = evaluated({"anatomy": 90.0, "virology": 40.0, "law": 9.0}, "mmlu/")
    now = evaluated({"anatomy": 70.0, "virology": 45.0, "nutrition": 1.0})

    (other,) = areas(group_of(now), base, "difference")

    assert names(other) == ["anatomy", "virology", "nutrition"]
    assert other.subjects[0].gap == difference(wilson(70, 100), wilson(90, 100))
    assert other.subjects[2].gap is None
    assert other.gap is None
