"""A person who is logged in to a running dashboard, without a browser."""

import http.cookiejar
import urllib.parse
import urllib.request

from tests.stack import PASSWORD, Stack
from tests.waiting import PATIENCE_S


class LoggedIn:
    def __init__(self, stack: Stack) -> None:
        self._url = stack.url
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies)
        )
        self.page("login/")
        form = {"username": "admin", "password": PASSWORD}
        self.page("login/", urllib.parse.urlencode(form).encode())

    def page(self, path: str, data: bytes | None = None) -> str:
        """Address at which a page is, after redirects. GET, or POST of a form's ``data``.

        Raises:
            urllib.error.HTTPError: its status is no success.
        """
        return self._answer(path, data)[0]

    def html(self, path: str) -> str:
        return self._answer(path)[1]

    def _answer(self, path: str, data: bytes | None = None) -> tuple[str, str]:
        tokens = [one.value or "" for one in self._cookies if one.name == "csrftoken"]
        headers = {"Referer": self._url, "X-CSRFToken": "".join(tokens)}
        request = urllib.request.Request(f"{self._url}/{path}", data, headers)
        with self._opener.open(request, timeout=PATIENCE_S) as answer:
            content = answer.read().decode()
            return str(answer.geturl()).removeprefix(self._url), content

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)
