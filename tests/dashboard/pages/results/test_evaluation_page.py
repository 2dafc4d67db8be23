"""Page of an evaluation: data sets in the format of the guide, questions, thinking on or off."""

import re
from html import unescape

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.text import normalize_newlines

from dashboard.text.answers import ending_words, rule_words
from jobs.host.scoring import RULES
from jobs.models import Answer
from jobs.queries.results.repeats import repeats_of
from jobs.queries.results.results import categories, set_groups
from jobs.tools.outputs.answers import own_question
from tests.comparing import ids, text_of
from tests.factories import make_measured
from tests.jobs.lib import answering
from tests.jobs.lib.target import DATA

MMLU = [f"lukaemon_mmlu_subject_{n}" for n in range(57)]


def kept(dataset, value, *, group, version="5ab83b", questions=100):
    row = {"dataset": dataset, "version": version, "metric": "accuracy", "mode": "gen"}
    return {**row, "value": value, "questions": questions, "group": group}


CLUEWSC = [
    kept("cluewsc-dev", 97.48, group="cluewsc", questions=159),
    kept("cluewsc-test", 95.18, group="cluewsc", questions=976),
]
SUBJECTS = [kept(name, 80.0 + n % 2, group="mmlu") for n, name in enumerate(MMLU)]


def evaluated(*sets, scores=(1, 0, 1, 0), **fields):
    return make_measured(scores=scores, run_context={"sets": list(sets)}, **fields)


def copied(html):
    return unescape(re.search(r'data-copy-text="([^"]*)"', html)[1])


def test_what_is_copied_is_the_table_of_the_guide(detail):
    result = evaluated(*CLUEWSC)
    html = detail(result, "name=DeepSeek-R1-va16-0403-32768")
    guide = normalize_newlines((DATA / "guide" / "seed.md").read_text(encoding="utf-8"))

    printed = [" ".join(line.split()) for line in guide.splitlines()]
    lines = [" ".join(line.split()) for line in copied(html).splitlines()]
    first = printed.index(lines[0])
    assert lines == printed[first : first + 5]
    assert lines[-1] == "| avg | | accuracy | gen | 96.33 |"


def test_the_subjects_of_mmlu_are_one_row_that_opens(detail):
    result = evaluated(*CLUEWSC, *SUBJECTS)
    html = detail(result)

    before, folded = html.split('<details class="fold">', 1)
    assert "mmlu, avg of 57" in before
    assert MMLU[0] not in before.split("data-sets")[1]
    assert all(f">{name}</a>" in folded for name in MMLU)
    assert "| mmlu, avg of 57 |  | accuracy | gen | 80.49 |" in copied(html)
    assert MMLU[0] not in copied(html)


def test_an_evaluation_has_its_score_in_the_title_and_other_numbers_below(detail):
    result = make_measured(scores=[1, 0, 1, 1])
    result.metrics |= {"accuracy_en": 0.25, "accuracy_zh": 0.75, "accuracy_short": 0.5}
    result.metrics |= {"accuracy_choice": 0.625, "tokens_per_correct": 81.5}
    result.save(update_fields=["metrics"])

    first, _row, tabs = detail(result).partition('class="tabbed"')

    shown = text_of(first[first.index("<h1>") :])
    assert "accuracy 75.00 % [30.06, 95.44], 3 of 4 correct" in shown
    assert shown.count("75.00 %") == 2  # and that of questions in Chinese
    assert "English 25.00 %" in shown
    assert "Accuracy, multiple choice" not in shown
    assert "Accuracy, multiple choice 62.50 % Tokens per correct answer 81.5" in text_of(tabs)


def test_many_sets_are_a_few_rows_of_the_chart():
    result = evaluated(*CLUEWSC, *SUBJECTS)
    Answer.objects.filter(result=result).update(detail={})

    assert [row.name for row in categories(result)] == ["cluewsc-dev", "cluewsc-test", "mmlu (57)"]


def test_a_set_without_a_score_has_a_dash_and_its_group_no_mean(detail):
    result = evaluated(CLUEWSC[0], kept("cluewsc-test", None, group="cluewsc", version=""))
    html = detail(result)

    assert "| cluewsc-test |  | accuracy | gen | - |" in copied(html)
    assert "avg" not in copied(html)


def test_sets_have_both_means_and_come_from_the_answers_where_none_are_kept():
    (group,) = set_groups(evaluated(*CLUEWSC))
    means = (round(group.macro, 2), round(group.weighted, 2), group.questions)
    assert means == (96.33, 95.50, 1135)

    (group,) = set_groups(make_measured(scores=[1, 0, 1, 1]))

    assert [(row.dataset, row.value, row.questions) for row in group.rows] == [
        ("short_en", 75.0, 4)
    ]


def test_a_name_that_is_typed_cannot_tear_the_table(detail):
    result = evaluated(*CLUEWSC)
    html = detail(result, "name=a|b%0A<i>")

    assert copied(html).splitlines()[0] == "| dataset | version | metric | mode | a\\|b <i> |"
    assert "<i>" not in html


def test_unscored_questions_are_neither_correct_nor_incorrect():
    result = evaluated(*CLUEWSC)
    Answer.objects.filter(result=result, index=0).update(status="unscored", score=0)

    assert [each.questions for each in categories(result)] == [2, 1]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_words(rule):
    answer = Answer(subset="x", score=1.0, detail={"rule": rule})

    assert rule_words(answer) != rule_words(Answer(subset="x", score=1.0))


def test_words_of_an_answer_say_what_is_a_guess_or_of_earlier_rules():
    assert rule_words(Answer(subset="short_en", score=1.0)).startswith("Earlier rule")
    assert rule_words(Answer(subset="cluewsc-dev", score=1.0)) == "Scored by the tool."
    answer = Answer(detail={"output_tokens": 32})
    assert ending_words(answer, 32).startswith("Probably cut off")
    assert ending_words(answer, 64) == "Not reported by the tool."
    answer.finish = "stop"
    assert ending_words(answer, 32) == "Finished by the model."


def test_a_question_is_shown_without_the_examples_before_it():
    examples = "\n\n".join(f"Example {n}: is it so? Yes." for n in range(40))

    assert own_question(f"{examples}\n\nQuestion: which one is it?") == "Question: which one is it?"
    assert own_question("First.\n\nSecond paragraph of it.") == "First.\n\nSecond paragraph of it."


def test_faulty_answers_are_counted_beside_the_score_which_does_not_look_clean(get, detail):
    base, result = answering.make_evaluations()
    clean, faulty = detail(base), detail(result)
    table = faulty.split('id="quality"')[1].split("</section>")[0]

    first = faulty.partition('class="tabbed"')[0]
    assert "8 of 24 answers are faulty: the score could be 62.50 to 95.83 %." in first
    rows = re.findall(r"show=(\w+)\"><span class=\"num\">(\d+)<", table)
    assert rows == [("cut", "5"), ("not_extracted", "2"), ("looping", "1")]
    assert "No faulty answers found." in clean
    stamp = ">faulty answers</span>"
    assert (clean.count(stamp), faulty.count(stamp)) == (0, 1)
    assert get("result-list").count(stamp) == 3  # facet, row, and its place on a phone


def test_what_the_files_do_not_tell_is_not_zero_and_sets_lead_to_their_answers(detail):
    result = evaluated(*CLUEWSC)

    html = detail(result)

    assert "answers_cut" not in result.metrics and result.metrics["answers_total"] == 4
    assert "not reported by the tool" in html.split('id="quality"')[1].split("</section>")[0]
    assert "No faulty answers found. Not reported by the tool: Cut off, " in html
    answers = reverse("result-answers", args=[result.pk])
    assert f'href="{answers}?set=cluewsc-dev"' in html and f'href="{answers}?category=odd"' in html


def test_a_panel_of_a_job_does_not_warn_of_the_scores_of_sets():
    remark = {"id": "evaluate:sets", "args": {"scores": "a 1.0"}}
    html = render_to_string(
        "results/_result_panel.html", {"result": make_measured(scores=[1], remarks=[remark])}
    )

    assert "Accuracy by data set, %" not in html


def thought(**params):
    """A sound evaluation whose answers all have reasoning."""
    return answering.make_evaluations(**params)[0]


def test_a_chosen_thinking_is_of_the_identity_and_the_default_is_not():
    off = thought(thinking="off")

    assert off.identity["parts"]["workload"]["thinking"] == "off"
    assert not repeats_of(off).filter(pk=thought(thinking="on").pk).exists()
    assert "thinking" not in thought().identity["parts"]["workload"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"thinking": "off"}, "Thinking: model default / off"),
        # Once: not its baseline and margin.
        ({"stop_early": True, "baseline": "17", "margin": 5.0}, "Stop early: no / yes"),
    ],
)
def test_a_comparison_names_both_values_of_a_setting(page, params, words):
    text = text_of(page(ids(thought(), thought(**params))))

    assert words in text
    assert "Baseline: unknown" not in text and "Margin: " not in text


def test_a_statement_warns_of_other_thinking(get):
    base, result = thought(thinking="on"), thought(thinking="off")

    text = unescape(get("parity", base=f"res-{base.pk}", id=f"res-{result.pk}"))

    assert "Different settings, baseline / result: Thinking: on / off." in text


def test_a_statement_warns_of_a_switch_without_effect(get):
    base, result = thought(thinking="off"), thought(thinking="off")

    text = get("parity", base=f"res-{base.pk}", id=f"res-{result.pk}")

    assert "Different settings" not in text
    assert f"res-{base.pk}: Thinking was off, but 24 of 24 answers have reasoning" in text


def test_the_page_shows_a_chosen_thinking_and_a_switch_without_effect(get):
    ignored, sound, usual = thought(thinking="off"), thought(thinking="on"), thought()

    of_ignored = get("result-detail", ignored.pk)

    words = (
        "Thinking was off, but 24 of 24 answers have reasoning: the engine may ignore the switch."
    )
    assert words in of_ignored and "Thinking off" in text_of(of_ignored)
    assert ">thinking doubtful</span>" in get("result-list")
    assert "Thinking was" not in get("result-detail", sound.pk)
    assert "Thinking" not in text_of(get("result-detail", usual.pk))
