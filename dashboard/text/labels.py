"""Labels of kinds, metrics, states, hosts and results; styles of states; marks of points."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import counted, measured, percent
from jobs.base.numbers import result_number
from jobs.catalog import STACKS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import rules_of
from jobs.metrics import METRICS
from jobs.models import Account, Deployment, Host, Job, Result
from jobs.queries.hosts import is_away
from jobs.queries.matrices import CellView
from jobs.tools.lib import variants
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.vacc.downloads import DATASETS


class StateStyle(NamedTuple):
    """Label of a state, its CSS class, and its shape in ``static/icons.svg``."""

    word: str | Promise
    css: str
    shape: str


_COUNTED = ("", "tokens", "requests", "questions", "answers")
_ONE: dict[str, str | Promise] = {
    "tokens": _("token"),
    "requests": _("request"),
    "questions": _("question"),
    "answers": pgettext_lazy("after a number", "answer"),
}
_MOST_NAMED = 8  # results in a text
_RATES: dict[str, str | Promise] = {
    "tokens/s": "tok/s",
    "tokens/s per die": _("tok/s per die"),
    "tokens/s per card": _("tok/s per card"),
    "tokens/s per server": _("tok/s per server"),
    "tokens/s per watt": _("tok/s per watt"),
    "requests/s": "req/s",
}
# Names that are labels: manage.py translations collects these tuples. Further units of progress.
PROGRESS = ("tensors", "packages", "shards", "files", "layers", "steps", "loads")
# Titles of plan steps, some the name itself; kinds add their own.
STEPS = (
    *("create", "install", "verify", "fetch", "unpack", "check", "serve", "measure", "download"),
    "clone",
)
_STEPS: dict[str, str | Promise] = {
    **{name: pgettext_lazy("step", name) for name in STEPS},
    "wait": pgettext_lazy("step", "wait until ready"),
    "ask": pgettext_lazy("step", "generate and score"),
    "checkout": pgettext_lazy("step", "check out"),
    **variants.ENDPOINT_STEPS,
    **{name: words for kind in KINDS.values() for name, words in kind.steps.items()},
}
# Titles of prepare jobs, and phrases in other titles and labels.
_TITLES = frozenset(
    [
        *(one.title for one in ENVIRONMENTS.values()),
        *(one.title for one in DATASETS.values()),
        gettext_noop("offline benchmark"),  # of an imported log
    ]
)
_PHRASES: tuple[tuple[re.Pattern[str], str | Promise], ...] = (
    (
        re.compile(r"\b(?P<made>[A-Z][A-Z0-9_]*) from (?P<of>[A-Z][A-Z0-9_]*)$"),
        _("%(made)s from %(of)s"),
    ),
    (re.compile(r"(?<=\S), first (?P<n>\d+)(?=$|, )"), _(", first %(n)s")),
    (re.compile(r" \((?P<n>\d+) of (?P<all>\d+)\)(?=$|, )"), _(" (%(n)s of %(all)s)")),
    (re.compile(r"(?<=\S), (?P<n>\d+) samples each(?=$|, )"), _(", %(n)s samples each")),
    (re.compile(r"(?<=\S), seed (?P<n>\d+)(?=$|, )"), _(", seed %(n)s")),
    (re.compile(r"(?<=\S), en only(?=$|, )"), _(", English only")),
    (re.compile(r"(?<=\S), zh only(?=$|, )"), _(", Chinese only")),
    (re.compile(r"(?<=\S), thinking on$"), _(", thinking on")),
    (re.compile(r"(?<=\S), thinking off$"), _(", thinking off")),
    (re.compile(r"\boffline, batch (?P<n>\d+), (?=\d)"), _("offline, batch %(n)s, ")),
    (re.compile(r"\boffline, (?=\d)"), _("offline, ")),
    # Workloads of imports (jobs.imports).
    (re.compile(r"(?P<n>\d+(?:–\d+)?) requests$"), _("%(n)s requests")),
    (re.compile(r"(?P<n>\d+) batches$"), _("%(n)s batches")),
    (re.compile(r"^synthetic (?=\d)"), _("synthetic ")),
    (re.compile(r" \+ (?P<n>\d+) more$"), _(" + %(n)s more")),
)
# Roles of people, least first.
ROLES: dict[str, str | Promise] = {role: _(role) for role in Account.Role.values}
# Settings of an external result.
EXTERNAL: dict[str, str | Promise] = {
    "endpoint_url": _("Endpoint"),
    "device": _("Device"),
    "devices": _("Devices"),
    "engine_name": _("Engine"),
    "engine_version": _("Engine version"),
}
# Settings of a result other than its kind's fields.
_SETTINGS: dict[str, str | Promise] = {
    **EXTERNAL,
    "host": _("Host"),
    "model": _("Model"),
    "precision": _("Precision"),
    "deployment": _("Deployment"),
    "tool": _("Tool"),
    "what": _("Workload"),
    "os": _("System"),
    "host os": _("System"),
    "kernel": _("Kernel"),
    "cpu": _("Processor"),
    "host cpu": _("Processor"),
    "cores": _("Cores"),
    "host cores": _("Cores"),
}
ASSETS = ("weights", "artifact", "deployment", "environment", "dataset")
# Labels of checks by the names of ``jobs.host.checks``; others are proper names.
_CHECKS: dict[str, str | Promise] = {
    "conda": _("conda environment"),
    "container": _("Container"),
    "data_files": _("Files of the data set"),
    "data_set": _("Data set"),
    "dies": _("Dies"),
    "disk": _("Free disk space"),
    "endpoint": _("Deployment endpoint"),
    "image": _("Image"),
    "iommu": "IOMMU",
    "modification": _("VACC patch"),
    "path": _("File or folder"),
    "port": _("Port"),
    "shm": _("Shared memory"),
    "tool": _("Tool"),
    "weights": _("Weights"),
}
HOST_AWAY = "host_away"  # of a running job or deployment
STATES: dict[str, StateStyle] = {
    # jobs and their steps
    "queued": StateStyle(_("queued"), "queued", "queued"),
    "needs_confirmation": StateStyle(_("needs confirmation"), "warn", "warn"),
    "starting": StateStyle(_("starting"), "starting", "starting"),
    "running": StateStyle(_("running"), "run", "run"),
    "cancelling": StateStyle(_("cancelling"), "run", "run"),
    "succeeded": StateStyle(_("succeeded"), "ok", "ok"),
    "failed": StateStyle(_("failed"), "failed", "failed"),
    "errored": StateStyle(_("errored"), "errored", "errored"),
    "cancelled": StateStyle(_("cancelled"), "cancelled", "cancelled"),
    "lost": StateStyle(_("lost"), "lost", "lost"),
    "skipped": StateStyle(_("skipped"), "skip", "skip"),
    # deployments
    "waiting": StateStyle(_("waiting"), "queued", "queued"),
    "loading": StateStyle(_("loading"), "loading", "loading"),
    "ready": StateStyle(_("ready"), "ready", "ready"),
    "unhealthy": StateStyle(_("unhealthy"), "unhealthy", "warn"),
    "stopping": StateStyle(_("stopping"), "run", "run"),
    "stopped": StateStyle(_("stopped"), "cancelled", "cancelled"),
    HOST_AWAY: StateStyle(_("host offline"), "lost", "lost"),
    # hosts
    "away": StateStyle(pgettext_lazy("host", "offline"), "lost", "lost"),
    "outdated": StateStyle(pgettext_lazy("host", "outdated"), "warn", "warn"),
    "draining": StateStyle(pgettext_lazy("host", "paused"), "cancelled", "cancelled"),
    "expected": StateStyle(pgettext_lazy("host", "not connected yet"), "queued", "queued"),
    "unwell": StateStyle(pgettext_lazy("host", "needs attention"), "warn", "warn"),
    # turns of a conversation
    "streaming": StateStyle(_("answering"), "run", "run"),
    "done": StateStyle(_("done"), "ok", "ok"),
    # preflight checks
    "passed": StateStyle(_("passed"), "ok", "ok"),
    "warning": StateStyle(_("warning"), "warn", "warn"),
    "note": StateStyle(_("info"), "queued", "queued"),
}
UNKNOWN = StateStyle(_("unknown"), "lost", "lost")


def kind_title(name: str) -> str:
    kind = KINDS.get(name)
    return gettext(kind.title) if kind else name


def phrase(text: str) -> str:
    """Translate the phrases of a stored English title or label; names and numbers stay."""
    if text in _TITLES:
        return gettext(text)
    for pattern, template in _PHRASES:
        match = pattern.search(text)
        if match:
            translated = str(template) % match.groupdict()
            text = f"{text[: match.start()]}{translated}{text[match.end() :]}"
    return text


def metric_label(name: str) -> str:
    metric = METRICS.get(name)
    return gettext(metric.label) if metric else name


def metric_text(name: str, value: float) -> tuple[str, str]:
    """Format a metric's value as (number, unit). Ratios are per cent with two decimals."""
    metric = METRICS.get(name)
    unit = metric.unit if metric else ""
    if unit == "%":
        return percent(value), "%"
    if unit in _COUNTED:
        return counted(value), unit_word(unit, value)
    return measured(value), str(_RATES.get(unit, unit))


def unit_word(unit: str, count: float | None = None) -> str:
    """Return the translated noun of a count; units of measure are not translated."""
    if count == 1 and unit in _ONE:
        return str(_ONE[unit])
    return gettext(unit) if unit and unit in (*_COUNTED, *PROGRESS) else unit


def step_title(name: str) -> str:
    """Return the title of a step; its name if unknown. A number stays: "measure-4"."""
    base, dash, which = name.partition("-")
    if name in _STEPS or not dash or base not in _STEPS:
        return str(_STEPS.get(name, name))
    return f"{_STEPS[base]} {which}"


def check_word(name: str) -> str:
    return str(_CHECKS.get(name, name))


def asset_word(type_: str) -> str:
    return gettext(type_) if type_ in ASSETS else type_


def style_of(state: str) -> StateStyle:
    return STATES.get(state, UNKNOWN)


def stack_name(stack_id: str) -> str:
    stack = STACKS.get(stack_id)
    return gettext(stack.name) if stack else stack_id


def setting_title(name: str) -> str:
    if name in _SETTINGS:
        return str(_SETTINGS[name])
    for kind in KINDS.values():
        if rules := rules_of(kind.Params).get(name):
            return gettext(rules.label)
    return name


def state_of(thing: Any) -> str:
    """Return the state of a record as a key of ``STATES``; a text stays unchanged."""
    if isinstance(thing, str):
        return str(thing)
    if isinstance(thing, Host):
        return host_state(thing)
    if isinstance(thing, Job) and thing.is_open and thing.cancel_asked_at:
        return "cancelling"
    is_running = isinstance(thing, Deployment) and thing.state in thing.RUNNING_STATES
    is_running |= isinstance(thing, Job) and thing.state in thing.ON_HOST_STATES
    if is_running and is_away(thing.host):
        return HOST_AWAY
    return str(thing.state)


def disambiguate(named: Sequence[tuple[str, int | None, str]]) -> list[str]:
    """Return labels of deployments (name, number, port): repeated names get number and port.
    One without a number does not exist yet, and its job labels it."""
    often, labels = Counter(name for name, pk, _port in named if pk), []
    for name, pk, port in named:
        facts = [f"#{pk}", *([gettext("port %(port)s") % {"port": port}] if port else [])]
        is_clear = not pk or often[name] == 1
        labels.append(name if is_clear else f"{name} ({gettext(', ').join(facts)})")
    return labels


def host_title(host: Host) -> str:
    """Return the display name of a host; its name is for addresses, commands and the API."""
    return host_word(host.name) if host.type == Host.Type.THIS_COMPUTER else host.name


def names_text(names: Sequence[str]) -> str:
    """Return the names of results; of many their number."""
    if len(names) <= _MOST_NAMED:
        return gettext(", ").join(names)
    return ngettext("%(n)s result", "%(n)s results", len(names)) % {"n": len(names)}


def result_name(result: Result) -> str:
    return result_number(result.pk)


def result_place(result: Result) -> str:
    """Return where a result was measured: its host, or the device of an import in words."""
    if result.host is not None:
        return host_title(result.host)
    return result.device or gettext("unknown device")


def host_word(name: str) -> str:
    return gettext("This computer") if name == Host.Type.THIS_COMPUTER else name


def host_state(host: Host) -> str:
    """ "ready", "away", "outdated", "draining", or "expected" before the first heartbeat."""
    if host.heartbeat_at is None:
        return "expected"
    if is_away(host):
        return "away"
    if host.is_outdated:
        return "outdated"
    return "draining" if host.draining else "ready"


FLAG_WORDS: Mapping[str, str | Promise] = {
    "external": _("external"),
    "simulated": _("simulated"),
    "incomplete": _("incomplete"),
    "disturbed": _("disturbed"),
    "loaded": _("loaded host"),
    "clients": _("other clients"),
    "faulty": _("faulty answers"),
    "thinking": _("thinking doubtful"),
    "imported": _("imported"),
    "few": _("few samples"),
    "cut": _("answers cut off"),
}


def limit_words(names: Iterable[str]) -> str:
    """Return ``Result.limits`` as words: "simulated, disturbed"."""
    return gettext(", ").join(str(FLAG_WORDS.get(name, name)) for name in names)


def point_marks(
    runs: Iterable[tuple[Result, Sequence[tuple[int, Mapping[str, Any]]]]],
) -> dict[int, tuple[str, ...]]:
    """Return what limits the number at each concurrency: other work, other load, failed requests.
    ``runs``: results with their points. A mean has marks where each of its runs has one."""
    marks: dict[int, list[list[str]]] = {}
    for result, points in runs:
        counts_failed = any(metrics.get("failed_requests") for _at, metrics in points)
        for at, metrics in points:
            failed = metrics.get("failed_requests") if counts_failed else result.incomplete
            words = [gettext("disturbed")] if result.disturbed else []
            words += [gettext("loaded host")] if result.loaded else []
            words += [gettext("failed requests")] if failed else []
            marks.setdefault(at, []).append(words)
    return {at: tuple(dict.fromkeys(chain(*each))) for at, each in marks.items() if all(each)}


def cell_marks(cell: CellView) -> tuple[str, ...]:
    runs = [(result, [(cell.concurrency, result.metrics)]) for result in cell.results]
    return point_marks(runs).get(cell.concurrency, ())
