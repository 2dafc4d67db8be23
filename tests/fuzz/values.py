"""Values that nobody should send, and mutations of messages that somebody does."""

import copy
import os
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Examples of each test: few in every run, fewer in its second one, on PostgreSQL; many by
# `make fuzz`.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5" if "TEST_DATABASE_URL" in os.environ else "15"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**63), 10**400, 1e308, float("nan")),
    *("", "0", "-1", "x" * 5000, "\x00", "\ud800", "../../etc/passwd", "a\\b", "/", "%(x)s", "%d"),
    *("<script>", "'; DROP TABLE jobs_job; --", "１２", "9" * 5000, "\u202e", "{job_dir}"),
    *([], {}, [[]], [{}], {"": ""}, {"a": {"b": {"c": {"d": {}}}}}, [0] * 3000),
)

nasty = st.one_of(
    st.sampled_from(NASTY),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=12,
    ),
)


@st.composite
def mutated(draw: Callable[..., Any], valid: Any) -> Any:
    """Return ``valid`` with one to three parts replaced, removed or added."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        value = _mutate(draw, value)
    return value


def _mutate(draw: Callable[..., Any], value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        change = draw(st.sampled_from(("inside", "replace", "remove", "add")))
        if change == "inside":
            value[key] = _mutate(draw, value[key])
        elif change == "replace":
            value[key] = _nasty(draw)
        elif change == "remove":
            del value[key]
        else:
            value[draw(st.text(max_size=12))] = _nasty(draw)
        return value
    if isinstance(value, list) and value and draw(st.booleans()):
        index = draw(st.integers(0, len(value) - 1))
        value[index] = _mutate(draw, value[index])
        return value
    return _nasty(draw)


def _nasty(draw: Callable[..., Any]) -> Any:
    """Return a value of its own: a second change inside must not reach the next example."""
    return copy.deepcopy(draw(nasty))


class Undone(Exception):
    """Ends the transaction of an example."""


def undone(test: Callable[..., None]) -> Callable[..., None]:
    """Undo what each example of a test wrote."""

    @wraps(test)
    def run(*args: Any, **given: Any) -> None:
        with suppress(Undone), transaction.atomic():
            test(*args, **given)
            raise Undone

    return run
