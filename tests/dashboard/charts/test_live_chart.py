from datetime import UTC, datetime

import pytest
from django.urls import reverse

from dashboard.charts import live
from jobs.models import PointBlock
from jobs.queries.jobs.progress import samples_after
from tests.factories import make_job, make_user


def engine(at, *, decodes, busy=1.0, prompt=0.0):
    """One sample of llama.cpp's metrics."""
    values = {"n_decode_total": decodes, "n_busy_slots_per_decode": busy}
    values |= {"prompt_tokens_total": prompt, "requests_processing": 1.0, "requests_deferred": 0.0}
    return at, {f"llamacpp:{name}": value for name, value in values.items()}


def test_output_tokens_are_decode_calls_times_busy_slots():
    # Our capture of llama.cpp's metrics: 1736 calls, 1.88249 slots, 3268 tokens predicted.
    samples = [engine(0, decodes=0, busy=0.0), engine(10, decodes=1736, busy=1.88249)]

    rate = live.derive(samples)[-1][1]

    assert rate == pytest.approx(326.8, abs=0.01)


def test_a_rate_is_of_the_last_two_seconds_only():
    slow = [engine(t / 2, decodes=5 * t) for t in range(21)]  # 10 a second
    fast = [engine(10 + t / 2, decodes=100 + 50 * t) for t in range(1, 11)]  # 100

    rows = live.derive(slow + fast)

    assert rows[20][1] == pytest.approx(10)
    assert rows[-1][1] == pytest.approx(100)


def test_curves_read_in_pieces_are_the_curves_read_at_once():
    samples = [engine(t / 2, decodes=t * t, busy=1.5, prompt=3.0 * t) for t in range(40)]

    whole = live.derive(samples)
    pieces = live.derive(samples[:17]) + live.derive(samples[17:], context=samples[:17])

    assert pieces == whole


def test_a_restarted_engine_has_no_negative_rate():
    decodes = (1000, 1100, 5, 55)

    rows = live.derive([engine(at, decodes=count) for at, count in enumerate(decodes)])

    assert [row[1] for row in rows] == [None, 100.0, None, 50.0]


def test_vllm_is_read_by_its_own_names():
    samples = [
        (float(t), {"vllm:generation_tokens_total": 30.0 * t, "vllm:num_requests_waiting": 2.0})
        for t in range(4)
    ]

    assert live.derive(samples)[-1] == (3.0, 30.0, None, None, 2.0, None)


def test_many_points_become_few_and_a_short_queue_stays_visible():
    rows = [(float(t), 10.0, None, 1.0, 4.0 if t == 5_001 else 0.0, None) for t in range(10_000)]

    few = live.decimate(rows, limit=100)

    assert len(few) == 100
    assert max(row[4] for row in few) == 4.0
    assert {row[1] for row in few} == {10.0}


@pytest.mark.django_db
def test_the_cursor_gives_each_block_once_and_then_nothing():
    job = make_job()
    for offset in (0, 400, 900):
        PointBlock.objects.create(job=job, offset=offset, watch="engine", rows=[[offset, {"a": 1}]])

    first = samples_after(job.pk, -1, ["engine"])
    more = samples_after(job.pk, 400, ["engine"])
    none = samples_after(job.pk, first.after, ["engine"])

    assert ([at for at, _values in first.of("engine").fresh], first.after) == ([0, 400, 900], 900)
    assert [at for at, _values in more.of("engine").context] == [0, 400]
    assert [at for at, _values in more.of("engine").fresh] == [900]
    assert (none.of("engine").fresh, none.after) == ((), 900)
    assert samples_after(job.pk, -1, ["accuracy"]).samples == {}


@pytest.mark.django_db
def test_a_very_long_run_is_thinned_evenly_and_keeps_its_end(monkeypatch):
    monkeypatch.setattr("jobs.queries.jobs.progress.ROWS_MAX", 10)
    job = make_job()
    for offset in range(0, 99, 3):
        rows = [[offset + number, {"a": 1}] for number in range(3)]
        PointBlock.objects.create(job=job, offset=offset, watch="engine", rows=rows)

    news = samples_after(job.pk, -1, ["engine"])

    assert [at for at, _values in news.of("engine").fresh] == [0, 16, 32, 48, 64, 80, 96, 98]
    assert news.after == 96


def test_the_kv_cache_is_a_share_in_per_cent():
    samples = [(1.0, {"vllm:kv_cache_usage_perc": 0.25}), (2.0, {"vllm:gpu_cache_usage_perc": 1.0})]

    assert live.series(live.derive(samples))["kv"] == {"t": [1000, 2000], "y": [25.0, 100.0]}


def test_the_client_reports_its_requests_and_its_own_rate():
    counts = [{"sent": 4.0 + t, "done": t, "tokens": 50.0 * t} for t in range(4)]
    samples = [(float(t), {"failed": 1.0, "level": 4, **own}) for t, own in enumerate(counts)]

    series = live.client_series(samples[2:], context=samples[:2])

    assert series["done"]["y"] == [2, 3]
    assert series["in_flight"]["y"] == [3, 3]
    assert series["client_output"]["y"] == [50.0, 50.0]
    assert series["level"] == {"t": [2000, 3000], "y": [4, 4]}
    offline = live.client_series([(1.0, {"done": 4.0, "rate": 22.5})])
    assert (offline["client_output"]["y"], offline["in_flight"]["y"]) == ([22.5], [])


def test_a_rate_of_unstreamed_answers_starts_with_a_gap():
    counts = [
        {"sent": 1.0, "done": 1.0, "rate": 0.0},
        {"sent": 3.0, "done": 1.0},  # next concurrency: no answer yet
        {"sent": 4.0, "done": 2.0, "rate": 400.0},
    ]
    samples = [(float(at), values) for at, values in enumerate(counts)]

    series = live.client_series(samples)

    assert series["client_output"] == {"t": [0, 1000, 2000], "y": [0, None, 400]}
    assert series["in_flight"]["y"] == [0, 2, 2]
    unheard = live.client_series([(0.0, {"sent": 0.0, "done": 0.0})])
    assert unheard["client_output"]["y"] == []


def test_each_trace_belongs_to_a_strip_with_an_axis():
    figure = live.figure()

    axes = [strip["axis"] for strip in figure.layout["meta"]["strips"]]
    assert {trace["yaxis"] for trace in figure.data} == set(axes)
    assert all(figure.layout[f"yaxis{axis[1:]}"]["nticks"] for axis in axes)
    assert live.strip_names(figure)[0] == ("output", "Output, tok/s")


@pytest.mark.django_db
def test_steps_client_and_dies_are_on_the_time_axis(client):
    client.force_login(make_user())
    job = make_job(state="running")
    begun = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
    job.steps.create(index=6, name="prompts", started_at=begun, duration_s=0.08)
    job.steps.create(index=7, name="measure-4", started_at=begun)
    for offset, watch, values in (
        (0, "client", {"sent": 2, "done": 1, "failed": 0, "tokens": 7}),
        (1, "dies", {"power_w": 410.0, "temp_c": 71.0}),
    ):
        PointBlock.objects.create(job=job, offset=offset, watch=watch, rows=[[1.0, values]])

    answer = client.get(reverse("job-points", args=[job.pk])).json()

    assert (answer["series"]["done"]["y"], answer["series"]["power"]["y"]) == ([1], [410])
    assert answer["series"]["temperature"] == {"t": [1000], "y": [71]}
    assert answer["marks"] == [{"t": int(begun.timestamp()) * 1000, "text": "measure 4"}]


def test_no_two_curves_of_a_strip_or_of_the_key_share_a_colour():
    drawn = {trace["meta"]: trace["line"]["color"] for trace in live.figure().data}

    assert len(set(drawn.values())) == len(drawn)
