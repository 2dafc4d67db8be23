"""Results of runs with thinking on or off: pages, comparisons, statements."""

from html import unescape

import pytest

from jobs.queries.results.repeats import repeats_of
from tests.comparing import ids, text_of
from tests.jobs.lib import answering

pytestmark = pytest.mark.django_db


def evaluated(**params):
    """A sound evaluation whose answers all have reasoning."""
    return answering.make_evaluations(**params)[0]


def test_a_chosen_thinking_is_of_the_identity():
    off = evaluated(thinking="off")

    assert off.identity["parts"]["workload"]["thinking"] == "off"
    assert not repeats_of(off).filter(pk=evaluated(thinking="on").pk).exists()


def test_the_default_leaves_identities_as_they_were():
    assert "thinking" not in evaluated().identity["parts"]["workload"]


def test_a_comparison_names_both_values_of_thinking(page):
    text = text_of(page(ids(evaluated(), evaluated(thinking="off"))))

    assert "Thinking: model default / off" in text


def test_a_comparison_names_an_early_stop_once(page):
    rule = {"stop_early": True, "baseline": "17", "margin": 5.0}

    text = text_of(page(ids(evaluated(), evaluated(**rule))))

    assert "Stop early: no / yes" in text
    assert "Baseline: unknown" not in text and "Margin: " not in text


def test_a_statement_warns_of_other_thinking(get):
    base, result = evaluated(thinking="on"), evaluated(thinking="off")

    text = unescape(get("parity", base=f"res-{base.pk}", id=f"res-{result.pk}"))

    assert "Different settings, baseline / result: Thinking: on / off." in text


def test_a_statement_warns_of_a_switch_without_effect(get):
    base, result = evaluated(thinking="off"), evaluated(thinking="off")

    text = get("parity", base=f"res-{base.pk}", id=f"res-{result.pk}")

    assert "Different settings" not in text
    assert f"res-{base.pk}: Thinking was off, but 24 of 24 answers have reasoning" in text


def test_the_card_tells_of_a_switch_without_effect(get):
    ignored, sound = evaluated(thinking="off"), evaluated(thinking="on")

    words = (
        "Thinking was off, but 24 of 24 answers have reasoning: the engine may ignore the switch."
    )
    assert words in get("result-detail", ignored.pk)
    assert ">thinking doubtful</span>" in get("result-list")
    assert "Thinking was" not in get("result-detail", sound.pk)


def test_the_page_shows_a_chosen_thinking(get):
    assert "Thinking off" in text_of(get("result-detail", evaluated(thinking="off").pk))
    assert "Thinking" not in text_of(get("result-detail", evaluated().pk))
