"""Users of the embedded Valkey: one a host, from the database to its file and the running server.

The file is what a start of Valkey reads. The running server gets changes at once. With another
Redis (``REDIS_URL``) nothing happens here: an administrator enters the users there.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from django.conf import settings

from jobs.base.files import write_atomic
from jobs.base.valkey import (
    dashboard_line,
    database_of,
    host_line,
    host_rules,
    login_of,
    passwords_of,
    socket_of,
    user_of,
)
from jobs.models import Host

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0


def are_managed() -> bool:
    """True with the embedded Valkey, whose users follow the database."""
    return settings.VALKEY_USERS_FILE is not None


def have_passwords() -> bool:
    """True when the Redis address for other hosts has a password of each host."""
    return "{password}" in settings.HOST_REDIS_URL


def new_password() -> str:
    return secrets.token_urlsafe(32)


def command_for(host: Host) -> str:
    """Return the command with which an administrator enters the host's user in another Redis.
    "" for a host that needs none there."""
    if are_managed() or not host.valkey_sha256:
        return ""
    database = database_of(settings.HOST_REDIS_URL)
    return f"ACL SETUSER {host_rules(host.name, host.valkey_sha256, database=database)}"


def command_without(host: Host) -> str:
    """Return the command that removes that user; "" for a host that has none there."""
    return "" if are_managed() or not host.valkey_sha256 else f"ACL DELUSER {user_of(host.name)}"


def lacks_user(host: Host) -> bool:
    """True for another machine's host set up without a Valkey user, which it would get now."""
    is_remote = host.type == Host.Type.VACC and bool(host.key_sha256)
    return is_remote and have_passwords() and not host.valkey_sha256


def sync() -> None:
    """Make the users of the embedded Valkey those of the database. Never raises.
    A removed user and one with another password lose their connections. Without an answer the file
    is right for the next start of Valkey, and the next round of the sweep tries again."""
    path: Path | None = settings.VALKEY_USERS_FILE
    if path is None:
        return
    try:
        with _alone(path):
            hosts = dict(
                Host.objects.exclude(valkey_sha256="").values_list("name", "valkey_sha256")
            )
            _write(path, hosts)
            if Path(socket_of(settings.REDIS_URL)).exists():
                _tell_server(hosts)
    except (redis.RedisError, OSError) as error:
        logger.warning("users of Valkey are not up to date: %s", error)


def _write(path: Path, hosts: dict[str, str]) -> None:
    _user, password = login_of(settings.REDIS_URL)
    lines = [host_line(name, sha256) for name, sha256 in sorted(hosts.items())]
    text = "".join([dashboard_line(password), *lines])
    if path.exists() and path.read_text() == text:
        return
    write_atomic(path, text.encode(), mode=0o600)


def _tell_server(hosts: dict[str, str]) -> None:
    """Load the file, unless the server has these passwords already."""
    wanted = {user_of(name): frozenset({sha256}) for name, sha256 in hosts.items()}
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    ) as client:
        present = passwords_of(client.execute_command("ACL LIST"))
        present.pop("default", None)
        if present == wanted:
            return
        # Valkey closes the connections of users that are gone, not those with an old password.
        client.execute_command("ACL LOAD")
        for user in present.keys() & wanted.keys():
            if present[user] != wanted[user]:
                client.execute_command("CLIENT KILL", "USER", user)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time read the hosts and write their users."""
    fd = os.open(path.with_name(".users.lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
