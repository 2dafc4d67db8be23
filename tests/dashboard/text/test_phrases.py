"""Titles and labels are kept in English; the phrases in them are shown in the viewer's language."""

import re
from pathlib import Path

import pytest
from django.template import Context, Template
from django.urls import reverse
from django.utils.translation import override

from dashboard.text.labels import metric_text, phrase
from dashboard.text.messages import message
from tests.factories import make_job, make_user

ROOT = Path(__file__).parents[3]
# What records keep in English, as templates name it.
KEPT = re.compile(
    r"\b(?:(?:job|subject|record|origin)\.title|(?:result|artifact|there)\.(?:label|what)) ?[|%}]"
)


@pytest.mark.parametrize(
    ("kept", "chinese"),
    [
        ("Q8_0 from Q4_1", "Q8_0（源自Q4_1）"),
        ("SmolLM2-135M-Instruct, BF16 from Q4_1", "SmolLM2-135M-Instruct, BF16（源自Q4_1）"),
        ("c4 (calibration)", "c4（校准）"),
        ("vLLM on this CPU", "本机CPU上的vLLM"),
        ("DeepSeek-R1, mmlu (10), first 20", "DeepSeek-R1, mmlu (10)，前20题"),
        ("Qwen3, gsm8k, first 20, thinking off", "Qwen3, gsm8k，前20题，思考关"),
        (
            "Qwen3, gsm8k, first 20, 4 samples each, thinking off",
            "Qwen3, gsm8k，前20题，每题4个回答，思考关",
        ),
        ("basics (44 of 142), seed 7", "basics（44/142题），种子7"),
        ("Qwen3, basics (40), thinking on", "Qwen3, basics (40)，思考开"),
        ("DeepSeek-R1, tp32, offline, batch 1, 8 → 8 tok", None),
        ("DeepSeek-R1, tp32, offline, 10 × 8 → 8 tok", None),
    ],
)
def test_the_phrases_of_a_title_are_translated(kept, chinese):
    with override("en"):
        assert phrase(kept) == kept
    with override("zh-hans"):
        shown = phrase(kept)
    assert shown == chinese if chinese else not re.search("offline|batch", shown)


@pytest.mark.parametrize("typed", ["", "Host", "my model from home", "first 3", "offline"])
def test_what_a_person_typed_stays_as_it_is(typed):
    with override("zh-hans"):
        assert phrase(typed) == typed


@pytest.mark.django_db
def test_a_job_s_page_says_in_chinese_what_it_made(client):
    client.force_login(make_user())
    product = {"type": "artifact", "label": "Q8_0 from Q4_1", "bytes": 9}
    job = make_job(state="succeeded", title="Small, int8", made=product)
    client.cookies["django_language"] = "zh-hans"

    page = client.get(reverse("job-detail", args=[job.pk])).content.decode()

    assert "Q8_0 from" not in page
    assert '<dd class="cut" title="产物">产物</dd>' in page
    assert "Q8_0（源自Q4_1）" in page


@pytest.mark.parametrize(
    ("id_", "args"),
    [
        ("wait:after", {"title": "Small, BF16 from Q4_1", "job": 7}),
        ("compile:made", {"label": "BF16 from Q4_1", "size": "1 MB"}),
    ],
)
def test_a_message_names_jobs_and_products_in_the_viewer_s_language(id_, args):
    with override("zh-hans"):
        assert "BF16（源自Q4_1）" in message(id_, args)


def test_no_template_shows_a_title_or_label_without_its_phrases():
    titles = [
        f"{path.name}: {match[0]}"
        for path in (ROOT / "templates").rglob("*.html")
        for match in KEPT.finditer(path.read_text())
        if not path.read_text()[match.end() - 1 :].startswith("|phrase")
    ]

    assert titles == []


def test_a_state_in_an_option_is_in_the_viewer_s_language():
    source = "{% load ui %}{{ state|state_word }}"
    with override("zh-hans"):
        label = Template(source).render(Context({"state": "stopped"}))

    assert label == "已停止"


def test_answers_are_counted_as_whole_numbers():
    assert metric_text("answers_total", 26.0) == ("26", "answers")
    assert metric_text("answers_empty", 1.0) == ("1", "answer")
    with override("zh-hans"):
        assert metric_text("answers_total", 26.0) == ("26", "个")
