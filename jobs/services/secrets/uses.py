"""Uses of secrets in a plan, by its steps' environments; and addresses below a URL prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from jobs import plans
from jobs.errors import PlanError
from jobs.models import Secret
from jobs.plans import SECRET, Plan, Step

# Purpose -> variable of the same step with the destination, and the tools' default.
_ADDRESSES: Mapping[str, tuple[str, str]] = {
    Secret.Purpose.HUB: ("HF_ENDPOINT", "https://huggingface.co"),
    Secret.Purpose.REGISTRY: ("REGISTRY_ADDRESS", "{deployment.url}"),
}
# Purpose of a secret, by the variable that gets it. A secret in another variable is refused.
VARIABLES: Mapping[str, str] = {
    "HF_TOKEN": Secret.Purpose.HUB,
    "API_KEY": Secret.Purpose.ENGINE,
    "EVALSCOPE_API_KEY": Secret.Purpose.ENGINE,
    "OPENAI_API_KEY": Secret.Purpose.ENGINE,
    "REGISTRY_PASSWORD": Secret.Purpose.REGISTRY,
    "VLLM_API_KEY": Secret.Purpose.ENGINE,
}
_PORTS = {"http": 80, "https": 443}
_BAD = re.compile(r"[\s\\@?#\x00-\x20]|%2e|%2f|%5c", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Use:
    """Use of secret ``name``: its purpose, "" for an unknown variable, and its destination.

    ``destination`` may have slots. "": the server that the plan itself starts.
    """

    name: str
    purpose: str
    destination: str

    def address(self, values: Mapping[str, str]) -> str | None:
        """Return the destination with its slots filled; None: not known yet."""
        try:
            return plans.fill_text(self.destination, values)
        except PlanError:
            return None


def uses(plan: Plan) -> list[Use]:
    """Return each different use of a secret, in the order of the steps."""
    serves = any(step.serves for step in plan.steps)
    found: dict[Use, None] = {}
    for step in plan.steps:
        for variable, text in step.env:
            for is_slot, piece in plans.pieces(text):
                if is_slot and piece.startswith(SECRET):
                    purpose = VARIABLES.get(variable, "")
                    to = "" if serves else _destination(purpose, step)
                    found[Use(piece.removeprefix(SECRET), purpose, to)] = None
    return list(found)


def _destination(purpose: str, step: Step) -> str:
    variable, default = _ADDRESSES.get(purpose, ("", "{deployment.url}"))
    return dict(step.env).get(variable) or default


def is_below(address: str, prefixes: Iterable[str]) -> bool:
    """Return True if ``address`` has scheme, host and port of a prefix, and its path or one below.

    ``https://hub.example/a`` contains ``https://hub.example/a/b``, not ``…/ab`` or ``…/a/../b``.
    """
    try:
        scheme, host, port, path = parts_of(address)
    except ValueError:
        return False
    for prefix in prefixes:
        *place, folder = parts_of(prefix)
        if place == [scheme, host, port] and f"{path}/".startswith(f"{folder}/"):
            return True
    return False


def parts_of(address: str) -> tuple[str, str, int, str]:
    """Return (scheme, host, port, path without a slash at its end) of an http address.

    Raises:
        ValueError: another scheme, no host, or what clients read in different ways: an account, a
        query, a fragment, a dot segment, an encoded separator, a backslash, a space.
    """
    if _BAD.search(address):
        raise ValueError(address)
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(address)
    if {".", ".."} & set(parts.path.split("/")) or "//" in parts.path:
        raise ValueError(address)
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")
