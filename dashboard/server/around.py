"""Middleware from steps around a view."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.http import HttpRequest, HttpResponseBase

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def around(
    get_response: GetResponse,
    before: Callable[[HttpRequest], HttpResponseBase | None] = lambda request: None,
    after: Callable[[HttpResponseBase], None] = lambda response: None,
    is_meant: Callable[[HttpRequest, HttpResponseBase], bool] = lambda request, response: False,
    replace: Callable[[HttpRequest, Any], HttpResponseBase] = lambda request, response: response,
    inside: Callable[[HttpRequest], AbstractContextManager[None]] = lambda request: nullcontext(),
) -> GetResponse:
    """Return a middleware. ``before`` may answer in place of ``get_response``. ``replace`` returns
    other answers for those that are meant. All of it is done ``inside`` a context."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        with inside(request):
            response = before(request)
            if response is None:
                response = get_response(request)
                after(response)
                if is_meant(request, response):
                    response = replace(request, response)
            return response

    return answer
