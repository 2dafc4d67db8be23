"""Published figures next to our results, compared only when comparable."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.catalog import SHIPPED
from jobs.models import Answer, Result
from jobs.queries.catalogue import published_comparisons
from tests.factories import make_deployment, make_host, make_result

R1 = SHIPPED["deepseek-r1"]


def measured(subsets, *, simulated=False, remarks=(), hours_ago=0, model=R1.id, **fields):
    """An evaluation of a model: {subset: (questions, right)}."""
    deployment = make_deployment(host=make_host(), details={"stack": "guide"})
    result = make_result(
        type=Result.Type.EVALUATION,
        model_id=model,
        tool="OpenCompass 0.4.1",
        label="fp8",
        deployment=deployment,
        simulated=simulated,
        remarks=[{"id": name, "args": args} for name, args in remarks],
        created_at=now() - timedelta(hours=hours_ago),
        **fields,
    )
    scores = [
        (subset, float(number < right))
        for subset, (questions, right) in subsets.items()
        for number in range(questions)
    ]
    Answer.objects.bulk_create(
        Answer(result=result, index=index, subset=subset, question="?", score=score)
        for index, (subset, score) in enumerate(scores)
    )
    return result


def row(dataset, device="VACC"):
    rows = [item for item in published_comparisons(R1) if item.published.dataset == dataset]
    return next(item for item in rows if item.published.device == device)


@pytest.mark.parametrize(("right", "is_within"), [(155, True), (80, False)])
def test_our_share_stands_beside_with_its_sample_and_interval(right, is_within):
    result = measured({"cluewsc-dev": (159, right)})

    comparison = row("cluewsc-dev")

    ours = comparison.latest
    assert (ours.result, ours.questions, comparison.why) == (result, 159, ())
    assert ours.share.low < right / 159 < ours.share.high
    assert comparison.within is is_within


def test_the_set_of_another_split_is_not_compared():
    measured({"cluewsc-dev": (159, 155), "cluewsc-test": (976, 930)})

    assert "split" in row("cluewsc", "paper").why
    assert row("cluewsc", "paper").within is None
    assert row("cluewsc", "paper").latest.questions == 159 + 976


@pytest.mark.parametrize(
    ("remarks", "right", "why"),
    [
        ([("evaluate:limited", {"questions": 10})], 9, "limited"),
        ([("evaluate:other_prompt", {"sets": "cluewsc-dev, gsm8k"})], 159, "prompt"),
        ([("evaluate:cut", {"cut": 3, "total": 9, "max_tokens": 10})], 159, "cut"),
        ([], 20, "part"),
    ],
)
def test_what_was_asked_otherwise_is_not_compared(remarks, right, why):
    measured({"cluewsc-dev": (right, right)}, remarks=remarks)

    assert why in row("cluewsc-dev").why


def test_a_rating_or_a_consensus_is_no_share():
    measured({"aime2024": (30, 20)})
    comparisons = [item for item in published_comparisons(R1) if item.published.dataset == "aime24"]

    why = {item.published.metric: item.why for item in comparisons}

    assert all("metric" in reasons for metric, reasons in why.items() if metric == "cons@64")
    assert "samples" in why["pass@1"]


def test_a_real_result_replaces_a_simulated_one():
    measured({"cluewsc-dev": (159, 159)}, simulated=True)

    assert row("cluewsc-dev").latest.result.simulated
    assert row("cluewsc-dev").within is None
    real = measured({"cluewsc-dev": (159, 150)}, hours_ago=5)

    assert row("cluewsc-dev").latest.result == real
    assert row("cluewsc-dev").best is None


def test_the_best_real_one_is_named_where_the_latest_is_not_it():
    best = measured({"cluewsc-dev": (159, 158)}, hours_ago=5)
    measured({"cluewsc-dev": (20, 20)}, hours_ago=9)
    latest = measured({"cluewsc-dev": (159, 150)})

    comparison = row("cluewsc-dev")

    assert (comparison.latest.result, comparison.best.result) == (latest, best)


def test_names_of_both_tools_count_and_a_similar_name_does_not():
    measured({"mmlu/anatomy": (5, 5), "lukaemon_mmlu_law": (5, 4), "mmlu_pro/law": (5, 0)})
    shares = [item.latest for item in published_comparisons(R1) if item.published.dataset == "mmlu"]

    assert {(one.questions, one.share.value) for one in shares} == {(10, 0.9)}


def test_the_page_has_a_line_a_source_below_ours(member):
    result = measured(
        {"cluewsc-dev": (159, 155), "cluewsc-test": (976, 930)}, model="deepseek-r1-0528"
    )

    page = member.get(reverse("model-detail", args=["deepseek-r1-0528"])).content.decode()

    ours, *sources = lines_of(page, "cluewsc")
    assert ours.startswith(
        "cluewsc Ours 1135 questions, OpenCompass 0.4.1, Deployment guide, fp8, "
    )
    assert result.host.name in ours
    assert ours.endswith("95.6 % [94.2, 96.6]")
    assert sources == [
        "VastModelZOO 2025-07, EvalScope 96.39 % ≈ inside our 95 % interval "
        "96.76 % ▲ above our 95 % interval",
        "VastModelZOO 2025-07-31, EvalScope, limit 50, 50 questions "
        "98 % ▲ above our 95 % interval 96 % ≈ inside our 95 % interval",
    ]


def test_the_page_says_why_a_source_is_not_comparable(member):
    measured({"cluewsc-dev": (159, 155)}, remarks=[("evaluate:cut", {"cut": 3})])

    page = member.get(reverse("model-detail", args=[R1.id])).content.decode()

    _ours, source = lines_of(page, "cluewsc-dev")
    assert source.endswith("Not comparable: some answers cut off. 97.48 % 96.86 %")


def test_figures_of_another_metric_have_a_line_of_their_own(member):
    page = member.get(
        reverse("model-detail", args=["deepseek-r1-distill-qwen-7b"])
    ).content.decode()

    (share,), (consensus,) = lines_of(page, "aime24"), lines_of(page, "aime24 cons@64")
    assert share.endswith("55.5 %")
    assert consensus.endswith("83.3 %")


def lines_of(page, name):
    """Texts of the lines of a data set in the tables of published figures."""
    for body in re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL):
        rows = [
            " ".join(re.sub(r"<[^>]+>", " ", row).split())
            for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
        ]
        heads = re.findall(r"<th[^>]*>(.*?)</th>", body, re.DOTALL)
        if " ".join(re.sub(r"<[^>]+>", " ", "".join(heads)).split()) == name:
            return rows
    raise AssertionError(name)


@pytest.mark.parametrize("count", [1, 6])
def test_the_table_needs_two_queries(count, django_assert_num_queries):
    for _ in range(count):
        measured({"cluewsc-dev": (3, 2)})

    with django_assert_num_queries(2):
        published_comparisons(R1)
