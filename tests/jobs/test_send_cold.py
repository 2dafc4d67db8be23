"""Prompts that no engine has seen before: send_cold.py, beside a real run of EvalScope 1.14."""

from __future__ import annotations

from itertools import islice

from jobs.catalog import PROMPT_SETS
from jobs.toolchains.scripts import send_cold

LINES = list(PROMPT_SETS["everyday"])


def sent(seed, count=200):
    return list(islice(send_cold.cold(LINES, seed), count))


def test_no_prompt_begins_like_another_within_a_run_or_between_two():
    prompts = [*sent(1701), *sent(1702), *sent(1801)]

    # The first six letters: an engine caches what prompts have in common from their beginning.
    assert len({prompt[:6] for prompt in prompts}) == len(prompts)


def test_each_line_is_sent_whole_and_as_often_as_the_others():
    bodies = [prompt.split(": ", 1)[1] for prompt in sent(1701, 2 * len(LINES))]

    assert sorted(bodies) == sorted(LINES * 2)


def test_the_same_seed_sends_the_same_requests():
    assert sent(7) == sent(7)
    assert sent(7) != sent(8)


def test_each_concurrency_has_its_seed():
    assert send_cold.seeds_of("1=1701,4=1702") == {1: 1701, 4: 1702}
