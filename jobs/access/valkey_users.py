"""Users of the embedded Valkey, one a host: from the database to its file, which a start reads, and
to the running server. With another Redis an administrator enters the users there."""

import logging
import secrets
from pathlib import Path

import redis
from django.conf import settings

from jobs.base import valkey
from jobs.base.files import locked, write_atomic
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
    """Command that enters the host's user in another Redis; "" for a host that needs none."""
    if are_managed() or not host.valkey_sha256:
        return ""
    database = valkey.database_of(settings.HOST_REDIS_URL)
    return f"ACL SETUSER {valkey.host_rules(host.name, host.valkey_sha256, database=database)}"


def command_without(host: Host) -> str:
    """Return the command that removes that user; "" for a host that has none there."""
    has_none = are_managed() or not host.valkey_sha256
    return "" if has_none else f"ACL DELUSER {valkey.user_of(host.name)}"


def lacks_user(host: Host) -> bool:
    """True for another machine's host set up without a Valkey user, which it would get now."""
    is_remote = host.type == Host.Type.VACC and bool(host.key_sha256)
    return is_remote and have_passwords() and not host.valkey_sha256


def sync() -> None:
    """Make the users of the embedded Valkey those of the database. Removed and changed users lose
    their connections. Never raises: without an answer, the next round of the sweep tries again."""
    path: Path | None = settings.VALKEY_USERS_FILE
    if path is None:
        return
    try:
        with locked(path.with_name(".users.lock")):
            known = Host.objects.exclude(valkey_sha256="").order_by("name")
            hosts = dict(known.values_list("name", "valkey_sha256"))
            _user, password = valkey.login_of(settings.REDIS_URL)
            lines = [f"user {valkey.host_rules(*each)}\n" for each in sorted(hosts.items())]
            text = "".join([valkey.dashboard_line(password), *lines])
            if not path.exists() or path.read_text() != text:
                write_atomic(path, text.encode(), mode=0o600)
            if Path(valkey.socket_of(settings.REDIS_URL)).exists():
                _tell_server(hosts)
    except (redis.RedisError, OSError) as error:
        logger.warning("users of Valkey are not up to date: %s", error)


def _tell_server(hosts: dict[str, str]) -> None:
    """Load the file, unless the server has these passwords already."""
    wanted = {valkey.user_of(name): frozenset({sha256}) for name, sha256 in hosts.items()}
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    ) as client:
        present = valkey.passwords_of(client.execute_command("ACL LIST"))
        present.pop("default", None)
        if present == wanted:
            return
        # Valkey closes the connections of users that are gone, not those with an old password.
        client.execute_command("ACL LOAD")
        for user in present.keys() & wanted.keys():
            if present[user] != wanted[user]:
                client.execute_command("CLIENT KILL", "USER", user)
