"""Chats that leave and come: shares to make, list, read by key and revoke; imports."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query

from dashboard.actions import chat_shares as actions
from dashboard.actions.chat_import import import_chat
from dashboard.actions.chat_shares import shared_file
from dashboard.api import base
from dashboard.api.base import ApiAnswer, Asked, Json, Operations, Page, Time, about, listing, read
from dashboard.api.chat import ConversationAnswer, find_chat
from dashboard.chat.chat_file import ChatFile
from dashboard.security.audit_log import record_hidden
from dashboard.security.permissions import allowed
from dashboard.security.request import member
from jobs.base import bounds
from jobs.models import ChatShare

shares = Operations("Conversations", "shares")
imports = Operations("Conversations", "conversations/import")
of_chat = Operations("Conversations", "conversations/{int:conversation_id}/shares")


class ShareAnswer(ApiAnswer):
    """A share: a snapshot of a conversation's branch."""

    key: str = about("in its address: /playground/shares/KEY/")
    conversation: int = read("conversation_id")
    title: str
    person: str = read("user.username")
    created_at: Time
    expires_at: Time


class WholeShare(ShareAnswer):
    """A share with its snapshot."""

    chat: ChatFile = about("as the JSON export of a chat, of one branch")


Shares = listing("Shares", "A page of own shares.", "shares", ShareAnswer)


class ShareAsked(Asked):
    """A share to make."""

    days: int = about("until it expires: 1, 7 or 30")


@shares.on("GET ", "playground.use", "api-shares", Shares)
def list_shares(request: HttpRequest, query: Query[Page]) -> Json:
    """List own shares. Newest first, without expired ones."""
    own = ChatShare.valid().filter(user_id=member(request.user).pk).select_related("user")
    rows, older = base.filtered_page(query, own.defer("content"), {})
    return base.page(request, "shares", [ShareAnswer.of(row) for row in rows], older)


@shares.on("GET /{str:share_key}", "playground.use", "api-share", WholeShare)
def read_share(request: HttpRequest, share_key: str) -> Json:
    """Read a share. Everyone who is logged in and knows its key reads it."""
    row = get_object_or_404(ChatShare.valid().select_related("user"), key=share_key)
    return WholeShare.of(row, chat=shared_file(row).model_dump(mode="json", exclude_unset=True))


@shares.on("DELETE /{str:share_key}", "conversation.share", "api-share", ShareAnswer)
def revoke_share(request: HttpRequest, share_key: str) -> Json:
    """Revoke a share. Own shares; its address leads nowhere from now on."""
    row = get_object_or_404(ChatShare.objects.select_related("user"), key=share_key)
    if not allowed(request.user, "conversation.share", row):
        record_hidden(request)
        raise base.missing()
    shown = ShareAnswer.of(row)
    actions.revoke(request.user, row)
    return shown


_FILE = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"content": {"application/octet-stream": _FILE}}}


@imports.on(
    "POST ",
    "playground.use",
    "api-conversation-import",
    ConversationAnswer,
    *(201, 413, 422),
    document=_BODY,
)
def import_conversation(request: HttpRequest) -> Json:
    """Import a conversation. The body is the JSON export of a chat; it becomes an own conversation
    with all branches and attempts."""
    number = import_chat(request.user, request.read(bounds.CHAT_FILE_BYTES + 1))
    return ConversationAnswer.of(find_chat(request, number, "conversation.view"))


@of_chat.on("POST ", "conversation.share", "api-conversation-shares", ShareAnswer, 201, 422)
def share_conversation(request: HttpRequest, conversation_id: int, asked: ShareAsked) -> Json:
    """Share a conversation. Store a snapshot of the branch that is shown. Own conversations."""
    chat = find_chat(request, conversation_id, "conversation.share")
    return ShareAnswer.of(actions.share(request.user, chat, asked.days))
