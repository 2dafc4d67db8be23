"""A chat without a choice asks a real engine that answers before others."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.queries.chat import best_engine, chat_engines
from tests.factories import make_deployment, make_endpoint, make_host

pytestmark = pytest.mark.django_db


def test_a_real_deployment_comes_first_then_an_endpoint_then_a_simulated_one():
    def best():
        engine = best_engine(chat_engines())
        return engine and engine.name

    assert best() is None
    make_endpoint("silent", check_id="endpoint:silent")
    assert best() == "silent"
    away = now() - timedelta(hours=1)
    make_deployment(name="away", host=make_host(heartbeat_at=away))
    assert best() == "away"
    make_deployment(name="simulated", host=make_host(type="simulated"))
    assert best() == "simulated"
    make_endpoint("endpoint", url="http://10.0.0.6:8000")
    assert best() == "endpoint"
    make_deployment(name="real", host=make_host())
    make_deployment(name="newer and simulated", host=make_host(type="simulated"))
    assert best() == "real"
