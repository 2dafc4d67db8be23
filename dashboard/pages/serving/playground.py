"""Playground: chat with deployments and endpoints; dashboard.chat.relay has the streams."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions.action import Done, action
from dashboard.chat.asked import AskedTurn, forget_asked, keep_asked
from dashboard.chat.engines import Call, NotCallable, call_or_refusal
from dashboard.chat.turns import is_running
from dashboard.consumers import Login
from dashboard.pages.serving.engines import state_of
from dashboard.security.audit_log import record_reading
from dashboard.security.permissions import allowed, check, requires
from dashboard.security.request import member
from dashboard.text.labels import disambiguate
from dashboard.text.messages import message
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog import MODELS
from jobs.completions import Exchange, request_body
from jobs.kinds.lib.base import AssetRef
from jobs.kinds.lib.evaluations import THINKING_WORDS, extra_body, switch_of
from jobs.models import Answer, Conversation, Endpoint, Turn
from jobs.queries import chat as queries
from jobs.queries.answers.answer_list import sampling_of
from jobs.schedule.targets import deployment_ref, endpoint_ref
from jobs.services import chat as services
from jobs.services.intake.quotas import DiskReserved, check_disk

RECOMMENDED = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 512}
MOST_LISTED = 6000
LONGEST_SEARCH = 200


class AskForm(forms.Form):
    """A question and how to answer it. A number that is left empty is left to the engine."""

    prompt = forms.CharField(strip=True, max_length=200_000)
    system = forms.CharField(required=False, max_length=20_000)
    temperature = forms.FloatField(required=False, min_value=0, max_value=2)
    top_p = forms.FloatField(required=False, min_value=0.01, max_value=1)
    # Never empty: an engine without a limit may run until its context is full.
    max_tokens = forms.IntegerField(min_value=1, max_value=queries.MOST_TOKENS)
    seed = forms.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    thinking = forms.ChoiceField(
        required=False, choices=[(value, value) for value in THINKING_WORDS]
    )

    prompt.error_messages["required"] = gettext_lazy("Enter a message first.")

    def params(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if name != "prompt"}
        return {name: value for name, value in values.items() if value not in (None, "")}


@requires("playground.use", "GET")
def index(request: HttpRequest) -> HttpResponse:
    """Show a new chat; ``?deployment=3`` chooses the deployment, ``endpoint:5`` an endpoint,
    ``answer=7`` the question of an evaluation's answer with its parameters."""
    return _page(request, None)


@requires("playground.use", "GET")
def conversation(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """One conversation; ``?before=20``: its turns before that one, to read, if there are any and
    later ones. The page continues to stream an unfinished answer."""
    chats = Conversation.objects.select_related("deployment", "endpoint", "user")
    chat = get_object_or_404(chats, pk=conversation_id)
    before = number_from(request.GET.get("before", ""))
    turns = Turn.objects.filter(conversation=chat)
    if before is not None and not (
        turns.filter(index__lt=before).exists() and turns.filter(index__gte=before).exists()
    ):
        return redirect("conversation", chat.pk)
    record_reading(request.user, chat)
    return _page(request, chat, before=before)


@requires("playground.use", "POST")
def ask(request: HttpRequest) -> HttpResponse:
    """Write a turn down; the page then starts it over the relay. To the page's script, which
    accepts JSON: 201 with the turn's markup in a conversation that is open, or ``{"url"}`` of a new
    one; 422 with ``{"error"}``. Else, as a browser submits the form before the script has come: on
    to the conversation, or the page again with all that was typed."""
    since = time.monotonic()
    form = AskForm(request.POST)
    engine = queries.chat_engine(request.POST.get("deployment", ""))
    chat = _chat_of(request)
    problem = ""
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        problem = str(problems[0]) if name == "prompt" else f"{name}: {problems[0]}"
    call = None if problem else call_or_refusal(engine, member(request.user))
    problem = problem or _why_not(engine, call, form)
    if engine is None or problem:
        return _refused(request, chat, problem)
    is_new = chat is None
    if chat is None:
        chat = services.start_conversation(member(request.user), form.cleaned_data["prompt"])
    try:
        turn = _add_turn(chat, engine, form, retried=number_from(request.POST.get("retry", "")))
    except services.BusyError:
        text = _("This chat is generating an answer. Stop the answer or wait for its end.")
        return _refused(request, chat, text)
    asked = AskedTurn(
        Login.of(request.session, request.user),
        Conversation(pk=chat.pk, user_id=chat.user_id),
        turn.request,
        is_open=True,
        expected=engine.thinks,
        call=call,
    )
    keep_asked(turn.pk, asked, since=since)
    if request.accepts("text/html"):
        return redirect("conversation", chat.pk)
    if is_new:
        return JsonResponse({"url": reverse("conversation", args=[chat.pk])}, status=201)
    return _fragment(request, turn, status=201)


def _refused(request: HttpRequest, chat: Conversation | None, problem: str) -> HttpResponse:
    if request.accepts("text/html"):
        return _page(request, chat, problem=problem, status=422)
    return JsonResponse({"error": problem}, status=422)


@requires("playground.use", "GET")
def turn(request: HttpRequest, turn_id: int) -> HttpResponse:
    asked = _turn_of(turn_id)
    record_reading(request.user, asked.conversation)
    return _fragment(request, asked, alone=True)


@requires("playground.use", "POST")
def show(request: HttpRequest, turn_id: int) -> HttpResponse:
    """Show this attempt of its question from now on. Answers with the attempt."""
    asked = _turn_of(turn_id)
    check(request.user, "conversation.change", asked.conversation)
    services.show_attempt(asked)
    return _fragment(request, asked)


def _turn_of(turn_id: int) -> Turn:
    related = ("conversation__user", "deployment__host", "deployment__job", "endpoint")
    return get_object_or_404(Turn.objects.select_related(*related), pk=turn_id)


def _fragment(
    request: HttpRequest, asked: Turn, *, alone: bool = False, status: int = 200
) -> HttpResponse:
    """One turn. Only the last question of a conversation can be asked again."""
    later = Turn.objects.filter(conversation=asked.conversation_id, index__gt=asked.index)
    context = {"item": queries.shown_of(asked), "retryable": not later.exists(), "alone": alone}
    return render(request, "playground/_turn.html", context, status=status)


@requires("playground.use", "POST")
def rename(request: HttpRequest, conversation_id: int) -> HttpResponse:
    chat = get_object_or_404(Conversation, pk=conversation_id)
    check(request.user, "conversation.change", chat)
    if title := request.POST.get("title", "").strip():
        services.rename_conversation(chat, title)
    return redirect("conversation", chat.pk)


@requires("playground.use", "GET", "HEAD", "POST")
def delete(request: HttpRequest, conversation_id: int) -> HttpResponse:
    chat = get_object_or_404(Conversation, pk=conversation_id)
    check(request.user, "conversation.delete", chat)
    if request.method != "POST":
        context = {"chat": chat, "turns": chat.turns.count()}
        return render(request, "playground/delete.html", context)
    streaming = chat.turns.filter(state=Turn.State.STREAMING).values_list("pk", flat=True)
    if any(is_running(number) for number in streaming):
        messages.error(request, _("The chat is generating an answer. Stop the answer first."))
        return redirect("conversation", chat.pk)
    _delete(request.user, chat)
    return redirect("playground")


@action("conversation.delete")
def _delete(user: Any, chat: Conversation) -> Done[None]:
    done = Done(None, f"conversation {chat.pk}")
    forget_asked()
    services.delete_conversation(chat)
    return done


def _why_not(
    engine: queries.ChatEngine | None, call: Call | NotCallable | None, form: AskForm
) -> str:
    """Return why a question cannot be sent; "" if it can. The relay checks again, or takes
    what was checked here a moment ago."""
    if engine is None or (engine.deployment and not engine.is_offered):
        return message("chat:not-ready", {})
    try:
        check_disk()
        extra_body(_ref(engine), form.cleaned_data["thinking"])
    except LaunchError as error:
        return str(error)
    except DiskReserved:
        return message("chat:disk", {})
    # The address of a deployment may come with its next report.
    if engine.endpoint and isinstance(call, NotCallable):
        return call.text or message(call.id, call.message_args)
    return ""


def _ref(engine: queries.ChatEngine) -> AssetRef:
    """Return the engine as kinds of jobs see it."""
    if isinstance(engine.row, Endpoint):
        return endpoint_ref(engine.row)
    return deployment_ref(engine.row)


def _page(
    request: HttpRequest,
    chat: Conversation | None,
    *,
    before: int | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    """``before``: only the turns before that one, to read."""
    current = queries.engine_of(chat) if chat else None
    engines = queries.chat_engines(current)
    typed = request.POST if problem else None
    wanted = (typed or request.GET).get("deployment", "")
    chosen = next((one for one in engines if one.key == wanted), None)
    chosen = chosen or current or queries.best_engine(engines)
    part = queries.part_of(chat, before) if chat else queries.TurnsPart()
    recommended = _recommended(chosen)
    # Another model has its own values: those of the last question were for another one.
    kept = chat.params if chat and chosen == current else None
    shown = [one.turn for one in reversed(part.turns)]
    last = shown[0] if shown else None
    # The question of an evaluation's answer, to be asked again.
    number = None if chat or typed else number_from(request.GET.get("answer", ""))
    known = Answer.objects.select_related("result__job")
    again = known.filter(pk=number).first() if number is not None else None
    sampled = recommended | sampling_of(again.result) if again else None
    text, user = request.GET.get("q", "").strip()[:LONGEST_SEARCH], member(request.user)
    most = min(
        MOST_LISTED,
        max(queries.LISTED, number_from(request.GET.get("chats", "")[:6]) or queries.LISTED),
    )
    chats = queries.conversations_of(user, text.split(), most=most + 1)
    is_own = chat is None or allowed(request.user, "conversation.change", chat)
    context = {
        "chat": chat,
        "owner": None if chat is None or is_own else chat.user,
        "groups": _groups(chats[:most]),
        "text": text,
        "older": most + queries.LISTED if len(chats) > most else None,
        "engines": list(zip(engines, _labels(engines), strict=True)),
        "chosen": chosen,
        "endpoint_state": state_of(chosen.endpoint) if chosen and chosen.endpoint else None,
        "is_ready": any(one.is_offered for one in engines),
        "turns": part.turns,
        "earlier": part.earlier,
        "is_earlier": before is not None,
        "reads_only": before is not None or not is_own,
        "last": last,
        "counted": next((t for t in shown if t.stats.get("prompt_tokens") is not None), None),
        "thinks": chosen is not None and chosen.thinks,
        "thinking": THINKING_WORDS.items() if chosen and switch_of(_ref(chosen)) else (),
        "recommended": recommended,
        "params": typed or kept or sampled or recommended,
        "problem": problem,
        "prompt": again.question if again else request.POST.get("prompt", ""),
    }
    return render(request, "playground/index.html", context, status=status)


def _labels(engines: Sequence[queries.ChatEngine]) -> list[str]:
    """Return names of engines; deployments that are alike have their number and port."""

    def port(one: queries.ChatEngine) -> str:
        at = engine_addresses.parse(one.deployment.host_url) if one.deployment else None
        return str(at.port) if at else ""

    deployments = [one for one in engines if one.deployment]
    labels = disambiguate([(one.name, one.row.pk, port(one)) for one in deployments])
    return [*labels, *(one.name for one in engines if one.endpoint)]


def _recommended(engine: queries.ChatEngine | None) -> dict[str, Any]:
    """Return the authors' sampling; answers leave half the context to prompts."""
    model = MODELS.get(engine.model_id) if engine else None
    params = dict(model.sampling.model_dump() if model else RECOMMENDED)
    served = engine.declared_context if engine else None
    if served and params.get("max_tokens"):
        params["max_tokens"] = min(params["max_tokens"], max(1, int(served) // 2))
    return params


def _groups(chats: Any) -> list[tuple[str, list[Conversation]]]:
    today = timezone.localdate()
    headings = (_("Today"), _("Last 7 days"), _("Earlier"))
    groups: dict[str, list[Conversation]] = {heading: [] for heading in headings}
    for chat in chats:
        day = timezone.localdate(chat.updated_at)
        index = 0 if day == today else 1 if day > today - timedelta(days=7) else 2
        groups[headings[index]].append(chat)
    return [(heading, members) for heading, members in groups.items() if members]


def _chat_of(request: HttpRequest) -> Conversation | None:
    """The conversation that the question belongs to; None: a new one."""
    number = number_from(request.POST.get("conversation", ""))
    if number is None:
        return None
    chat = get_object_or_404(Conversation, pk=number)
    check(request.user, "conversation.change", chat)
    return chat


def _add_turn(
    chat: Conversation, engine: queries.ChatEngine, form: AskForm, *, retried: int | None
) -> Turn:
    """Add the next turn, or another attempt at the ``retried`` last one. Raises ``BusyError``."""
    asked = queries.turns_of(chat)
    if any(one.turn.state == Turn.State.STREAMING for one in asked):
        raise services.BusyError
    again = asked.pop().turn if asked and retried in asked[-1].attempts else None
    history = [Exchange(one.turn.prompt, one.turn.answer) for one in asked if one.turn.answer]
    params, prompt = form.params(), form.cleaned_data["prompt"]
    extra = extra_body(_ref(engine), form.cleaned_data["thinking"])
    body = request_body(engine.model, prompt, history=history, params=params, extra=extra)
    return services.add_turn(chat, engine, prompt=prompt, request=body, params=params, again=again)


urlpatterns = [
    path("", index, name="playground"),
    path("ask/", ask, name="playground-ask"),
    path("turns/<int:turn_id>/", turn, name="playground-turn"),
    path("turns/<int:turn_id>/show/", show, name="playground-show"),
    path("<int:conversation_id>/", conversation, name="conversation"),
    path("<int:conversation_id>/rename/", rename, name="conversation-rename"),
    path("<int:conversation_id>/delete/", delete, name="conversation-delete"),
]
