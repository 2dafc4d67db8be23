"""Keys, rights and engines as the database has them, from memory: at most ``KEPT_S`` old.

An answer that is ``AGAIN_S`` old is read again beside its use, so that no request waits for the
database while others keep the answer fresh. A change of rights in this process forgets all.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from dashboard.chat.engines import Call, NotCallable, call_of
from dashboard.gateway.refusals import GatewayRefusal, unavailable, unknown_model
from dashboard.security.listeners import Login
from dashboard.security.permissions import allowed
from dashboard.security.short_memory import ShortMemory
from jobs.models import ApiToken, Deployment, Endpoint, Job
from jobs.queries.chat import ChatEngine

logger = logging.getLogger(__name__)

T = TypeVar("T")
KEPT_S, AGAIN_S = 5.0, 2.0
# Before a read beside a request: its thread would hold the interpreter while the request starts.
_PAUSE_S = 0.05
LEFT_OUT_S = 10.0
_WAIT_S = 5  # proposed where no engine is ready
_BENCHMARK_WAIT_S = 30


class Memory(Generic[T]):
    """Answers of ``read`` by name; None is not stored."""

    def __init__(self, read: Callable[[str], T | None]) -> None:
        self._read = read
        self._known: ShortMemory[str, T] = ShortMemory(KEPT_S)
        self._reading: dict[str, asyncio.Task[T | None]] = {}

    async def get(self, name: str) -> T | None:
        """Raises ``GatewayRefusal``: the database is away."""
        fresh = self._known.get(name, within_s=AGAIN_S)
        if fresh is not None:
            return fresh
        found = self._known.get(name)
        task = self._reading.get(name)
        if task is None:
            pause_s = 0.0 if found is None else _PAUSE_S
            task = self._reading[name] = asyncio.create_task(self._read_again(name, pause_s))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task) if found is None else found

    async def _read_again(self, name: str, pause_s: float) -> T | None:
        try:
            await asyncio.sleep(pause_s)
            began = time.monotonic()
            found = await sync_to_async(self._in_thread)(name)
        except DatabaseError as error:
            logger.warning("gateway: cannot read keys and engines: %s", error)
            raise unavailable("The dashboard's database does not answer.", _WAIT_S) from None
        finally:
            del self._reading[name]
        if found is None:
            self._known.take(name)
        else:
            self._known.keep(name, found, since=began)
        return found

    def _in_thread(self, name: str) -> T | None:
        close_old_connections()
        return self._read(name)


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A valid token of the scope *models*. ``models``: empty for all. ``left``: tokens of its
    budget; None: no limit. ``refusal``: why it may not be used now."""

    token_id: int
    name: str
    user_id: int
    models: frozenset[str] = frozenset()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    left: int | None = None
    is_permitted: bool = True

    @property
    def login(self) -> Login:
        return Login("", "", self.user_id, self.token_id)

    @property
    def owner(self) -> tuple[int, str, int]:
        return self.token_id, self.name, self.user_id

    def may_ask(self, *names: str) -> bool:
        return not self.models or not self.models.isdisjoint(names)


def _key(sha256: str) -> GatewayKey | None:
    row = ApiToken.valid().select_related("user__account").filter(token_sha256=sha256).first()
    if row is None or not row.user.is_active:
        return None
    return GatewayKey(
        *(row.pk, row.name, row.user_id, frozenset(row.allowed_models)),
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        left=None if row.token_budget is None else row.token_budget - row.tokens_used,
        is_permitted=row.scope == row.Scope.MODELS and allowed(row.caller(row.user), "gateway.use"),
    )


@dataclass(slots=True)
class TargetLoad:
    """Requests of this process to a deployment. ``out_until``: monotonic, after a failure."""

    open: int = 0
    out_until: float = 0.0

    def leave_out(self) -> None:
        self.out_until = time.monotonic() + LEFT_OUT_S


@dataclass(frozen=True, slots=True)
class GatewayTarget:
    """A deployment whose server runs, or an endpoint of the gateway. ``call``: None while it cannot
    be called."""

    key: str  # of its engine
    name: str
    model_id: str
    label: str  # equal ones have the same model and label
    since: int  # seconds since the epoch
    context: int | None
    call: Call | None = field(repr=False, default=None)
    measured_by: int | None = None  # number of a running job
    is_closed: bool = False  # that job has exclusive use


def _targets(_name: str) -> Sequence[GatewayTarget]:
    rows = Deployment.objects.filter(state__in=Deployment.RUNNING_STATES)
    deployments = rows.select_related("host", "artifact", "job")
    endpoints = Endpoint.objects.filter(in_gateway=True, archived_at=None)
    measured = _measured()
    found: list[Deployment | Endpoint] = [*deployments, *endpoints]
    return [_target(row, measured) for row in found]


def _measured() -> Mapping[tuple[str, int], tuple[int, bool]]:
    """Return running jobs, and if they have exclusive use, by the id or job of the deployment that
    they measure, or by its endpoint."""
    running = Job.objects.filter(state__in=Job.ON_HOST_STATES, inputs__has_key="deployment")
    found = dict[tuple[str, int], tuple[int, bool]]()
    for pk, inputs, exclusive in running.values_list("pk", "inputs", "exclusive").order_by("pk"):
        ref = inputs["deployment"]
        names = [name for name in ("id", "job", "endpoint") if ref.get(name)]
        found |= {(name, int(ref[name])): (pk, exclusive) for name in names}
    return found


def _target(
    row: Deployment | Endpoint, measured: Mapping[tuple[str, int], tuple[int, bool]]
) -> GatewayTarget:
    engine = ChatEngine(row)
    try:
        call = call_of(engine, None)
    except NotCallable:
        call = None
    if isinstance(row, Endpoint):
        label, began = engine.key, row.created_at
        job, is_exclusive = measured.get(("endpoint", row.pk), (None, False))
    else:
        label = row.artifact.label if row.artifact else str((row.details or {}).get("label") or "")
        began = row.ready_at or row.created_at
        by_job = measured.get(("job", row.job_id), (None, False))
        job, is_exclusive = measured.get(("id", row.pk), by_job)
    return GatewayTarget(
        *(engine.key, engine.model, row.model_id, label, int(began.timestamp()), engine.context),
        call=call,
        measured_by=job,
        is_closed=is_exclusive and settings.GATEWAY_DURING_BENCHMARKS != "pass",
    )


keys = Memory(_key)
_engines = Memory(_targets)
_loads: dict[str, TargetLoad] = {}


def load_of(target: GatewayTarget) -> TargetLoad:
    return _loads.setdefault(target.key, TargetLoad())


async def targets_of(key: GatewayKey) -> Sequence[GatewayTarget]:
    """Return the engines that the key may ask: deployments, the newest first, then endpoints."""
    known = await _engines.get("") or ()
    running = {one.key for one in known}
    for name in [name for name, load in _loads.items() if not load.open and name not in running]:
        del _loads[name]
    return [one for one in known if key.may_ask(one.name, one.model_id)]


async def candidates(key: GatewayKey, model: str) -> Sequence[GatewayTarget]:
    """Return deployments for a served name or an id of the catalogue: the newest that is ready and
    its equals, least busy first; what failed a moment ago comes last. Closed ones only to hold the
    request. Raises ``GatewayRefusal``."""
    named = [one for one in await targets_of(key) if model in (one.name, one.model_id)]
    # A key for one of two served names of a model does not open the other.
    named = [one for one in named if key.may_ask(model, one.name)]
    if not named:
        raise unknown_model(model)
    ready = [one for one in named if one.call is not None]
    if not ready:
        raise unavailable(f"The model {model!r} is not ready.", _WAIT_S)
    same = ready[0].model_id, ready[0].label
    equal = [one for one in ready if (one.model_id, one.label) == same]
    free = [one for one in equal if not one.is_closed]
    if not free and settings.GATEWAY_DURING_BENCHMARKS != "hold":
        raise in_benchmark(equal[0], model)
    moment = time.monotonic()

    def rank(one: GatewayTarget) -> tuple[bool, int]:
        load = load_of(one)
        return load.out_until > moment, load.open

    return sorted(free or equal, key=rank)


def in_benchmark(target: GatewayTarget, model: str) -> GatewayRefusal:
    text = f"Benchmark #{target.measured_by} is measuring the model {model!r}. Try again later."
    return unavailable(text, _BENCHMARK_WAIT_S, "engine_in_benchmark")


def refuse_unknown(key: GatewayKey | None) -> GatewayKey:
    """Return a key that may be used. Raises ``GatewayRefusal``."""
    if key is None:
        text = "Incorrect API key provided: it is unknown, expired or revoked."
        raise GatewayRefusal(HTTPStatus.UNAUTHORIZED, "invalid_api_key", text)
    if not key.is_permitted:
        text = "This key may not use the gateway. Create a token of the scope models."
        raise GatewayRefusal(HTTPStatus.FORBIDDEN, "insufficient_permissions", text)
    return key
