"""Errors of the client, and exit codes of the command."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of ``vacc``, as the documentation lists them."""

    YES = 0
    JOB_FAILED = 1
    USAGE = 2  # as click has it
    NOT_MET = 3
    CANNOT_TELL = 4
    REFUSED = 5
    UNREACHABLE = 6
    DAMAGED = 7


class ClientError(Exception):
    """An error with a text for people."""

    exit_code = Exit.USAGE


class Refused(ClientError):
    """The dashboard answered with an error. ``fields``: texts by name of the wrong field."""

    exit_code = Exit.REFUSED

    def __init__(self, status: int, code: str, message: str, *, fields: dict[str, str]) -> None:
        details = "".join(f"\n  {name}: {text}" for name, text in fields.items())
        super().__init__(f"{message} ({status} {code}){details}")
        self.status, self.code, self.fields = status, code, fields


class Unreachable(ClientError):
    """No complete answer of a dashboard came from the address."""

    exit_code = Exit.UNREACHABLE


class DamagedFile(ClientError):
    """A downloaded file has another SHA-256 than the dashboard names."""

    exit_code = Exit.DAMAGED
