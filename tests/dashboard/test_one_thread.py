"""A request and its thread."""

import asyncio
import threading

import asgiref.sync
import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse

from dashboard.asgi import OneThread
from jobs.confined import ASKER_LEFT
from tests.waiting import PATIENCE_S

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/login/",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1")],
}


@pytest.mark.django_db(transaction=True)
def test_middlewares_and_view_go_to_their_thread_once(monkeypatch):
    went, handler = [], asgiref.sync.SyncToAsync.thread_handler

    def counted(self, *args, **kwargs):
        went.append(self.func)
        return handler(self, *args, **kwargs)

    monkeypatch.setattr(asgiref.sync.SyncToAsync, "thread_handler", counted)
    app = OneThread()

    async def asked():
        page = ApplicationCommunicator(app, SCOPE)
        await page.send_input({"type": "http.request"})
        return (await page.receive_output(60))["status"]

    assert asyncio.run(asked()) == 200
    assert went.count(app.get_response) == 1
    assert len(went) <= 3, went  # before and after it: Django's signals


def test_the_thread_of_a_request_learns_that_its_client_has_left(monkeypatch):
    app, begun, learnt = OneThread(), threading.Event(), []

    def view(_request):
        begun.set()
        learnt.append(ASKER_LEFT.get().wait(PATIENCE_S))
        return HttpResponse()

    monkeypatch.setattr(app, "get_response", view)

    async def asked():
        page = ApplicationCommunicator(app, SCOPE)
        await page.send_input({"type": "http.request"})
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        await page.send_input({"type": "http.disconnect"})
        await page.wait(PATIENCE_S)

    asyncio.run(asked())
    assert learnt == [True]
