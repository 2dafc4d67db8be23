import socket
import time

import pytest

from jobs.schedule import agent_tasks


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(agent_tasks, "_paused_until", 0.0)


def test_an_unreachable_broker_raises_nothing_and_gets_a_rest(settings, caplog, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    for _ in range(3):
        agent_tasks.send("this-computer", "start", 1)

    assert caplog.text.count("not sent") == 1


def test_a_silent_broker_blocks_no_caller(settings, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(8)
    settings.REDIS_URL = f"unix://{tmp_path}/s"
    began = time.monotonic()

    agent_tasks.send("this-computer", "start", 1)

    # Far below the 30 s of a proxy, far above the half second that it takes.
    assert time.monotonic() - began < 10
    listener.close()


def test_without_a_broker_nothing_is_sent(settings, caplog):
    settings.REDIS_URL = ""

    agent_tasks.send("this-computer", "start", 1)

    assert caplog.text == ""
