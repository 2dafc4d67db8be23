"""Messages for people, by id, in the viewer's language; known failures and stalled jobs in words.

Records store an id and arguments (``jobs.base.messages.Message``), so that each viewer gets their
own language. An id is ``area:case``; a placeholder is a named one: ``%(name)s``. The texts of the
tables are translated when they are shown; ``manage.py translations`` collects them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.text import labels
from dashboard.text.check_and_queue_messages import QUEUE_MESSAGES, server_names, to_stop
from dashboard.text.formatting import (
    Arguments,
    counted,
    duration,
    joined,
    measured,
    moment,
    number,
    percent,
    points,
)
from dashboard.text.job_messages import GUIDE_MESSAGES, JOB_MESSAGES
from dashboard.text.result_messages import RESULT_MESSAGES
from jobs.catalog.known_failures import KNOWN_FAILURES, KnownFailure, Severity
from jobs.kinds import KINDS
from jobs.kinds.lib import vacc
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import is_away
from jobs.queries.jobs.progress import stalled_since
from jobs.statistics.paired import Decision

# The last: requests beyond the limits of the model, the stack or the card.
TABLES: tuple[Mapping[str, str | Promise], ...] = (
    *(JOB_MESSAGES, QUEUE_MESSAGES, RESULT_MESSAGES, GUIDE_MESSAGES, vacc.LIMIT_WORDS),
)
MESSAGES: dict[str, str | Promise] = {id: text for table in TABLES for id, text in table.items()}
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
    "state": lambda name: str(labels.STATES[name].word) if name in labels.STATES else name,
    "step": labels.step_title,
    "stack": labels.stack_name,
    "input": labels.asset_word,
    "check": labels.check_word,
    "host": labels.host_word,
    "title": labels.phrase,
    "label": labels.phrase,
    "what": lambda text: gettext(text) if text else "",
}
# Arguments that are numbers, and their formats. Others stay unchanged.
_NUMBERS: dict[str, Callable[[float], str]] = {
    **dict.fromkeys(("output_tokens_per_s", "total_tokens_per_s", "seconds", "load"), measured),
    "silent_s": duration,
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
    failure, args_of_failure = _read(given.pop("failure", None))
    texts = (failure.cause, failure.advice) if failure else ()
    known = joined(*(gettext(one) % args_of_failure for one in texts))
    line = telling_line(given.pop("telling", None))
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
    """Return a value in its format, or unchanged. Older rows have rounded numbers as text, which
    get no further decimals."""
    if isinstance(value, bool):
        return value
    try:
        shown = form(float(value))
    except (TypeError, ValueError):
        return value
    after, most = (len(text.partition(".")[2]) for text in (shown, str(value)))
    return value if isinstance(value, str) and after > most else shown


def telling_line(kept: Any) -> str:
    """Return the log line of a message's arguments
    (``jobs.services.outcomes.outcomes.cause``); "" for none."""
    text = kept.get("text") if isinstance(kept, Mapping) else None
    return text if isinstance(text, str) else ""


def server_message(deployment: Deployment) -> str:
    """Return the message of a deployment, with the loading progress of its server."""
    if labels.state_of(deployment) == labels.HOST_AWAY:
        time = _heard_of(deployment.host)
        return gettext("Offline since %(time)s; data shown is from then.") % {"time": time}
    line = message(deployment.message_id, deployment.message_args)
    progress = deployment.progress or {}
    if deployment.state != Deployment.State.LOADING or not progress.get("total"):
        return line
    counts = {name: number(progress[name]) for name in ("done", "total")}
    counts["unit"] = labels.unit_word(progress["unit"])
    return joined(line, gettext("%(done)s of %(total)s %(unit)s.") % counts)


def offline_since(host: Host) -> str:
    """Say since when a host is offline, beside what it reported before."""
    return gettext("%(host)s has been offline since %(time)s; data shown is from then.") % {
        "host": labels.host_title(host),
        "time": _heard_of(host),
    }


def _heard_of(host: Host) -> str:
    return moment(host.heartbeat_at) if host.heartbeat_at else "?"


# Actions besides fixing the cause.
_NEXT: dict[Severity, str | Promise] = {
    "error": _("Fix the cause first: a retry with the same settings would fail again."),
    "transient": _("Possibly temporary: retry unchanged."),
    "warning": _("The job continued. Its numbers are unreliable until the cause is fixed."),
}


class FailureView(NamedTuple):
    """For a card beside the failing line. ``on_host``: it is fixed there. ``where`` is "" for the
    record's own log, "server" for that of a job's deployment, else the path of an output; ``line``
    counts from 1, None where no line shows it."""

    id: str
    cause: str
    advice: str
    next: str
    severity: Severity
    where: str
    line: int | None
    offset: int | None
    on_host: bool = False


def view_of(record: Job | Deployment) -> FailureView | None:
    """The known failure that ended a job or a server; None where none is known."""
    kept: Any = (record.message_args or {}).get("failure")
    failure, args = _read(kept)
    if failure is None:
        return None
    line, offset = kept.get("line"), kept.get("offset")
    return FailureView(
        id=failure.id,
        cause=gettext(failure.cause) % args,
        advice=gettext(failure.advice) % args,
        next=str(_NEXT[failure.severity]),
        severity=failure.severity,
        where=str(kept.get("where") or ""),
        line=line if isinstance(line, int) else None,
        offset=offset if isinstance(offset, int) else None,
        on_host=failure.on_host,
    )


def _read(kept: Any) -> tuple[KnownFailure | None, Arguments]:
    """Return failure and arguments of any stored content: it is from hosts or older versions."""
    if not isinstance(kept, dict) or not isinstance(kept.get("args") or {}, dict):
        return None, Arguments()
    return KNOWN_FAILURES.get(str(kept.get("id"))), Arguments(kept.get("args") or {})


def stalled_text(job: Job) -> str:
    """Return how long a job has been stalled, and what to do; "" if not stalled, or if
    its host is offline. It may resume at any time, so nothing ends it."""
    since = stalled_since(job)
    if since is None or is_away(job.host):
        return ""
    whole_s = (now() - since).total_seconds() // 60 * 60
    state = gettext("Stalled: no output for %(time)s.") % {"time": duration(whole_s)}
    todo = gettext("Some tools print nothing while working. Check the log and the host's load.")
    kind = KINDS.get(job.kind)
    if kind and kind.brings:
        todo = gettext(
            "The job resumes once the remote side responds. Otherwise cancel and retry: "
            "downloaded data is kept."
        )
    return joined(state, todo)
