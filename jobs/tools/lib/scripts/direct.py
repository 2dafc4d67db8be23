"""Direct requests to an engine, beside the script that sends them: no proxy, no redirect, one
deadline for the whole answer."""

import json
import signal
import urllib.request
from contextlib import contextmanager

LONGEST_ANSWER = 4 * 1024 * 1024  # bytes


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like others: neither key nor prompts follow it."""

    def redirect_request(self, *args):
        """Return no request."""


# A proxy for the outside has no business between an engine and its host, and would see the key.
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


@contextmanager
def within(seconds):
    """Raise TimeoutError after that time, however slowly the bytes arrive."""

    def end(*_signal):
        raise TimeoutError(f"no complete answer within {seconds} s")

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def request(url, key=""):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return urllib.request.Request(url, headers=headers)  # noqa: S310 -- http or https


def models_of(url, key=""):
    """Raises OSError, ValueError, KeyError or TypeError where the server lists no models."""
    with within(10), OPEN.open(request(f"{url}/v1/models", key), timeout=10) as answer:
        content = answer.read(LONGEST_ANSWER + 1)
    if len(content) > LONGEST_ANSWER:
        raise ValueError(f"the answer is longer than {LONGEST_ANSWER} bytes")
    return [item["id"] for item in json.loads(content)["data"]]
