"""Messages of hosts of any version."""

from __future__ import annotations

from jobs.messages import from_host


def test_a_host_of_today_is_taken_at_its_word():
    event = {"type": "ended", "message_id": "work:exit", "message_args": {"step": "a"}, "run": 1}
    assert from_host(event) == event


def test_a_host_of_protocol_1_is_understood():
    event = {"type": "ended", "sentence_id": "work:exit", "sentence_args": {"step": "a"}, "run": 1}
    assert from_host(event) == {
        "type": "ended",
        "message_id": "work:exit",
        "message_args": {"step": "a"},
        "run": 1,
    }
