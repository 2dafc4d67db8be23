"""Preflights: requests to hosts, their answers, and confirmations of their warnings by people. A
finding of level *warn* is identified by its check and arguments, ``shm(bytes=34359738368)``,
whatever it measures at the next preflight. A confirmation names such a check, or only the check's
name (``shm``), or ``all``; API and command line give the latter two."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q
from django.utils.timezone import now

from jobs import notifications
from jobs.base.sanitize import sanitize
from jobs.host_protocol import Findings, read
from jobs.models import Host, Job, Preflight
from jobs.plans import Check, Plan, checks_from_json, from_json
from jobs.schedule import agent_tasks

# Findings older than this are stale: the host is asked again before a job starts.
FRESH_FOR = timedelta(minutes=2)
# An unanswered request is repeated after this, because the agent may have been killed.
PATIENCE = timedelta(seconds=30)
KEPT_FOR = timedelta(days=1)
# A job in preflight reserves a slot this long; then jobs behind it may start.
HELD_FOR = 2 * PATIENCE
ALL = "all"

# {"check", "message_id", "message_args"} as found; {"check", "by", "at", …} as confirmed.
Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PreflightState:
    """``unanswered_since``: time of the first unanswered request; None: answered."""

    asked_at: datetime
    done_at: datetime | None
    findings: Sequence[Item]
    checks: Sequence[Item]  # as in the plan's JSON
    unanswered_since: datetime | None = None

    @property
    def warnings(self) -> list[dict[str, Any]]:
        return _warnings(checks_from_json(self.checks), self.findings)

    @property
    def is_overdue(self) -> bool:
        """True if the answer is so late that it may never come."""
        since = self.unanswered_since
        return since is not None and now() - since > HELD_FOR


def ask(
    host: Host,
    plan: Mapping[str, Any],
    values: Mapping[str, str],
    *,
    job: Job | None = None,
    user: AbstractBaseUser | None = None,
) -> Preflight:
    """Request the checks of ``plan`` (its JSON) from ``host``. ``values``: known slots."""
    # Old preflights of forms are useless. Of a job these stay: the last answer and the first
    # request since, which shows how long the answer is overdue and may still get it.
    Preflight.objects.filter(job=None, asked_at__lt=now() - KEPT_FOR).delete()
    if job is not None:
        rows = list(Preflight.objects.filter(job=job).values_list("pk", "done_at"))
        waiting = [pk for pk, _done in takewhile(lambda row: row[1] is None, rows)]
        kept = [*waiting[-1:], *[pk for pk, done_at in rows if done_at is not None][:1]]
        Preflight.objects.filter(pk__in=[pk for pk, _done in rows if pk not in kept]).delete()
    asked = Preflight.objects.create(
        host=host,
        job=job,
        plan=dict(plan),
        plan_sha256=job.plan_sha256 if job else from_json(plan).sha256(),
        values=dict(values),
        asked_by_id=user.pk if user else None,
    )
    agent_tasks.send(host.name, "check", asked.pk)
    return asked


def latest(job_id: int) -> Preflight | None:
    return Preflight.objects.filter(job=job_id).first()


def newest_answer(job: Job) -> Preflight | None:
    """The newest answer on the job's plan, its own or its launch form's; None: over a day old."""
    about = Preflight.objects.filter(Q(job=None) | Q(job=job), host=job.host_id)
    answers = about.filter(plan_sha256=job.plan_sha256, done_at__gt=now() - KEPT_FOR)
    return answers.order_by("-done_at").first()


def preflight_states(host: Host) -> dict[int, PreflightState]:
    """The valid preflights of ``host``'s queued jobs, by job: a fresh answer, even a late one,
    else the last. One query without plans, because queues and plans may be long."""
    asked = Preflight.objects.filter(job__host=host, job__state=Job.State.QUEUED)
    rows = asked.annotate(checks=F("plan__checks")).values_list(
        "job_id", "asked_at", "done_at", "findings", "checks"
    )
    by_job: dict[int, list[PreflightState]] = {}  # latest first
    for job_id, asked_at, done_at, findings, checks in rows:
        state = PreflightState(asked_at, done_at, findings, checks or ())
        by_job.setdefault(job_id, []).append(state)
    valid = {}
    for job_id, states in by_job.items():
        fresh = (one for one in states if one.done_at is not None and not is_stale(one))
        waiting = list(takewhile(lambda one: one.done_at is None, states))
        since = waiting[-1].asked_at if waiting else None
        valid[job_id] = next(fresh, None) or replace(states[0], unanswered_since=since)
    return valid


def is_stale(preflight: Preflight | PreflightState) -> bool:
    """True if the request must be repeated: answer stale or missing."""
    if preflight.done_at is None:
        return now() - preflight.asked_at > PATIENCE
    return now() - preflight.done_at > FRESH_FOR


def open_on(host: Host) -> list[int]:
    """Ids of unanswered preflights that are still needed."""
    asked = Preflight.objects.filter(host=host, done_at=None, asked_at__gt=now() - PATIENCE)
    return list(asked.order_by("pk").values_list("pk", flat=True))


def answer(preflight: Preflight, findings: Sequence[Item]) -> bool:
    """Store the host's findings. False: the first answer stands. Raises ``BadMessage``."""
    parsed = read(Findings, {"findings": findings}).model_dump()["findings"]
    with transaction.atomic():
        open_rows = Preflight.objects.filter(pk=preflight.pk, done_at=None)
        if not open_rows.update(done_at=now(), findings=parsed):
            return False
        topic, number = "preflight", preflight.pk
        if preflight.job_id:
            topic, number = "job", preflight.job_id
            job = Job.objects.select_for_update(no_key=True).get(pk=number)
            found = _warnings(from_json(preflight.plan).checks, parsed)
            Job.objects.filter(pk=number, state=Job.State.QUEUED).update(
                needs_confirmation=sanitize(unconfirmed(found, job.confirmed))
            )
        notifications.notify(topic, id=number)
    return True


def found_by(preflight: Preflight) -> list[dict[str, Any]]:
    """Warnings of a form's preflight; none while unanswered."""
    return _warnings(from_json(preflight.plan).checks, preflight.findings)


def _warnings(checks: Sequence[Check], findings: Sequence[Item]) -> list[dict[str, Any]]:
    """Findings that need confirmation, in the order of the checks."""
    return [
        {"check": _check_key(check), **{n: item[n] for n in ("message_id", "message_args")}}
        for check, item in zip(checks, findings, strict=False)
        if item["level"] == "warn"
    ]


def _check_key(check: Check) -> str:
    return f"{check.name}({', '.join(f'{name}={value}' for name, value in check.args)})"


def _names(check: str) -> set[str]:
    return {ALL, check, check.partition("(")[0]}


def unconfirmed(findings: Iterable[Item], confirmed: Iterable[Item]) -> list[Item]:
    """The open ones of ``findings``."""
    names = {str(item["check"]) for item in confirmed}
    return [item for item in findings if names.isdisjoint(_names(str(item["check"])))]


def confirmation(findings: Iterable[Item], user: AbstractBaseUser | None) -> list[dict[str, Any]]:
    """A confirmation by ``user``, as stored with the job."""
    by = user.get_username() if user else "manage.py"
    return [{**item, "by": by, "at": now().isoformat()} for item in findings]


def confirmable(plan: Plan) -> list[str]:
    """Names of the plan's confirmable checks, each once."""
    return list(dict.fromkeys(check.name for check in plan.checks if check.asks))


def confirmed_for(plan: Plan | None, confirmed: Iterable[Item]) -> Any:
    """The part of ``confirmed`` that applies to this plan; a chain's is given to each job."""
    asking = [check for check in plan.checks if check.asks] if plan else []
    names = {ALL}.union(*(_names(_check_key(check)) for check in asking))
    return sanitize([item for item in confirmed if plan and item["check"] in names])


def confirm(job_id: int, findings: Sequence[Item], user: AbstractBaseUser | None) -> bool:
    """Confirm ``findings``; other findings stay open. False: the job is not queued."""
    with transaction.atomic():
        jobs = Job.objects.select_for_update(no_key=True)
        job = jobs.filter(pk=job_id, state=Job.State.QUEUED).first()
        if job is None:
            return False
        confirmed = [*job.confirmed, *confirmation(unconfirmed(findings, job.confirmed), user)]
        Job.objects.filter(pk=job_id).update(
            confirmed=sanitize(confirmed),
            needs_confirmation=unconfirmed(job.needs_confirmation, confirmed),
        )
        notifications.notify("job", id=job_id)
    return True
