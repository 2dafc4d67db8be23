"""A request and its thread."""

import asyncio

import asgiref.sync
import pytest
from asgiref.testing import ApplicationCommunicator

from dashboard.asgi import OneThread

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
