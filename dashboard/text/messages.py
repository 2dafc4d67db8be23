"""Messages for people, by id, in the viewer's language.

Records store an id and arguments (``jobs.base.messages.Message``), so that each viewer gets their
own language. An id is ``area:case``; a placeholder is a named one: ``%(name)s``. The texts of the
tables are translated when they are shown; ``manage.py translations`` collects them.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from django.utils.functional import Promise
from django.utils.translation import gettext

from dashboard.text.formatting import (
    Arguments,
    counted,
    joined,
    measured,
    number,
    percent,
    points,
)
from dashboard.text.guide_messages import GUIDE_MESSAGES
from dashboard.text.job_messages import JOB_MESSAGES
from dashboard.text.known_failures import words_of
from dashboard.text.labels import (
    STATES,
    asset_word,
    check_word,
    host_word,
    phrase,
    stack_name,
    step_title,
    unit_word,
)
from dashboard.text.queue_messages import QUEUE_MESSAGES, server_names, to_stop
from dashboard.text.result_messages import RESULT_MESSAGES
from jobs.kinds.lib import vacc
from jobs.models import Deployment
from jobs.statistics.paired import Decision

MESSAGES: dict[str, str | Promise] = {
    **JOB_MESSAGES,
    **QUEUE_MESSAGES,
    **RESULT_MESSAGES,
    **GUIDE_MESSAGES,
    **vacc.LIMIT_WORDS,  # requests beyond the limits of the model, the stack or the card
}
# Remarks on how a result was measured; not warnings.
PLAIN_REMARKS = frozenset(
    {
        *("evaluate:means", "evaluate:sets", "benchmark:no_server", "benchmark:no_stream"),
        *("benchmark:bare_stream", "convert:think_tokens", "deploy:own_template"),
        *(f"evaluate:look_{decision}" for decision in get_args(Decision)),
    }
)
# Arguments that are internal names, and functions that translate them.
_WORDS: dict[str, Callable[[str], str]] = {
    "state": lambda name: str(STATES[name].word) if name in STATES else name,
    "step": step_title,
    "stack": stack_name,
    "input": asset_word,
    "check": check_word,
    "host": host_word,
    "title": phrase,
    "label": phrase,
    "what": lambda text: gettext(text) if text else "",
}
# Arguments that are numbers, and their formats. Others stay unchanged.
_NUMBERS: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("output_tokens_per_s", "total_tokens_per_s", "seconds", "load"), measured),
    **dict.fromkeys(("accuracy", "macro", "weighted"), lambda share: percent(share / 100)),
    **dict.fromkeys(("gap", "low", "high"), points),  # of shares, from -1 to 1
    **dict.fromkeys(
        (
            *("failed", "total", "questions", "requests", "cut", "unscored", "empty"),
            *("asked", "most", "measured", "max_tokens", "tokens", "hours", "chats", "running"),
        ),
        counted,
    ),
}


def message(message_id: str, args: Mapping[str, Any] | None = None) -> str:
    """Return the message in the viewer's language; "" for no id, the id itself if unknown.
    A known failure among the arguments adds its cause and advice; the most telling log line comes
    first. Arguments that do not fit the text are shown raw, after the id: a message never
    raises."""
    text = MESSAGES.get(message_id)
    if text is None:
        return message_id
    try:
        return _filled(text, args)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return f"{message_id}: {args!s:.300}"


def _filled(text: str | Promise, args: Mapping[str, Any] | None) -> str:
    given = dict(args or {})
    known, line = words_of(given.pop("failure", None)), telling_line(given.pop("telling", None))
    if isinstance(given.get("found"), list):  # nested messages
        parts = [message(item["message_id"], item["message_args"]) for item in given["found"]]
        given["found"] = " ".join(parts)
    if isinstance(given.get("servers"), list):
        given |= {"stop": to_stop(given), "servers": server_names(given["servers"])}
    given |= {name: word(str(given[name])) for name, word in _WORDS.items() if name in given}
    given |= {name: _number(given[name], form) for name, form in _NUMBERS.items() if name in given}
    full = (gettext(text) if isinstance(text, str) else str(text)) % Arguments(given)
    if line and not known:
        return f"{line} · {full}"
    return f"{full} {known}" if known else full


def _number(value: Any, form: Callable[[float], str]) -> Any:
    """Return ``value`` in its format, or unchanged.
    Older rows have rounded numbers as text, which get no further decimals."""
    if isinstance(value, bool):
        return value
    try:
        shown = form(float(value))
    except (TypeError, ValueError):
        return value
    if isinstance(value, str) and _decimals(shown) > _decimals(value):
        return value
    return shown


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def telling_line(kept: Any) -> str:
    """Return the log line of a message's arguments
    (``jobs.services.outcomes.known_failures.cause``); "" for none."""
    text = kept.get("text") if isinstance(kept, Mapping) else None
    return text if isinstance(text, str) else ""


def server_message(deployment: Deployment) -> str:
    """Return the message of a deployment, with the loading progress of its server."""
    line = message(deployment.message_id, deployment.message_args)
    progress = deployment.progress or {}
    if deployment.state != Deployment.State.LOADING or not progress.get("total"):
        return line
    counts = gettext("%(done)s of %(total)s %(unit)s.") % {
        "done": number(progress["done"]),
        "total": number(progress["total"]),
        "unit": unit_word(progress["unit"]),
    }
    return joined(line, counts)
