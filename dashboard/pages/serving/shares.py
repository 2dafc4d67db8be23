"""Chats that leave and come: shares, which everyone who is logged in reads, and imports."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from dashboard.actions import chat_shares as actions
from dashboard.actions.chat_import import import_chat
from dashboard.chat.chat_file import turn_of
from dashboard.security.permissions import check, requires
from dashboard.security.request import member
from jobs.base import bounds
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.models import ChatShare, Conversation
from jobs.queries.chat import ShownTurn
from jobs.queries.chat_branches import BranchPlace


@requires("playground.use", "GET")
def share_list(request: HttpRequest) -> HttpResponse:
    """List own shares, the newest first."""
    rows = ChatShare.valid().filter(user_id=member(request.user).pk).defer("content")
    return render(request, "playground/shares.html", {"shares": rows})


@requires("playground.use", "GET", "HEAD", "POST")
def share_chat(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Ask for how long, with the shares of this chat (GET); share it (POST)."""
    chat = get_object_or_404(Conversation, pk=conversation_id)
    check(request.user, "conversation.share", chat)
    context: dict[str, Any] = {"chat": chat, "days": actions.DAYS, "problem": ""}
    if request.method == "POST":
        try:
            actions.share(request.user, chat, number_from(request.POST.get("days", "")))
        except LaunchError as refused:
            context["problem"] = str(refused)
        else:
            messages.success(request, _("Chat shared. Copy its link from the first row."))
            return redirect("share-list")
    context["shares"] = ChatShare.valid().filter(conversation=chat).defer("content")
    status = 422 if context["problem"] else 200
    return render(request, "playground/share.html", context, status=status)


@requires("playground.use", "POST")
def share_revoke(request: HttpRequest, share_key: str) -> HttpResponse:
    row = get_object_or_404(ChatShare, key=share_key)
    check(request.user, "conversation.share", row)
    actions.revoke(request.user, row)
    messages.success(request, _("Share revoked."))
    return redirect("share-list")


@requires("playground.use", "GET")
def shared(request: HttpRequest, share_key: str) -> HttpResponse:
    """Show a share as it was when it was made."""
    row = get_object_or_404(ChatShare.valid().select_related("user"), key=share_key)
    turns = [turn_of(one) for one in actions.shared_file(row).turns]
    shown = [ShownTurn(one, BranchPlace(one.pk, True, [one.pk], [one.pk])) for one in turns]
    return render(request, "playground/shared.html", {"share": row, "turns": shown})


@requires("playground.use", "GET", "POST")
def chat_import(request: HttpRequest) -> HttpResponse:
    """Ask for an exported chat (GET); store it as an own chat (POST)."""
    problem = ""
    if request.method == "POST":
        file = request.FILES.get("file")
        try:
            if file is None:
                raise LaunchError(_("Choose a file."), "file")
            number = import_chat(request.user, file.read(bounds.CHAT_FILE_BYTES + 1))
        except LaunchError as refused:
            problem = str(refused)
        else:
            messages.success(request, _("Chat imported."))
            return redirect("conversation", number)
    context = {"problem": problem, "most": bounds.CHAT_FILE_BYTES // 2**20}
    return render(request, "playground/import.html", context, status=422 if problem else 200)


urlpatterns: list[URLPattern] = [
    path("import/", chat_import, name="conversation-import"),
    path("shares/", share_list, name="share-list"),
    path("shares/<str:share_key>/", shared, name="share"),
    path("shares/<str:share_key>/revoke/", share_revoke, name="share-revoke"),
    path("<int:conversation_id>/share/", share_chat, name="conversation-share"),
]
