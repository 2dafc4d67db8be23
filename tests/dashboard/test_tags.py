"""Numbers, times, states and components as text."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import pytest
from django.template import Context, Template
from django.utils import timezone, translation
from django.utils.timezone import now

from dashboard.text import formatting
from dashboard.text.labels import host_state, metric_text, state_of
from jobs.base.messages import Message
from jobs.models import Job
from tests.factories import make_host

THIN = "\u202f"


def render(source: str, **context) -> str:
    return Template("{% load ui %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1412, None, f"1{THIN}412"),
        (1234567, None, f"1{THIN}234{THIN}567"),
        (88.1234, None, "88.1"),
        (3.417, None, "3.42"),
        (0.0731, None, "0.0731"),
        (117.24, None, "117"),
        (0.0, None, "0.0"),
        (-2.5, 1, "\u22122.5"),
        (-0.001, 2, "0.00"),
        (95.514, 2, "95.51"),
        (float("nan"), None, "not a number"),
        # No measured number is shown as zero.
        (0.0035, None, "0.0035"),
        (0.00012, None, "0.0001"),
        (0.0000234, None, "0.000023"),
        (-4e-5, None, "\u22120.000040"),
    ],
)
def test_a_number_has_the_digits_that_were_measured(value, decimals, text):
    assert formatting.number(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0"), (0.1, "0.1"), (36.44, "36.4"), (99.96, "100"), (162.4, "162"), (None, "not")],
)
def test_a_rate_of_now_has_the_digits_that_stand_still(value, text):
    assert f">{text}" in render("{% rate value %}", value=value)


@pytest.mark.parametrize(
    ("file", "form"), [("sizes", formatting.size_text), ("durations", formatting.duration)]
)
def test_sizes_and_durations_are_written_as_the_pages_scripts_write_them(file, form):
    table = json.loads((Path(__file__).parents[1] / f"data/{file}.json").read_text())

    assert [[value, form(value)] for value, _text in table] == table


def test_a_duration_is_never_negative_or_sixty_seconds():
    assert [formatting.duration(seconds) for seconds in (-3, 59.97)] == ["0 s", "1 min 00 s"]


def test_a_time_past_is_in_the_viewers_zone():
    at = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)

    with timezone.override(ZoneInfo("Asia/Shanghai")):
        assert formatting.moment(at, at + timedelta(hours=1)) == "04:30"
        assert formatting.moment(at, at + timedelta(days=3)) == "25 Nov"
        assert formatting.moment(at, at + timedelta(days=300)) == "25 Nov 2026"
        assert formatting.full_moment(at) == "25 Nov 2026, 04:30:00 UTC+08:00"


def test_a_day_follows_the_language_of_the_page():
    at = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)

    days = []
    for language in ("en", "zh-hans", "en"):
        with translation.override(language):
            days.append(formatting.moment(at, at + timedelta(days=3)))

    assert days == ["24 Nov", "11月24日", "24 Nov"]


@pytest.mark.parametrize(
    ("passed", "text"),
    [(3, "3 s ago"), (720, "12 min ago"), (5 * 3600, "5 h ago"), (3 * 86400, "3 days ago")],
)
def test_how_long_ago_is_rough(passed, text):
    at = now()

    assert formatting.since(at - timedelta(seconds=passed), at) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("output_tokens_per_s", 75.41, ("75.4", "tok/s")),
        ("accuracy", 0.5352, ("53.52", "%")),
        ("ttft_p50_ms", 1412.4, (f"1{THIN}412", "ms")),
        ("questions", 142.0, ("142", "questions")),
    ],
)
def test_a_metric_is_shown_in_the_unit_that_people_read(name, value, text):
    assert metric_text(name, value) == text


def test_what_is_absent_is_a_word():
    assert "not measured" in render("{% num x %}", x=None)
    assert "not measured" in render('{% metric "accuracy" x %}', x=None)
    assert "not yet" in render("{% ago x %}", x=None)
    assert "never" in render("{% since x %}", x=None)


def test_text_of_jobs_is_escaped():
    assert "<script>" not in render("{% state x %}{% icon x %}", x="<script>")
    assert "<b>" not in render("{% num x x %}", x="<b>")


def test_a_message_comes_from_a_record_a_remark_and_its_json():
    remark = Message("wait:draining", {"host": "va16-01"})
    stored = {"id": remark.id, "args": remark.args}

    assert "va16-01" in render("{% message x %}", x=remark)
    assert render("{% message x %}", x=stored) == render("{% message x %}", x=remark)
    assert render("{% message x %}", x=Job(message_id="")) == ""


def test_an_open_job_that_was_asked_to_stop_says_so():
    job = Job(state=Job.State.RUNNING, cancel_asked_at=now())
    stopped = Job(state=Job.State.CANCELLED, cancel_asked_at=now())

    assert (state_of(job), state_of(stopped)) == ("cancelling", "cancelled")


def test_a_chart_carries_its_numbers_and_keeps_its_place():
    figure = go.Figure(data=[{"type": "scatter", "x": ["</script>"]}])
    html = render("{% chart f 230 'What it shows' 'c1' %}", f=figure)

    assert 'class="fig h240"' in html
    assert 'role="img" aria-label="What it shows"' in html
    assert html.count("</script>") == 1


def test_a_progress_bar_never_leaves_its_track():
    assert 'width="100%"' in render("{% progress 7 5 %}")
    assert render("{% progress 7 0 %}") == ""


@pytest.mark.django_db
def test_a_host_is_expected_then_ready_then_away():
    new = make_host(heartbeat_at=None)
    ready = make_host()
    away = make_host(heartbeat_at=now() - timedelta(minutes=5))
    draining = make_host(draining=True)

    states = [host_state(host) for host in (new, ready, away, draining)]
    assert states == ["expected", "ready", "away", "draining"]


def test_messages_are_joined_by_a_space_but_after_chinese():
    assert formatting.joined("It failed.", "", "Fix it.") == "It failed. Fix it."
    assert formatting.joined("失败了。", "请先解决它。") == "失败了。请先解决它。"
    assert formatting.joined("", "Fix it.") == "Fix it."


def test_a_rate_that_was_not_measured_is_no_zero():
    assert "not measured" in render("{% gigabytes_per_s 0 %}")
    assert "0.000023" in render("{% gigabytes_per_s 23400.0 %}")


@pytest.mark.parametrize(
    ("name", "tail"),
    [
        ("DeepSeek-R1-Distill-Qwen-32B-int8-tp4-1024-2048", "int8-tp4-1024-2048"),
        ("DeepSeek-R1-Distill-Qwen-32B-fp16-tp4-1024-2048", "fp16-tp4-1024-2048"),
        (
            "DeepSeek-R1-Distill-Qwen-32B-int8-tp4-1024-2048-with-chat-template",
            "int8-tp…mplate",
        ),
        ("smollm2-135m-instruct Q8_0 from Q4_1", "Q8_0 from Q4_1"),
        ("deepseek-r1-distill-qwen-32b", "ill-qwen-32b"),
        ("int8-of-something-with-a-very-long-name", "ry-long-name"),
        ("one-int8-of-something-with-a-long-name", "int8-of…g-name"),
        ("short", ""),
        ("", ""),
    ],
)
def test_a_name_is_cut_before_the_part_that_differs(name, tail):
    head, end = formatting.halves(name)

    assert end == tail
    assert name.startswith(head) and name.endswith(end.rpartition("…")[2])


def test_a_name_is_text_on_the_page():
    assert "<b>" not in render("{% middle x %}", x="<b>a name that is long enough</b>")
