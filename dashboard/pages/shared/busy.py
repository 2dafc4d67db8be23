"""Page that says what is not possible at the moment, and why."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.text.messages import message
from jobs.confined import NotDone


def busy_page(request: HttpRequest, what: str, why: str | NotDone) -> HttpResponse:
    if isinstance(why, NotDone):
        why = message(why.message.id, why.message.args)
    context = {"what": what, "why": why}
    return render(request, "errors/busy.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
