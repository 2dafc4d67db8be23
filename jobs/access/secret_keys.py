"""Key file of secrets: one Fernet key a line; the first encrypts, all decrypt. It is
``SECRETS_KEY_FILE``, or ``DATA_DIR/secrets/encryption_key``, made with the first secret."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.translation import gettext as _

from jobs.base.errors import JobsError
from jobs.base.files import locked, write_atomic


class KeyUnusable(JobsError):
    """The key file is missing, is none, or is not the one that encrypted a secret."""

    id = "secret:key"


def key_file() -> Path:
    return Path(settings.SECRETS_KEY_FILE or _folder() / "encryption_key")


@contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time write secrets or keys: a key that encrypts now stays until the end.
    ``DATA_DIR`` belongs to one dashboard, so that a lock in it holds for all its processes."""
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(_folder() / ".writing"):
        yield


def load() -> list[bytes]:
    """Keys of the file, the encrypting one first. Raises ``KeyUnusable``."""
    path = key_file()
    try:
        lines = path.read_bytes().split()
    except FileNotFoundError:
        text = _("The key file of secrets is missing: %(path)s. Restore it from a backup.")
        raise KeyUnusable(text % {"path": path}) from None
    except OSError as error:
        text = _("The key file of secrets cannot be read: %(path)s (%(problem)s).")
        raise KeyUnusable(text % {"path": path, "problem": error.strerror}) from None
    with suppress(ValueError):  # no key: refused below, as an empty file is
        if lines and all(map(Fernet, lines)):
            return lines
    text = _("The key file of secrets holds no valid key: %(path)s. Restore it from a backup.")
    raise KeyUnusable(text % {"path": path})


def make() -> list[bytes]:
    """Return the keys; without a file, make one. Only for a dashboard that has no secrets yet."""
    if not key_file().exists():
        write([new()])
    return load()


def new() -> bytes:
    return Fernet.generate_key()


def write(keys: Sequence[bytes]) -> None:
    """Replace the file, mode 0600, whole or not at all. Raises ``KeyUnusable``."""
    path = key_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(path, b"".join(key + b"\n" for key in keys), mode=0o600)
    except OSError as error:
        text = _("The key file of secrets cannot be written: %(path)s (%(problem)s).")
        raise KeyUnusable(text % {"path": path, "problem": error.strerror}) from None


def encrypt(name: str, value: str, keys: Sequence[bytes]) -> str:
    """Return ``value`` encrypted by the first key, bound to its name."""
    return Fernet(keys[0]).encrypt(json.dumps([name, value]).encode()).decode()


def decrypt(name: str, encrypted: str, keys: Sequence[bytes]) -> str:
    """Raises ``KeyUnusable``: none of ``keys`` encrypted it, or it belongs to another name."""
    try:
        owner, value = json.loads(MultiFernet([Fernet(key) for key in keys]).decrypt(encrypted))
    except InvalidToken:
        owner, value = None, ""
    if owner != name:
        text = _(
            "Secret %(name)s was encrypted with another key than that of %(path)s. Restore the "
            "earlier key file, or set the secret again."
        )
        raise KeyUnusable(text % {"name": name, "path": key_file()})
    return str(value)


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "secrets"
