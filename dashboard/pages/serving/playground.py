"""Playground: chat with deployments and endpoints; dashboard.chat.relay has the streams."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from dashboard.actions import chat as actions
from dashboard.actions.chat import CONTINUE, AskForm, At, engine_ref
from dashboard.actions.chat_params import ParamsForm, engine_hint
from dashboard.actions.chat_presets import preset_texts
from dashboard.actions.results import split_tags
from dashboard.chat.asked import keep_asked
from dashboard.chat.export import chat_json, chat_markdown
from dashboard.chat.sent import raw_stream, sent_request
from dashboard.pages.serving.engines import state_of
from dashboard.pages.shared.export import attachment
from dashboard.pages.shared.places import form_of
from dashboard.security.audit_log import record_reading
from dashboard.security.listeners import Login
from dashboard.security.permissions import allowed, check, requires
from dashboard.security.request import member
from dashboard.text.labels import HOST_AWAY, disambiguate, style_of
from dashboard.text.labels import state_of as row_state
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog import MODELS, QUESTION_SETS
from jobs.kinds.benchmark import Benchmark
from jobs.kinds.lib.evaluations import switch_of
from jobs.models import Answer, Conversation, Host, Turn
from jobs.queries import chat as queries
from jobs.queries.answers.answer_list import sampling_of
from jobs.queries.chat_hits import hits_of
from jobs.services import chat as services

RECOMMENDED = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 512}
MOST_LISTED = 6000
LONGEST_SEARCH = 200
_OF_FRAME = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [UNSAFE_INLINE],  # how Mermaid sets its text's size, which it then measures
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [SELF],
    "sandbox": "allow-scripts",
}


@requires("playground.use", "GET")
def index(request: HttpRequest) -> HttpResponse:
    """Show a new chat; ``?deployment=3`` chooses the deployment, ``endpoint:5`` an endpoint,
    ``answer=7`` the question of an evaluation's answer with its parameters, ``preset=2`` a
    preset."""
    return _page(request, None)


@requires("playground.use", "GET")
def conversation(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """One conversation; ``?turn=7``: the branch of that turn; ``?before=20``: its turns before that
    one, to read, if there are any and later ones. The page continues to stream an unfinished
    answer."""
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
    accepts JSON: 201 with the turn's markup in a conversation that is open, as is one ``beside``
    others, or ``{"url"}`` of a new one; 422 with ``{"error"}``. Else, as a browser submits the form
    before the script has come: on to the conversation, or the page again with all that was
    typed."""
    since = time.monotonic()
    # A form's newlines are CRLF on their way; the engine gets those that were typed.
    data = {name: value.replace("\r\n", "\n") for name, value in request.POST.dict().items()}
    chat, user = _chat_of(request), member(request.user)
    login, numbers = Login.of(request.session, user), ("after", "retry", "continue")
    at = At(*(number_from(data.get(name, "")) for name in numbers))
    if at.continued:
        data["prompt"] = str(CONTINUE)
    form = AskForm(data)
    key, is_new = request.POST.get("deployment", ""), chat is None
    try:
        question = actions.ask(user, chat, key, form, login=login, at=at)
    except LaunchError as refused:
        name = refused.field if form.errors and refused.field != "prompt" else ""
        text = f"{name}: {refused}" if name else str(refused)
        return _refused(request, chat, text, form=form, fields=refused.fields)
    except services.BusyError:
        return _refused(request, chat, str(actions.BUSY), form=form)
    turn = question.turn
    keep_asked(turn.pk, question.asked, since=since)
    if request.accepts("text/html"):
        return redirect("conversation", turn.conversation_id)
    if is_new and "beside" not in request.POST:
        address = reverse("conversation", args=[turn.conversation_id])
        return JsonResponse({"url": address}, status=201)
    return _fragment(request, turn, status=201)


def _refused(
    request: HttpRequest,
    chat: Conversation | None,
    problem: str,
    *,
    form: AskForm,
    fields: Mapping[str, str] | None = None,
) -> HttpResponse:
    if request.accepts("text/html"):
        return _page(request, chat, problem=problem, form=form, status=422)
    return JsonResponse({"error": problem, "fields": dict(fields or {})}, status=422)


@xframe_options_sameorigin
@csp(_OF_FRAME)
@requires("playground.use", "GET")
def diagrams(request: HttpRequest) -> HttpResponse:
    """Frame that draws diagrams. It has an origin of its own, and loads these two scripts only."""
    return render(request, "playground/diagrams.html")


@requires("playground.use", "GET")
def turn(request: HttpRequest, turn_id: int) -> HttpResponse:
    asked = _turn_of(turn_id)
    record_reading(request.user, asked.conversation)
    return _fragment(request, asked, alone=True)


@requires("playground.use", "GET")
def turn_request(request: HttpRequest, turn_id: int) -> HttpResponse:
    """Show what a turn sent to its engine, and the engine's bytes with their times."""
    asked = _turn_of(turn_id)
    record_reading(request.user, asked.conversation)
    titles = {"curl": "curl", "python": "Python", "json": "JSON", "stream": _("Raw stream")}
    context = {
        "turn": asked,
        "sent": sent_request(asked),
        "stream": raw_stream(asked.pk),
        "tabs": [{"name": name, "title": title} for name, title in titles.items()],
        "is_own": allowed(request.user, "conversation.change", asked.conversation),
    }
    return render(request, "playground/request.html", context)


@requires("questions.change", "GET", "HEAD", "POST")
def turn_question(request: HttpRequest, turn_id: int) -> HttpResponse:
    """Ask for the set and the correct answer (GET); add the turn's message to the set (POST)."""
    asked = _turn_of(turn_id)
    check(request.user, "conversation.change", asked.conversation)
    typed, problems = request.POST, dict[str, str]()
    if request.method == "POST":
        answers = [line for line in map(str.strip, typed.get("answers", "").splitlines()) if line]
        try:
            saved = actions.save_question(
                request.user, asked, typed.get("set", "").strip(), answers
            )
        except LaunchError as refused:
            problems[refused.field] = str(refused)
        else:
            messages.success(request, _("Question added to %(name)s.") % {"name": saved.name})
            return redirect("question-detail", saved.id)
    context = {
        "turn": asked,
        "sets": [one for one in QUESTION_SETS.team() if not one.removed_at],
        "set": typed.get("set", ""),
        "answers": typed.get("answers", ""),
        "problems": problems,
    }
    return render(request, "playground/question.html", context, status=422 if problems else 200)


@requires("playground.use", "POST")
def show(request: HttpRequest, turn_id: int) -> HttpResponse:
    """Show this attempt of its question from now on. Answers with the attempt."""
    asked = _turn_of(turn_id)
    actions.show_attempt(request.user, asked.conversation, asked)
    return _fragment(request, asked)


def _turn_of(turn_id: int) -> Turn:
    related = ("conversation__user", "deployment__host", "deployment__job", "endpoint")
    return get_object_or_404(Turn.objects.select_related(*related), pk=turn_id)


def _fragment(
    request: HttpRequest, asked: Turn, *, alone: bool = False, status: int = 200
) -> HttpResponse:
    is_own = allowed(request.user, "conversation.change", asked.conversation)
    context = {"item": queries.shown_of(asked), "retryable": is_own, "alone": alone}
    return render(request, "playground/_turn.html", context, status=status)


@requires("playground.use", "POST")
def rename(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Change title and tags."""
    chat = get_object_or_404(Conversation, pk=conversation_id)
    check(request.user, "conversation.change", chat)
    if title := request.POST.get("title", "").strip():
        actions.rename(request.user, chat, title)
    try:
        if "tags" in request.POST:
            actions.set_tags(request.user, chat, split_tags(request.POST["tags"]))
    except LaunchError as refused:
        messages.error(request, str(refused))
    return redirect("conversation", chat.pk)


@requires("playground.use", "GET")
def export(request: HttpRequest, conversation_id: int, ending: str) -> HttpResponseBase:
    """Download a chat: ``md`` to read, ``json`` with all branches and attempts."""
    chat = get_object_or_404(Conversation.objects.select_related("user"), pk=conversation_id)
    record_reading(request.user, chat)
    forms = {"md": (chat_markdown, "text/markdown"), "json": (chat_json, "application/json")}
    if ending not in forms:
        raise Http404(ending)
    write, content_type = forms[ending]
    return attachment(write(chat), f"chat-{chat.pk}.{ending}", content_type)


@requires("playground.use", "POST")
def to_benchmark(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Save a chat's messages as a prompt set, and open the benchmark's form with the set."""
    chats = Conversation.objects.select_related("deployment__host", "endpoint")
    chat = get_object_or_404(chats, pk=conversation_id)
    try:
        prompts = actions.save_prompts(request.user, chat, request.POST.get("name", "").strip())
    except LaunchError as refused:
        messages.error(request, str(refused))
        return redirect("conversation", chat.pk)
    engine, query = queries.engine_of(chat), {"prompts": prompts.name}
    if engine is not None:
        query["deployment"] = engine.key
    if engine is not None and engine.deployment is not None:
        query["host"] = engine.deployment.host.name
    return redirect(form_of(Benchmark.name, query))


@requires("playground.use", "GET", "HEAD", "POST")
def delete(request: HttpRequest, conversation_id: int) -> HttpResponse:
    chat = get_object_or_404(Conversation, pk=conversation_id)
    check(request.user, "conversation.delete", chat)
    if request.method != "POST":
        context = {"chat": chat, "turns": chat.turns.count()}
        return render(request, "playground/delete.html", context)
    try:
        actions.delete(request.user, chat)
    except services.BusyError:
        messages.error(request, str(actions.RUNNING))
        return redirect("conversation", chat.pk)
    return redirect("playground")


def _page(
    request: HttpRequest,
    chat: Conversation | None,
    *,
    before: int | None = None,
    problem: str = "",
    form: AskForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """``before``: only the turns before that one, to read. ``form``: that was refused."""
    current = queries.engine_of(chat) if chat else None
    engines = queries.chat_engines(current)
    typed = request.POST if problem else None
    wanted = (typed or request.GET).get("deployment", "")
    chosen = next((one for one in engines if one.key == wanted), None)
    chosen = chosen or current or queries.best_engine(engines)
    through = number_from(request.GET.get("turn", ""))
    part = queries.part_of(chat, before, through) if chat else queries.TurnsPart()
    recommended = recommended_of(chosen)
    # Another model has its own values: those of the last question were for another one.
    kept = chat.params if chat and chosen == current else None
    shown = [one.turn for one in reversed(part.turns)]
    # The question of an evaluation's answer, to be asked again.
    number = None if chat or typed else number_from(request.GET.get("answer", ""))
    known = Answer.objects.select_related("result__job")
    again = known.filter(pk=number).first() if number is not None else None
    sampled = recommended | sampling_of(again.result) if again else None
    number = None if chat or typed else number_from(request.GET.get("preset", ""))
    if preset := queries.chat_presets().filter(pk=number or 0).first():
        sampled = (sampled or recommended) | preset.params
    is_own = chat is None or allowed(request.user, "conversation.change", chat)
    context = {
        "chat": chat,
        "owner": None if chat is None or is_own else chat.user,
        **_listed(request),
        "engines": list(zip(engines, labels_of(engines), strict=True)),
        "chosen": chosen,
        "endpoint_state": state_of(chosen.endpoint) if chosen and chosen.endpoint else None,
        "is_ready": any(one.is_offered for one in engines),
        "away": away_host([chosen] if chosen else []),
        "turns": part.turns,
        "earlier": part.earlier,
        "is_earlier": before is not None,
        "through": through,
        "reads_only": before is not None or not is_own,
        "last": shown[0] if shown else None,
        "counted": next((t for t in shown if t.stats.get("prompt_tokens") is not None), None),
        "thinks": chosen is not None and chosen.thinks,
        "has_switch": chosen is not None and bool(switch_of(engine_ref(chosen))),
        "recommended": recommended,
        "params": form
        or ParamsForm(initial=kept or sampled or recommended, recommended=recommended),
        "names_hint": engine_hint(chosen),
        "presets": queries.preset_names(),
        "preset": preset and preset.pk,
        "preset_texts": preset and preset_texts(preset),
        "problem": problem,
        "prompt": again.question if again else request.POST.get("prompt", ""),
    }
    return render(request, "playground/index.html", context, status=status)


def _listed(request: HttpRequest) -> dict[str, Any]:
    """Return the person's chats that the list beside a chat has."""
    text, user = request.GET.get("q", "").strip()[:LONGEST_SEARCH], member(request.user)
    most = min(
        MOST_LISTED,
        max(queries.LISTED, number_from(request.GET.get("chats", "")[:6]) or queries.LISTED),
    )
    words, tag = text.split(), request.GET.get("tag", "")[:LONGEST_SEARCH]
    chats = queries.conversations_of(user, words, most=most + 1, tag=tag)
    query = {name: value for name, value in (("q", text), ("tag", tag)) if value}
    return {
        "groups": _groups(chats[:most]),
        "text": text,
        "tag": tag,
        "tags": queries.tag_counts(user),
        "found": urlencode(query),
        "words": words,
        "hits": hits_of(chats[:most], words),
        "older": most + queries.LISTED if len(chats) > most else None,
    }


def labels_of(engines: Sequence[queries.ChatEngine]) -> list[str]:
    """Return names of engines; deployments that are alike have their number and port, those of an
    offline host say so."""

    def port(one: queries.ChatEngine) -> str:
        at = engine_addresses.parse(one.deployment.host_url) if one.deployment else None
        return str(at.port) if at else ""

    deployments = [one for one in engines if one.deployment]
    labels = disambiguate([(one.name, one.row.pk, port(one)) for one in deployments])
    for at, one in enumerate(deployments):
        if row_state(one.row) == HOST_AWAY:
            labels[at] += _(", ") + str(style_of(HOST_AWAY).word)
    return [*labels, *(one.name for one in engines if one.endpoint)]


def away_host(engines: Sequence[queries.ChatEngine]) -> Host | None:
    """Return the first host of these engines that is offline."""
    served = [one.deployment for one in engines if one.deployment]
    return next((one.host for one in served if row_state(one) == HOST_AWAY), None)


def recommended_of(engine: queries.ChatEngine | None) -> dict[str, Any]:
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


urlpatterns = [
    path("", index, name="playground"),
    path("diagrams/", diagrams, name="playground-diagrams"),
    path("ask/", ask, name="playground-ask"),
    path("turns/<int:turn_id>/", turn, name="playground-turn"),
    path("turns/<int:turn_id>/request/", turn_request, name="playground-request"),
    path("turns/<int:turn_id>/question/", turn_question, name="playground-question"),
    path("turns/<int:turn_id>/show/", show, name="playground-show"),
    path("<int:conversation_id>/", conversation, name="conversation"),
    path("<int:conversation_id>/rename/", rename, name="conversation-rename"),
    path("<int:conversation_id>/chat.<str:ending>", export, name="conversation-export"),
    path("<int:conversation_id>/benchmark/", to_benchmark, name="conversation-benchmark"),
    path("<int:conversation_id>/delete/", delete, name="conversation-delete"),
]
