"""Chats: the form of a question, and what a person does with their chats, for page and API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions import question_sets
from dashboard.actions.action import Done, action
from dashboard.actions.chat_params import ParamsForm
from dashboard.actions.results import clean_chat_tags
from dashboard.actions.rows import PromptForm, save
from dashboard.chat.asked import AskedTurn, forget_asked
from dashboard.chat.engines import Call, NotCallable, call_or_refusal
from dashboard.chat.turns import is_running
from dashboard.security.listeners import Login
from dashboard.security.permissions import check
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.catalog import QUESTION_SETS, Question
from jobs.catalog.questions import TeamSet, jsonl
from jobs.catalog.questions_file import read_questions
from jobs.completions import VARIABLES, Exchange, request_body
from jobs.kinds.lib.base import AssetRef
from jobs.kinds.lib.evaluations import extra_body
from jobs.models import Conversation, Endpoint, PromptSet, Turn
from jobs.queries import chat as queries
from jobs.queries.chat_branches import branch_of
from jobs.schedule.targets import deployment_ref, endpoint_ref
from jobs.services import chat as services
from jobs.services.intake.quotas import DiskReserved, check_disk
from jobs.tools.lib.load import json_lines

BUSY = gettext_lazy("This chat is generating an answer. Stop the answer or wait for its end.")
CONTINUE = gettext_lazy("Continue your answer exactly where it stopped.")
# Engines that continue the answer at the end of a request, and the fields that ask for it.
CONTINUES: dict[str, dict[str, Any]] = {
    "llama.cpp": {},
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
}
RUNNING = gettext_lazy("The chat is generating an answer. Stop the answer first.")


class AskForm(ParamsForm):
    """A question and how to answer it."""

    prompt = forms.CharField(strip=True, max_length=200_000)

    prompt.error_messages["required"] = gettext_lazy("Enter a message first.")

    def check(self) -> None:
        """Raise ``LaunchError`` with the first error of each field."""
        if not self.is_valid():
            texts = {name: str(problems[0]) for name, problems in self.errors.items()}
            name, text = next(iter(texts.items()))
            refused = LaunchError(text, name)
            refused.fields = texts
            raise refused


class At(NamedTuple):
    """Place of a question, by the id of a turn: ``after`` it; ``retried`` instead of it, as another
    attempt or as an edited message; ``continued``, where the answer of it was cut."""

    after: int | None = None
    retried: int | None = None
    continued: int | None = None


class TakenQuestion(NamedTuple):
    """A stored turn, and what starts it."""

    turn: Turn
    asked: AskedTurn


@action("playground.use")
def ask(
    user: Any,
    chat: Conversation | None,
    key: str,
    form: AskForm,
    *,
    login: Login,
    at: At | None = None,
) -> Done[TakenQuestion]:
    """Store a question: in ``chat``, or in a new one. ``key``: of the engine. ``at``: its place in
    the chat; None: at the end of the branch that is shown.

    Raises ``LaunchError``: why it cannot be asked; ``BusyError``: another answer is generated.
    """
    if chat is not None:
        check(user, "conversation.change", chat)
    form.check()
    engine = queries.chat_engine(key)
    call = call_or_refusal(engine, user)
    _check_engine(engine, call, form)
    if engine is None:
        raise _not_ready()
    if chat is None:
        chat = services.start_conversation(user, form.cleaned_data["prompt"])
    turn = _add_turn(chat, engine, form, at=at or At())
    asked = AskedTurn(
        login,
        Conversation(pk=chat.pk, user_id=chat.user_id),
        turn.request,
        is_open=True,
        expected=engine.thinks,
        call=call,
    )
    return Done(TakenQuestion(turn, asked))


@action("conversation.change")
def rename(user: Any, chat: Conversation, title: str) -> Done[None]:
    services.rename_conversation(chat, title)
    return Done(None)


@action("conversation.change")
def set_tags(user: Any, chat: Conversation, names: Sequence[str]) -> Done[None]:
    """Give a chat these tags, and no others. Raises ``LaunchError``: which is none."""
    services.set_tags(chat, clean_chat_tags(names, chat.user_id))
    return Done(None)


@action("conversation.change")
def show_attempt(user: Any, chat: Conversation, turn: Turn) -> Done[None]:
    """Show this attempt of its question from now on."""
    services.show_attempt(turn)
    return Done(None)


def save_prompts(user: Any, chat: Conversation, name: str) -> PromptSet:
    """Add the messages of a chat as a prompt set. Raises ``LaunchError``: why not."""
    check(user, "conversation.change", chat)
    prompts = [one.prompt for one in queries.turns_before(branch_of(chat))]
    file = SimpleUploadedFile(_("Chat"), json_lines(prompts).encode())
    return save(user, PromptForm({"name": name}, {"file": file}, user=user))


def save_question(user: Any, turn: Turn, set_id: str, answers: Sequence[str]) -> TeamSet:
    """Add the message of a turn to a question set of the team. ``set_id``: of a set, else of a new
    one. ``answers``: the correct ones. Raises ``LaunchError``: why not."""
    check(user, "conversation.change", turn.conversation)
    check(user, "questions.change")
    (added,) = _checked(json.dumps({"question": turn.prompt, "answers": [*answers]}))
    own, before = QUESTION_SETS.of_team(set_id), tuple[Question, ...]()
    if own is not None and own.removed_at:
        raise LaunchError(_("This set was removed. Restore the set, or choose another."), "set")
    try:
        before = QUESTION_SETS.questions(own.id, own.current).questions if own else ()
    except KeyError:
        raise LaunchError(
            _("The questions are missing or changed on the disk. Enter them again."), "set"
        ) from None
    if any(one.id == added.id for one in before):
        raise LaunchError(_("The set has this question already."), "set")
    meta = {"id": set_id} | ({"name": own.name, "note": own.note} if own else {})
    questions, onto = _checked(jsonl((*before, added))), own.current.sha256 if own else None
    try:
        return question_sets.save(user, meta, questions, onto=onto)
    except LaunchError as refused:
        raise LaunchError(str(refused), "set") from None


def _checked(lines: str) -> tuple[Question, ...]:
    """Return questions of JSON lines. Raises ``LaunchError`` with the first fault."""
    found = read_questions(lines.encode())
    for fault in found.faults:
        raise LaunchError(fault.message, "answers" if fault.key == "answers" else "set")
    return found.questions


@action("conversation.delete")
def delete(user: Any, chat: Conversation) -> Done[None]:
    """Delete a chat with its streams. Raises ``BusyError``: an answer of it is being generated."""
    streaming = chat.turns.filter(state=Turn.State.STREAMING).values_list("pk", flat=True)
    if any(is_running(number) for number in streaming):
        raise services.BusyError
    done = Done(None, f"conversation {chat.pk}")
    forget_asked()
    services.delete_conversation(chat)
    return done


def engine_ref(engine: queries.ChatEngine) -> AssetRef:
    """Return the engine as kinds of jobs see it."""
    if isinstance(engine.row, Endpoint):
        return endpoint_ref(engine.row)
    return deployment_ref(engine.row)


def _not_ready() -> LaunchError:
    return LaunchError(message("chat:not-ready", {}), "engine")


def _check_engine(
    engine: queries.ChatEngine | None, call: Call | NotCallable, form: AskForm
) -> None:
    """Raise ``LaunchError`` for a question that cannot be sent. The relay checks again, or takes
    what was checked here a moment ago."""
    if engine is None or (engine.deployment and not engine.is_offered):
        raise _not_ready()
    try:
        check_disk()
    except DiskReserved:
        raise LaunchError(message("chat:disk", {})) from None
    _variables(engine, form)
    # The address of a deployment may come with its next report.
    if engine.endpoint and isinstance(call, NotCallable):
        raise LaunchError(call.text or message(call.id, call.message_args), "engine")


def _variables(engine: queries.ChatEngine, form: AskForm) -> dict[str, Any]:
    """Return variables of the chat template. Raises ``LaunchError``: no switch of thinking, or
    two values for it."""
    given: dict[str, Any] = form.cleaned_data[VARIABLES]
    switch = extra_body(engine_ref(engine), form.cleaned_data["thinking"]).get(VARIABLES, {})
    if given.keys() & switch.keys():
        text = _("Thinking sets %(name)s. Remove it here, or choose the default for thinking.")
        raise LaunchError(text, VARIABLES, name=next(iter(switch)))
    return {**given, **switch}


def _add_turn(chat: Conversation, engine: queries.ChatEngine, form: AskForm, *, at: At) -> Turn:
    """Store a turn at its place. Raises ``BusyError``."""
    if chat.turns.filter(state=Turn.State.STREAMING).exists():
        raise services.BusyError
    params, prompt, begun = form.params(), form.cleaned_data["prompt"], ""
    variables = _variables(engine, form)
    extra: dict[str, Any] = {VARIABLES: variables} if variables else {}
    old = chat.turns.filter(pk=at.retried or at.continued or 0).first()
    parent = _last(chat, at.after) if old is None else old.parent
    if old is not None and at.continued:
        way = _continuation(engine)
        if way is None or not old.answer:
            parent = old
        else:
            prompt, begun, extra = old.prompt, old.answer, {**extra, **way}
    branch = branch_of(chat, parent.pk)[: parent.index + 1] if parent else []
    if parent and not all(one.is_shown for one in branch):
        services.show_attempt(parent)
    before = queries.turns_before(branch)
    history = [Exchange(one.prompt, one.answer) for one in before if one.answer]
    named: dict[str, Any] = {"params": params, "extra": extra, "engine": engine.engine_name}
    body = request_body(engine.model, prompt, history=history, **named)
    if begun:
        body["messages"].append({"role": "assistant", "content": begun})
    stored = {"prompt": prompt, "request": body, "params": params}
    return services.add_turn(chat, engine, **stored, parent=parent, continued=begun)


def _last(chat: Conversation, after: int | None) -> Turn | None:
    """Return the turn that a question follows; of one that failed without an answer, the newest
    attempt that has one."""
    branch = branch_of(chat, after)
    place = next((one for one in branch if one.pk == after), branch[-1] if branch else None)
    turn = chat.turns.get(pk=place.pk) if place else None
    return turn if turn is None or turn.answer else services.answered(turn) or turn


def _continuation(engine: queries.ChatEngine) -> dict[str, Any] | None:
    """Return what makes an engine continue the answer at the end of a request; None: it begins a
    new answer, or a thought."""
    return None if engine.thinks else CONTINUES.get(engine.engine_name.lower())
