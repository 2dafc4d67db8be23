"""Report the slowest request of a run."""

import time
from typing import Any

import pytest
from django.test import Client

_slowest: tuple[float, str] = (0.0, "")


@pytest.fixture(autouse=True)
def _timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note how long each request of Django's test client takes."""
    request = Client.request

    def timed(self: Client, **environ: Any) -> Any:
        global _slowest
        start = time.monotonic()
        try:
            return request(self, **environ)
        finally:
            spent_s = time.monotonic() - start
            if spent_s > _slowest[0]:
                _slowest = (spent_s, f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'][:100]}")

    monkeypatch.setattr(Client, "request", timed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _slowest[1]:
        terminalreporter.write_line(f"Slowest request: {_slowest[0]:.2f} s, {_slowest[1]!r}.")
