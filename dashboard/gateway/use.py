"""Use of keys: requests and tokens per key, model and hour, written in batches.

The hot path adds to a dict. A thread writes it every ``WRITE_S``: a killed web process loses the
use of that span, and nothing else. The database is away: the next batch holds the rows, too.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections, transaction
from django.db.models import F
from django.utils.timezone import now

from dashboard.gateway.passing import Tokens
from jobs.models import ApiToken, GatewayBesideJob, GatewayUse, Job

logger = logging.getLogger(__name__)

WRITE_S = 2.0


class UseOf(NamedTuple):
    """Key of a row. ``hour``: seconds since the epoch."""

    token_id: int
    token_name: str
    user_id: int
    model: str
    hour: int


class BesideJob(NamedTuple):
    """Key of a row of ``GatewayBesideJob``."""

    job_id: int
    user_id: int
    token_name: str


_beside: Counter[BesideJob] = Counter()
_unwritten: dict[UseOf, Counter[str]] = {}
_writing: dict[UseOf, Counter[str]] = {}
_writer: asyncio.Task[None] | None = None


def add_beside(job_id: int, token: tuple[int, str, int]) -> None:
    """Count one request of ``token`` to an engine that a job measures."""
    _beside[BesideJob(job_id, token[2], token[1])] += 1
    _write_soon()


def add_use(
    token: tuple[int, str, int], model: str, *, held: bool, failed: bool, tokens: Tokens
) -> None:
    """Count one request of ``token``: its number, name and person."""
    hour = int(time.time()) // 3600 * 3600
    counts = _unwritten.setdefault(UseOf(*token, model, hour), Counter())
    counts.update(requests=1, held=held, failed=failed, prompt_tokens=tokens.prompt)
    counts.update(completion_tokens=tokens.completion)
    counts.update(estimated_tokens=tokens.completion if tokens.is_estimated else 0)
    _write_soon()


def _write_soon() -> None:
    global _writer
    if _writer is None or _writer.done():
        _writer = asyncio.create_task(_write_later(), name="gateway-use")


def unwritten_tokens(token_id: int) -> int:
    """Tokens of a key that the database does not have yet."""
    rows = [*_unwritten.items(), *_writing.items()]
    return sum(_tokens(counts) for of, counts in rows if of.token_id == token_id)


def _tokens(counts: Mapping[str, int]) -> int:
    return counts["prompt_tokens"] + counts["completion_tokens"]


async def _write_later() -> None:
    while _unwritten or _beside:
        await asyncio.sleep(WRITE_S)
        _writing.update(_unwritten)
        _unwritten.clear()
        try:
            await sync_to_async(_write_in_thread, thread_sensitive=False)()
        except DatabaseError as error:
            logger.warning("gateway: cannot store the use of keys yet: %s", error)
            for of, counts in _writing.items():
                _unwritten.setdefault(of, Counter()).update(counts)
        finally:
            _writing.clear()


def _write_in_thread() -> None:
    try:
        write_beside(_beside)
        write_use(_writing)
    finally:
        connections.close_all()


@transaction.atomic
def write_beside(counts: Counter[BesideJob]) -> None:
    """Add counts to their rows, and take them out of ``counts``."""
    known = Job.objects.filter(pk__in={of.job_id for of in counts})
    jobs = set(known.values_list("pk", flat=True))
    for of, n in dict(counts).items():
        if of.job_id in jobs:
            row, _is_new = GatewayBesideJob.objects.get_or_create(**of._asdict())
            GatewayBesideJob.objects.filter(pk=row.pk).update(requests=F("requests") + n)
        counts[of] -= n
        if not counts[of]:
            del counts[of]


@transaction.atomic
def write_use(rows: Mapping[UseOf, Mapping[str, int]]) -> None:
    """Add counts to the rows of their hours, and tokens to those of their keys."""
    keys = ApiToken.objects.filter(pk__in={of.token_id for of in rows})
    known = set(keys.values_list("pk", flat=True))
    for of, counts in rows.items():
        row: dict[str, Any] = {
            "token_id": of.token_id if of.token_id in known else None,
            "token_name": of.token_name,
            "user_id": of.user_id,
            "model": of.model,
            "hour": datetime.fromtimestamp(of.hour, UTC),
        }
        same = GatewayUse.objects.filter(**row)
        found = same.first() or GatewayUse.objects.get_or_create(**row)[0]
        GatewayUse.objects.filter(pk=found.pk).update(
            **{name: F(name) + count for name, count in counts.items()}
        )
        ApiToken.objects.filter(pk=of.token_id).update(
            tokens_used=F("tokens_used") + _tokens(counts), last_used_at=now()
        )
