"""Lists narrowed by text. ``search`` holds a row's own words in lower case; names of other records
are found in their own tables. One index has the order of the list and all that is searched."""

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import Manager, Q, Value
from django.db.models.functions import Lower

FEW = 500  # rows that are asked for by their numbers


def has_word(word: str) -> Q:
    """Filter of rows whose own words contain this, in any case."""
    return Q(search__contains=Lower(Value(word)))


def meets(records: Manager[Any], words: Sequence[Q]) -> Q:
    """Filter of rows that meet the filters of all words. At most ``FEW`` rows are found here, once,
    and asked for by number by each query of a page. More are searched by each query."""
    if not words:
        return Q()
    every = reduce(and_, words)
    numbers = list(records.filter(every).values_list("pk", flat=True)[: FEW + 1])
    return Q(pk__in=numbers) if len(numbers) <= FEW else every
