"""Current engine rates of deployments on all pages."""

import re
import time
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from dashboard.pages.shared.engine_rates import MINUTES, STALE_S, rates
from dashboard.templatetags import ui
from jobs.models import ServedBlock
from tests.factories import make_deployment, make_host, make_measured

NOW = 1_800_000_000.0


def tell(deployment, *samples, at=None):
    """Store ``(seconds before now, values)`` of the deployment's engine."""
    moment = NOW if at is None else at
    rows = [[moment - before, values] for before, values in samples]
    ServedBlock.objects.create(
        deployment=deployment,
        watch="engine",
        rows=rows,
        until=datetime.fromtimestamp(rows[-1][0], tz=UTC),
    )


def vllm(tokens, **more):
    return {"vllm:generation_tokens_total": float(tokens), **more}


def of(deployment, at=NOW):
    return rates([deployment], at=at).get(deployment.pk)


def known(reading):
    return [None if value is None else round(value, 3) for value in reading.history]


LLAMA = {"llamacpp:n_decode_total": 0.0, "llamacpp:n_busy_slots_per_decode": 1.0}


@pytest.mark.parametrize(
    ("samples", "output"),
    [
        # Over the last ten seconds.
        ([(20, vllm(0)), (10, vllm(1000)), (5, vllm(1100)), (0, vllm(1300))], 30.0),
        ([(2, LLAMA), (0, LLAMA | {"llamacpp:n_decode_total": 20.0})], 10.0),
        # A server that began again counts from zero; a step back of a hair is no new server.
        ([(20, vllm(5000)), (10, vllm(5100)), (0, vllm(200))], 20.0),
        ([(10, vllm(5000)), (0, vllm(4999.9))], 0.0),
        ([(STALE_S + 12, vllm(0)), (STALE_S + 2, vllm(100))], None),
    ],
)
def test_the_rate_of_now_is_counted_from_samples(samples, output):
    deployment = make_deployment()
    tell(deployment, *samples)

    assert (of(deployment).output, of(deployment).is_stale) == (output, output is None)


@pytest.mark.parametrize(
    ("before", "engine", "values"),
    [
        (0, {"kv_cache_usage_perc": 0.52}, (4.0, 1.0, 52.0)),
        (0, {}, (4.0, 1.0, None)),
        (STALE_S + 2, {"kv_cache_usage_perc": 0.52}, (None, None, None)),
    ],
)
def test_requests_and_cache_come_from_the_last_sample(before, engine, values):
    deployment = make_deployment()
    engine = {"num_requests_running": 4.0, "num_requests_waiting": 1.0, **engine}
    last = vllm(9, **{f"vllm:{name}": value for name, value in engine.items()})
    tell(deployment, (before + 2, vllm(0)), (before, last))

    reading = of(deployment)

    assert (reading.running, reading.waiting, reading.kv_cache) == values


@pytest.mark.parametrize(
    ("samples", "last", "count"),
    [
        # No values before the samples, or without a report.
        ([(60, vllm(0)), (30, vllm(300)), (0, vllm(300))], [None, 10.0, 0.0], 2),
        ([(600, vllm(0)), (590, vllm(100)), (20, vllm(9000)), (0, vllm(9000))], [None, 0.0], 2),
    ],
)
def test_the_history_has_gaps_where_nothing_is_known(samples, last, count):
    deployment = make_deployment()
    tell(deployment, *samples)

    history = known(of(deployment))

    assert len(history) == MINUTES * 2
    assert history[-len(last) :] == last
    assert sum(value is not None for value in history) == count


def test_samples_are_set_right_by_the_clock_of_their_host():
    deployment = make_deployment(host=make_host(clock_skew_s=3600.0))
    tell(deployment, (-3590, vllm(0)), (-3600, vllm(100)))
    ServedBlock.objects.update(until=datetime.fromtimestamp(NOW, tz=UTC))

    reading = of(deployment)

    assert (reading.heard.timestamp(), known(reading)[-1]) == (NOW, 10.0)


def test_samples_older_than_half_an_hour_are_not_read():
    deployment = make_deployment()
    tell(deployment, (3600, vllm(0)), (3590, vllm(100)))

    assert of(deployment) is None


def test_an_area_has_gaps_where_nothing_is_known():
    svg = ui.area([None, 2.0, 4.0, None, 1.0], "rates")

    line = re.search(r'class="s" d="([^"]*)"', svg)[1]
    assert line == "M60.0 17.5L120.0 2.0M240.0 25.2L240.0 25.2"


@pytest.fixture
def busy():
    deployment = make_deployment(name="served")
    engine = {"vllm:num_requests_running": 4.0, "vllm:num_requests_waiting": 0.0}
    tell(deployment, (10, vllm(0)), (0, vllm(364, **engine)), at=time.time())
    return deployment


def test_pages_show_what_the_engine_does_now(member, busy):
    metrics = reverse("deployment-metrics", args=[busy.pk])
    pages = {
        address: member.get(address).text
        for address in (*map(reverse, ("overview", "serving", "deployment-list")), metrics)
    }

    for address, html in pages.items():
        text = re.sub(r"<[^>]+>", "", html)
        assert re.search(r"36\.\dtok/s", text), address
        assert "4 running · 0 queued" in text, address
    panel = f'id="serving" data-live="rates" data-live-url="{reverse("serving")}"'
    assert panel in pages[reverse("overview")]
    assert 'id="serving"' in pages[reverse("serving")]
    busy.state = "unhealthy"
    busy.save()
    assert '<span class="u">tok/s</span>' not in member.get(reverse("serving")).text


def test_the_list_of_deployments_asks_as_often_for_many(member, django_assert_num_queries):
    for _ in range(3):
        tell(make_deployment(), (0, vllm(1)), at=time.time())

    with django_assert_num_queries(6):
        member.get(reverse("deployment-list"))


def test_the_peak_of_a_past_benchmark_is_no_rate_of_now(member):
    deployment = make_deployment(name="served")
    peak = make_measured(points=[(64, {"output_tokens_per_s": 2111.0})], deployment=deployment)

    text = member.get(reverse("serving")).text

    assert 'class="v num"' not in text
    plain = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "No live rate: not reported by the engine." in plain
    assert f"Last benchmark: res-{peak.pk}, peak 2 111 tok/s" in plain
