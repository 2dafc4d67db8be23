"""Refusals of what people ask for."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobs.base.errors import LaunchError


@contextmanager
def refused_at(field: str, match: str | None = None) -> Iterator[None]:
    """The block raises ``LaunchError`` at this field, with a text that matches."""
    with pytest.raises(LaunchError, match=match) as caught:
        yield
    assert caught.value.field == field
