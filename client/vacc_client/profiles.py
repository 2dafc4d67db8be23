"""Profiles: addresses of dashboards in the user's config folder, tokens in the system's keyring."""

import json
import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from vacc_client.errors import ClientError

_SERVICE = "vacc-client"


class Access(NamedTuple):
    """Address of a dashboard, and a token there."""

    url: str
    token: str


def config_file() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "vacc" / "profiles.json"


def access(profile: str = "") -> Access:
    """Return address and token: VACC_URL and VACC_TOKEN, else of the profile."""
    name = profile or os.environ.get("VACC_PROFILE") or "default"
    own = _read().get(name, {})
    url = os.environ.get("VACC_URL") or own.get("url", "")
    token = os.environ.get("VACC_TOKEN") or ""
    # A stored token goes to the address that it was stored for only.
    if not token and url.rstrip("/") == own.get("url"):
        token = own.get("token") or _from_keyring(url, name)
    if not url or not token:
        missing = "address" if not url else "token"
        raise ClientError(f"Profile {name} has no {missing}. Run: vacc login --profile {name} URL")
    return Access(url, token)


def save(profile: str, found: Access) -> str:
    """Store a profile, and return where its token is."""
    known, own = _read(), {"url": found.url.rstrip("/")}
    where = "keyring"
    if not _in_keyring(f"{profile} {own['url']}", found.token):
        where, own["token"] = str(config_file()), found.token
    _write({**known, profile: own})
    return where


def _in_keyring(name: str, token: str) -> bool:
    """Store a token in the keyring; return True if it is there."""
    try:
        keyring = _keyring()
        if keyring is None:
            return False
        keyring.set_password(_SERVICE, name, token)
        # A keyring that is switched off takes a token and has none.
        return bool(keyring.get_password(_SERVICE, name) == token)
    except Exception:  # a keyring without a backend raises errors of its own
        return False


def _keyring() -> Any:
    try:
        return import_module("keyring")
    except ImportError:
        return None


def _from_keyring(url: str, profile: str) -> str:
    keyring = _keyring()
    try:
        found = keyring and keyring.get_password(_SERVICE, f"{profile} {url.rstrip('/')}")
    except Exception as error:
        raise ClientError(f"The keyring cannot be read: {error}") from error
    return str(found or "")


def _read() -> dict[str, dict[str, str]]:
    path = config_file()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ClientError(f"{path} cannot be read: {error}") from error
    if not isinstance(known, dict) or not all(isinstance(one, dict) for one in known.values()):
        raise ClientError(f"{path} has no profiles.")
    return known


def _write(profiles: dict[str, dict[str, str]]) -> None:
    path = config_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(profiles, file, indent=1)
        Path(name).replace(path)
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error}") from error
