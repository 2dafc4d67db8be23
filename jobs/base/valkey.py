"""Redis and Valkey: addresses, with Celery's spelling; users and lines of Valkey's ACL.

The dashboard may do everything. A host may read its own queue and write nothing: a worker needs no
more (``jobs.host.agent.app``), so that a host reaches no other host's data and fills no memory.

A host imports this too: standard library only.
"""

import hashlib
from urllib.parse import parse_qs, quote, unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix")
DASHBOARD = "default"
# BRPOP takes a hint; LLEN, in a transaction, is how kombu declares a queue.
HOST_COMMANDS = "+brpop +llen +multi +exec +ping +client|setinfo"


def is_address(text: str) -> bool:
    """In redis-py's spelling."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    place = parts.path if parts.scheme == "unix" else parts.hostname
    return parts.scheme in SCHEMES and bool(place) and port != 0


def on_socket(path: str, password: str) -> str:
    """With the login of the user ``default``."""
    return f"unix://:{password}@{path}?db=0"


def on_network(host: str, port: int, login: str) -> str:
    """``login``: USER:PASSWORD."""
    shown = f"[{host}]" if ":" in host else host
    return f"redis://{login}@{shown}:{port}/0"


def with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{place}").geturl()


def without_login(text: str) -> str:
    """For people: the login, which may hold a password, is "…"."""
    login, at, place = text.rpartition("@")
    scheme, slashes, _login = login.partition("://")
    return f"{scheme}{slashes}…@{place}" if at and slashes else f"…@{place}" if at else text


def login_of(url: str) -> tuple[str, str]:
    """User and password; "" where the address has none."""
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or "")


def socket_of(url: str) -> str:
    """ "" for a TCP address."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else ""


def hostname_of(url: str) -> str:
    """ "" for a Unix socket."""
    parts = urlsplit(url)
    return "" if parts.scheme == "unix" else parts.hostname or ""


def database_of(url: str) -> str:
    parts = urlsplit(url)
    if numbers := parse_qs(parts.query).get("db"):
        return numbers[0]
    return (parts.path.strip("/") if parts.scheme != "unix" else "") or "0"


def for_celery(url: str) -> str:
    """``unix:///path?db=1`` is ``redis+socket:///path?virtual_host=1`` for Celery."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database_of(url)}"


def user_of(host: str) -> str:
    return f"host-{host}"


def dashboard_line(password: str) -> str:
    # Valkey compares this hash; passwords are long and random.
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"user {DASHBOARD} on #{digest} ~* &* +@all\n"


def host_rules(host: str, password_sha256: str, *, database: str = "0") -> str:
    """Name and rules of a host's user, as ``ACL SETUSER`` takes them. The worker selects a
    ``database`` other than "0"."""
    select = "" if database == "0" else " +select"
    return f"{user_of(host)} reset on #{password_sha256} ~host.{host} -@all {HOST_COMMANDS}{select}"


def passwords_of(lines: list[str]) -> dict[str, frozenset[str]]:
    """Return the hashes of passwords of each user, from the answer to ``ACL LIST``."""
    return {
        words[1]: frozenset(word.removeprefix("#") for word in words if word.startswith("#"))
        for words in map(str.split, lines)
    }
