"""A host as pages show it: die grid, running jobs, queue with reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.translation import gettext, ngettext

from dashboard.pages.shared.die_grid import Cards, cards, name_of, path_of
from dashboard.pages.shared.engine_rates import Rates, rates
from dashboard.text.labels import host_state, host_title, stack_name
from dashboard.text.queue_words import QueueRow, rows
from jobs.access import valkey_users
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import HostNow, is_away, lacks_room


@dataclass(frozen=True, slots=True)
class Here:
    """A job or deployment on a host. ``key`` is its colour in the grid, 0 for one without dies."""

    subject: Job | Deployment
    name: str
    path: str
    key: int
    dies: int
    rate: float | None

    @property
    def is_deployment(self) -> bool:
        return isinstance(self.subject, Deployment)


@dataclass(frozen=True, slots=True)
class HostView:
    """A host for its panel or page. ``queue``: the first of its line."""

    now: HostNow
    cards: Cards | None
    here: tuple[Here, ...]
    queue: tuple[QueueRow, ...]

    @property
    def host(self) -> Host:
        return self.now.host

    @property
    def name(self) -> str:
        return host_title(self.host)

    @property
    def is_away(self) -> bool:
        """True when it was there and is silent now."""
        return self.host.heartbeat_at is not None and is_away(self.host)

    @property
    def has_key(self) -> bool:
        """False: its key was revoked, and nothing that it says is taken."""
        return bool(self.host.key_sha256)

    @property
    def lacks_valkey_user(self) -> bool:
        """True when its jobs would start sooner with a new key."""
        return valkey_users.lacks_user(self.host)

    @property
    def iommu(self) -> bool:
        """True when it is on, with which no card works."""
        return bool(self.cards and self.host.facts.get("iommu"))

    @property
    def is_full(self) -> bool:
        """True when its disk has less free than it keeps in reserve."""
        return not self.is_away and lacks_room(self.host)

    @property
    def power_kw(self) -> float | None:
        watts = self.cards.power_w if self.cards else None
        return None if watts is None else watts / 1000

    @property
    def unread(self) -> list[tuple[str, str]]:
        """Return (command, output) of ``vasmi``, where the output was not understood."""
        outputs = self.host.load.get("unread")
        if not isinstance(outputs, dict) or self.is_away:
            return []
        return [(str(command), str(text)) for command, text in outputs.items()]

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """Return refused messages, newest first: when, what they were about, and the problem."""
        return [one | {"at": datetime.fromisoformat(one["at"])} for one in self.host.refusals]

    @property
    def state(self) -> str:
        """Return a state of ``dashboard.text.labels``; "unwell" of a ready host with a problem."""
        state = host_state(self.host)
        cards_unwell = bool(self.cards and (self.cards.missing or self.cards.hot))
        unwell = cards_unwell or self.iommu or self.is_full or not self.has_key
        return "unwell" if state == "ready" and unwell else state

    @property
    def queued_more(self) -> int:
        """Return the number of queued jobs beyond ``queue``."""
        return self.now.queued_count - len(self.queue)

    @property
    def about(self) -> str:
        """Return a line: "8 cards, 32 dies · Deployment guide · driver 00.25.12.30"."""
        facts = self.host.facts
        if self.cards is None:
            return str(facts.get("os", ""))
        count, dies = self.cards.count, len(self.cards.dies)
        text = ngettext("%(n)s card", "%(n)s cards", count) % {"n": count}
        text += gettext(", ") + ngettext("%(n)s die", "%(n)s dies", dies) % {"n": dies}
        parts = [text]
        stacks = facts.get("stacks")
        if isinstance(stacks, list) and stacks:
            names = gettext(", ").join(stack_name(str(stack)) for stack in stacks)
            parts.append(gettext("stacks: %(names)s") % {"names": names})
        if driver := str(facts.get("driver", "")).split():
            parts.append(gettext("driver %(version)s") % {"version": driver[0]})
        return " · ".join(parts)


def host_views(hosts: Sequence[HostNow], user: AbstractBaseUser | AnonymousUser) -> list[HostView]:
    """Return hosts as ``user`` sees them; those with cards first."""
    found = rates([item for now in hosts for item in now.deployments])
    views = [_view(now, found, user) for now in hosts]
    return sorted(views, key=lambda view: view.cards is None)


def _view(
    now: HostNow, found: Mapping[int, Rates], user: AbstractBaseUser | AnonymousUser
) -> HostView:
    grid = cards(now.host, now.held)
    holders = {holder.path: holder for holder in grid.holders} if grid else {}
    subjects: list[Job | Deployment] = [*now.deployments, *now.on_host]
    here = []
    for subject in subjects:
        path = path_of(subject)
        holder = holders.get(path)
        key, dies = (holder.key, holder.count) if holder else (0, 0)
        rate = found.get(subject.pk) if isinstance(subject, Deployment) else None
        here.append(Here(subject, name_of(subject), path, key, dies, rate.output if rate else None))
    more = now.queued_count > len(now.queued)
    return HostView(now, grid, tuple(here), tuple(rows(user, now.queued, more=more)))
