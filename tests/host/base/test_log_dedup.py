"""What is said again and again is said once in a while."""

import logging

from jobs.host.base.log_dedup import MOST, Repeats


def record(text, error=None):
    info = (type(error), error, None) if error else None
    return logging.LogRecord("x", logging.WARNING, "f", 1, "%s", (text,), info)


def test_a_day_of_the_same_trouble_is_a_few_lines():
    clock = [0.0]
    repeats = Repeats(lambda: clock[0])
    said = []
    for second in range(86_400):
        clock[0] = float(second)
        item = record("no answer")
        if repeats.filter(item):
            said.append(item.getMessage())

    assert len(said) == 144
    assert said[:2] == ["no answer", "no answer (599 times more since then)"]


def test_other_words_and_other_errors_are_said():
    repeats = Repeats(lambda: 0.0)

    first = [repeats.filter(record("a", error)) for error in (None, OSError("1"), OSError("2"))]

    assert (first, repeats.filter(record("b")), repeats.filter(record("a"))) == (
        [True, True, True],
        True,
        False,
    )


def test_it_remembers_no_more_than_so_many():
    repeats = Repeats(lambda: 0.0)

    for number in range(3 * MOST):
        repeats.filter(record(f"{number}"))

    assert len(repeats._said) == MOST
