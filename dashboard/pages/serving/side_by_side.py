"""Side by side: two to four engines answer the same message, each in a column of its own.

A column is an ordinary chat. The address has the columns in their order: ``column=3`` or
``column=endpoint:5`` is an engine without a message so far, ``column=chat:12`` a chat.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _

from dashboard.actions.chat import engine_ref
from dashboard.actions.chat_params import ParamsForm, engine_hint
from dashboard.pages.serving.engines import state_of
from dashboard.pages.serving.playground import away_host, labels_of, recommended_of
from dashboard.security.audit_log import record_reading
from dashboard.security.permissions import allowed, requires
from dashboard.text.labels import host_title
from jobs.base.numbers import number_from
from jobs.kinds.lib.evaluations import switch_of
from jobs.models import Conversation, Endpoint, Turn
from jobs.queries import chat as queries
from jobs.queries.chat import ChatEngine, TurnsPart

LEAST, MOST = 2, 4
_CHAT = "chat:"


class ChatColumn(NamedTuple):
    """``key``: as the address has it. ``engine``: None for a chat whose engine was removed."""

    key: str
    engine: ChatEngine | None
    chat: Conversation | None = None
    part: TurnsPart = TurnsPart()

    @property
    def last(self) -> Turn | None:
        return self.part.turns[-1].turn if self.part.turns else None

    @property
    def counted(self) -> Turn | None:
        """The last turn whose prompt was counted."""
        shown = (one.turn for one in reversed(self.part.turns))
        return next((one for one in shown if one.stats.get("prompt_tokens") is not None), None)

    @property
    def endpoint_state(self) -> tuple[str, str] | None:
        endpoint = self.engine.endpoint if self.engine else None
        return state_of(endpoint) if endpoint else None


@requires("playground.use", "GET")
def side_by_side(request: HttpRequest) -> HttpResponse:
    """Show the columns of the address; without any, the two engines that are best to ask."""
    engines = queries.chat_engines()
    keys = [key for key in request.GET.getlist("column") if key]
    if len(keys) > MOST:
        messages.warning(request, _("A page shows at most %(most)s columns.") % {"most": MOST})
    columns = _columns(request, keys[:MOST]) or _proposed(engines)
    chosen = [one.engine for one in columns if one.engine]
    others = [one.chat for one in columns if one.chat and not _is_own(request, one.chat)]
    recommended = _shared([recommended_of(engine) for engine in chosen])
    asked = next((one.chat for one in columns if one.chat and one.chat.params), None)
    has_switch = bool(chosen) and all(switch_of(engine_ref(engine)) for engine in chosen)
    labels, hints = _labels(engines, chosen), {engine_hint(engine) for engine in chosen}
    context = {
        "columns": [
            {
                "column": one,
                "label": labels.get(one.engine.key) if one.engine else "",
                "without": _without(columns, one),
                "choices": [(each, labels[each.key]) for each in _choices(engines, one)],
            }
            for one in columns
        ],
        "engines": [(one, labels[one.key]) for one in engines] if len(columns) < MOST else (),
        "owner": others[0].user if others else None,
        "reads_only": bool(others),
        "counted": None,
        "chosen": None,
        "is_ready": len(columns) >= LEAST,
        "away": away_host(chosen),
        "crowds": _crowds(columns, labels),
        "differing": _differing(chosen, labels),
        "recommended": recommended,
        "params": ParamsForm(
            initial=asked.params if asked else recommended, recommended=recommended
        ),
        "names_hint": next(iter(hints)) if len(hints) == 1 else "",
        "presets": queries.preset_names(),
        "thinks": any(engine.thinks for engine in chosen),
        "has_switch": has_switch,
    }
    return render(request, "playground/side_by_side.html", context)


def _columns(request: HttpRequest, keys: Sequence[str]) -> list[ChatColumn]:
    """Return the columns of an address, a chat once. Raises ``Http404``: there is no such engine
    or chat; ``PermissionDenied``: a chat that the person may not read."""
    chats = [key for key in keys if key.startswith(_CHAT)]
    once = [key for at, key in enumerate(keys) if key not in chats or key not in keys[:at]]
    return [_column(request, key) for key in once]


def _column(request: HttpRequest, key: str) -> ChatColumn:
    if not key.startswith(_CHAT):
        engine = queries.chat_engine(key)
        if engine is None:
            raise Http404
        return ChatColumn(engine.key, engine)
    related = ("user", "deployment__host", "deployment__job", "endpoint")
    chats = Conversation.objects.select_related(*related)
    chat = get_object_or_404(chats, pk=number_from(key.removeprefix(_CHAT)) or 0)
    record_reading(request.user, chat)
    name = f"{_CHAT}{chat.pk}"
    return ChatColumn(name, queries.engine_of(chat), chat, queries.part_of(chat))


def _proposed(engines: Sequence[ChatEngine]) -> list[ChatColumn]:
    left, found = list(engines), list[ChatColumn]()
    while left and len(found) < LEAST:
        best = queries.best_engine(left)
        assert best is not None  # noqa: S101 -- for mypy
        left.remove(best)
        found.append(ChatColumn(best.key, best))
    return found


def _is_own(request: HttpRequest, chat: Conversation) -> bool:
    return allowed(request.user, "conversation.change", chat)


def _without(columns: Sequence[ChatColumn], column: ChatColumn) -> str:
    """Return the query of the page without a column; "" where none would be left."""
    return urlencode([("column", one.key) for one in columns if one is not column])


def _choices(engines: Sequence[ChatEngine], column: ChatColumn) -> list[ChatEngine]:
    """Return the engines that a column may have: those to ask now, and its own in any state."""
    own = [column.engine] if column.engine and column.engine not in engines else []
    return [*engines, *own]


def _labels(engines: Sequence[ChatEngine], chosen: Sequence[ChatEngine]) -> dict[str, str]:
    """Return the label of each engine by its key. Those that cannot be asked now come last."""
    deployments = [one for one in {*engines, *chosen} if one.deployment]
    endpoints = [one for one in {*engines, *chosen} if one.endpoint]
    known = [*sorted(deployments, key=lambda one: one.row.pk), *endpoints]
    return {one.key: label for one, label in zip(known, labels_of(known), strict=True)}


def _shared(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return recommended values of several models: those of the first, and the least maximum of
    tokens, because each engine must accept it."""
    shared = {name: value for one in reversed(values) for name, value in one.items()}
    limits = [one["max_tokens"] for one in values if one.get("max_tokens")]
    return shared | ({"max_tokens": min(limits)} if limits else {})


def _differing(
    engines: Sequence[ChatEngine], labels: Mapping[str, str]
) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Return parameters whose recommended values differ, with (engine, value or None) of each."""
    models = {engine.key: (labels[engine.key], recommended_of(engine)) for engine in engines}
    names = dict.fromkeys(name for _label, values in models.values() for name in values)
    found = []
    for name in names:
        each = [(label, values.get(name)) for label, values in models.values()]
        if any(value != each[0][1] for _label, value in each):
            found.append((name, each))
    return found


def _crowds(
    columns: Sequence[ChatColumn], labels: Mapping[str, str]
) -> list[tuple[str, str, bool]]:
    """Return (place, numbers of columns, True for an engine) where columns share an engine or a
    host."""
    places: dict[str, list[tuple[int, ChatEngine]]] = {}
    for number, column in enumerate(columns, 1):
        if column.engine:
            places.setdefault(_place(column.engine), []).append((number, column.engine))
    found = []
    for place, same in places.items():
        is_engine = len({one.key for _n, one in same}) == 1
        numbers = _(", ").join(str(number) for number, _engine in same)
        if len(same) > 1:
            found.append((labels[same[0][1].key] if is_engine else place, numbers, is_engine))
    return found


def _place(engine: ChatEngine) -> str:
    """Return the host of an engine by its name; of an endpoint that of its address."""
    if isinstance(engine.row, Endpoint):
        return urlsplit(engine.row.url).hostname or engine.row.url
    return host_title(engine.row.host)


urlpatterns = [path("side-by-side/", side_by_side, name="side-by-side")]
