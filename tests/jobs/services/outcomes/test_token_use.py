"""Tokens of answers are shared, summed and stored once, with the curve over token budgets."""

import pytest

from jobs.metrics.measured import token_shares
from jobs.models import Result
from jobs.queries.results.results import pooled
from jobs.queries.results.results import token_use as read
from jobs.services.outcomes import answer_rows
from jobs.statistics import wilson
from tests.factories import make_result
from tests.jobs.lib.token_using import make_used

pytestmark = pytest.mark.django_db


def shares_at(result):
    return {point.budget: point.share for point in read(result).curve}


def test_means_medians_shares_and_counts_of_the_answers():
    result = make_used()
    use = read(result)

    assert {name: result.metrics[name] for name in answer_rows.USE_METRICS} == {
        "reasoning_tokens_mean": 150 / 5,
        "answer_tokens_mean": 70 / 5,
        "reasoning_share": 150 / 220,
        "tokens_per_correct": 220 / 2,
    }
    assert (use.answers, use.counted, use.estimated, use.scored) == (6, 5, 1, 4)
    assert (use.reasoning_p50, use.answer_p50, use.output, use.correct) == (20, 10, 220, 2)
    assert (use.cut, use.cut_share, use.limit, use.longest) == (1, 0.2, 100, 100)


def test_a_budget_counts_correct_answers_within_it():
    shares = shares_at(make_used())

    assert shares[min(shares)] == wilson(0, 4)
    assert shares[16] == wilson(1, 4)
    assert shares[32] == wilson(1, 4)
    assert shares[64] == shares[max(shares)] == wilson(2, 4)


def test_an_answer_of_exactly_the_budget_is_within():
    shares = shares_at(make_used([(16, 0, 9, 1.0, {}), (17, 0, 9, 1.0, {})]))

    assert (shares[15].value, shares[16].value, max(shares)) == (0.0, 0.5, 17)


def test_a_group_has_the_answers_of_all_its_runs():
    def row(tokens, score, question):
        return tokens, 0, 9, score, {"question_id": question}

    one = make_used([row(8, 1.0, "a"), row(64, 1.0, "b")])
    two = make_used([row(8, 0.0, "a"), row(32, 1.0, "b"), row(90, 0.0, "c")])
    none, other = make_used([(None, 0, 9, 1.0, {})]), make_used(limit=50)

    group, alone, empty = pooled([[one, two, none, other], [two], [none]])

    # Three questions, five answers, all of one limit.
    assert (group.scored, group.questions, group.counted) == (5, 3, 5)
    assert (group.limit, group.longest) == (100, 90)
    shares = {point.budget: point.share for point in group.curve}
    assert [shares[budget] for budget in (8, 32, 64, 91)] == [
        wilson(right / 5 * 3, 3) for right in (1, 2, 3, 3)
    ]
    assert alone.curve == read(two).curve
    assert empty is None


def test_samples_of_a_question_count_once_in_the_interval():
    rows = [
        (9, 0, 9, float(n % 2), {"question_id": str(n // 4), "sample": n % 4}) for n in range(8)
    ]
    use = read(make_used(rows))

    assert (use.scored, use.questions) == (8, 2)
    assert use.curve[-1].share == wilson(1, 2)


def test_samples_without_ids_are_one_question_by_text():
    rows = [(9, 0, 9, 1.0, {"question": "same", "sample": n}) for n in range(3)]

    assert read(make_used(rows)).questions == 1


@pytest.mark.parametrize(
    ("others", "mean"),
    [([(40, 100, 100, 1.0, {})] * 2, (20 + 20 + 100) / 3), ([(9, 0, 9, 1, {})], 0)],
)
def test_a_cut_answer_without_tags_is_reasoning_where_the_model_reasons(others, mean):
    result = make_used([*others, (100, 0, 500, 0.0, {"finish": "length"})])

    assert result.metrics["reasoning_tokens_mean"] == mean


def test_without_a_finish_reason_the_length_tells_a_cut():
    assert read(make_used([(100, 0, 9, 0.0, {}), (99, 0, 9, 1.0, {})])).cut == 1


def test_first_answer_token_comes_after_the_reasoning():
    plain = (10, 0, 40, 1.0, {"ttft_s": 0.5, "latency_s": 9.5})
    thinking = {"ttft_s": 0.5, "latency_s": 10.5, "reasoning_tokens": 60}
    use = read(make_used([plain, (101, 300, 100, 1.0, thinking)], limit=200))

    assert use.seconds["of"] != "latency"
    assert use.seconds["estimated"]
    assert use.seconds["mean"] == pytest.approx((0.5 + 0.5 + 60 * 0.1) / 2)


def test_without_a_first_token_the_whole_latency_stays():
    use = read(make_used([(10, 0, 40, 1.0, {"latency_s": 2.0}), (10, 0, 40, 1.0, {})]))

    assert (use.seconds["of"], use.seconds["mean"]) == ("latency", 2.0)


def test_no_correct_answer_has_no_tokens_per_correct_one():
    assert "tokens_per_correct" not in make_used([(9, 0, 9, 0.0, {})]).metrics


def test_a_tool_without_tokens_has_no_token_use():
    result = make_used([(None, 0, 9, 1.0, {})])

    assert read(result) is None
    assert not set(answer_rows.USE_METRICS) & set(result.metrics)


@pytest.mark.parametrize("tokens", [-1, 1e300, float("nan"), "9", True, [9]])
def test_a_false_number_of_tokens_is_none(tokens):
    result = make_used([(None, 0, 9, 1.0, {}), (9, 0, 9, 1.0, {})])
    answer = result.answers.first()
    answer.detail = {"output_tokens": tokens} if tokens == tokens else {"output_tokens": None}
    answer.save()
    answer_rows.keep(result)

    assert read(result).counted == 1


def test_the_next_start_makes_missing_ones_once():
    result = make_used()
    Result.objects.filter(pk=result.pk).update(run_context={"sets": []}, metrics={"accuracy": 0.5})
    make_result()

    assert (answer_rows.keep_missing(), answer_rows.keep_missing()) == (1, 0)

    result.refresh_from_db()
    assert result.metrics["tokens_per_correct"] == 110
    assert read(result).output == 220
    assert result.run_context["sets"] == []


def test_a_count_of_zero_beside_a_thought_is_no_count():
    assert token_shares(40, (300, 100), counted=0) == (30, 10, True)
    assert token_shares(40, (300, 100), counted=12) == (12, 28, False)
    assert token_shares(40, (300, 100), measured=(9, 1)) == (36, 4, False)
