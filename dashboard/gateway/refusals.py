"""Refusals of the gateway, in OpenAI's shape: its clients choose their exception by status."""

import json
from collections.abc import Sequence
from http import HTTPStatus

_TYPES = {401: "invalid_request_error", 403: "permission_error", 429: "rate_limit_error"}


class GatewayRefusal(Exception):
    """A request that is answered with an error. ``code``: for programs. ``wait_s``: seconds until a
    repeat may succeed; None: not known, or never. ``is_final``: a repeat changes nothing."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        text: str,
        *,
        wait_s: int | None = None,
        param: str | None = None,
        is_final: bool = False,
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.text = status, code, text
        self._wait_s, self._param, self._is_final = wait_s, param, is_final

    @property
    def body(self) -> bytes:
        kind = _TYPES.get(
            self.status, "invalid_request_error" if self.status < 500 else "api_error"
        )
        kind = self.code if self.code == "insufficient_quota" else kind
        error = {"message": self.text, "type": kind, "param": self._param, "code": self.code}
        return json.dumps({"error": error}).encode()

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        found = []
        if self._wait_s is not None:
            found.append((b"retry-after", str(max(1, self._wait_s)).encode()))
        if self._is_final:
            found.append((b"x-should-retry", b"false"))
        if self.status == HTTPStatus.UNAUTHORIZED:
            found.append((b"www-authenticate", b"Bearer"))
        return found


def bad_request(text: str, param: str | None = None) -> GatewayRefusal:
    code = "invalid_request_error"
    return GatewayRefusal(HTTPStatus.BAD_REQUEST, code, text, param=param)


def unknown_model(name: str) -> GatewayRefusal:
    text = f"The model {name!r} does not exist or you do not have access to it."
    return GatewayRefusal(HTTPStatus.NOT_FOUND, "model_not_found", text, param="model")


def rate_limited(text: str, wait_s: int) -> GatewayRefusal:
    status = HTTPStatus.TOO_MANY_REQUESTS
    return GatewayRefusal(status, "rate_limit_exceeded", text, wait_s=wait_s)


def unavailable(text: str, wait_s: int, code: str = "engine_unavailable") -> GatewayRefusal:
    return GatewayRefusal(HTTPStatus.SERVICE_UNAVAILABLE, code, text, wait_s=wait_s)
