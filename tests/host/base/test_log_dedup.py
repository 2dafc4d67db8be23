"""Repeated messages are logged once in a while."""

import logging

from jobs.host.agent.agent import MOST_MESSAGES, DuplicateFilter


def record(text, error=None):
    info = (type(error), error, None) if error else None
    return logging.LogRecord("x", logging.WARNING, "f", 1, "%s", (text,), info)


def test_a_day_of_the_same_trouble_is_a_few_lines():
    clock = [0.0]
    filter_ = DuplicateFilter(lambda: clock[0])
    known = []
    for second in range(86_400):
        clock[0] = float(second)
        item = record("no answer")
        if filter_.filter(item):
            known.append(item.getMessage())

    assert len(known) == 144
    assert known[:2] == ["no answer", "no answer (599 times more since then)"]


def test_other_messages_and_other_errors_are_logged():
    filter_ = DuplicateFilter(lambda: 0.0)

    first = [filter_.filter(record("a", error)) for error in (None, OSError("1"), OSError("2"))]

    assert (first, filter_.filter(record("b")), filter_.filter(record("a"))) == (
        [True, True, True],
        True,
        False,
    )


def test_it_remembers_no_more_than_so_many():
    filter_ = DuplicateFilter(lambda: 0.0)

    for number in range(3 * MOST_MESSAGES):
        filter_.filter(record(f"{number}"))

    assert len(filter_._logged) == MOST_MESSAGES
