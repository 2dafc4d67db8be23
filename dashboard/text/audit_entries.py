"""Rows of the audit log for the page, the exports and the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext

from dashboard.text.audit_labels import action_label, detail_pairs, origin_label
from dashboard.text.labels import host_word
from jobs.base.numbers import number_from, result_pk
from jobs.catalog import MODELS
from jobs.models import AuditEntry, Deployment, Host, Job, Result
from jobs.queries.audit import plain

CSV_HEAD = ("at", "person", "action", "label", "subject", "detail", "origin")


@dataclass(frozen=True, slots=True)
class Subject:
    """Subject of an entry. ``href``: its page, "" without one."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry in words. ``details``: (label, value)."""

    entry: AuditEntry
    label: str
    subject: Subject
    details: Sequence[tuple[str, str]]
    origin: str


def rows(entries: Sequence[AuditEntry]) -> list[Row]:
    """Return entries in words, with links to what still exists. Three queries for all."""
    found = _Found.of(entries)
    return [_row(entry, found.subject(entry)) for entry in entries]


def _row(entry: AuditEntry, subject: Subject) -> Row:
    """Return an entry in words; a detail that the subject shows is not repeated."""
    return Row(
        entry,
        action_label(entry.action, entry.detail),
        subject,
        [pair for pair in detail_pairs(entry.detail) if pair[1] != subject.text],
        origin_label(entry.origin),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Objects of subjects that still exist."""

    jobs: frozenset[int]
    deployments: frozenset[int]
    hosts: frozenset[str]
    people: dict[int, str]
    results: frozenset[int]

    @classmethod
    def of(cls, entries: Iterable[AuditEntry]) -> _Found:
        named: dict[str, set[str]] = {}
        for entry in entries:
            kind, _space, name = entry.subject.partition(" ")
            named.setdefault(kind, set()).add(name)

        def numbers(kind: str) -> list[int]:
            found = map(number_from, named.get(kind, ()))
            return [number for number in found if number is not None]

        jobs, deployments, people = numbers("job"), numbers("deployment"), numbers("user")
        hosts = named.get("host", set())
        results = [pk for pk in map(result_pk, named.get("result", ())) if pk is not None]
        return cls(
            frozenset(Job.objects.filter(pk__in=jobs).values_list("pk", flat=True))
            if jobs
            else frozenset(),
            frozenset(Deployment.objects.filter(pk__in=deployments).values_list("pk", flat=True))
            if deployments
            else frozenset(),
            frozenset(Host.objects.filter(name__in=hosts).values_list("name", flat=True))
            if hosts
            else frozenset(),
            dict(User.objects.filter(pk__in=people).values_list("pk", "username"))
            if people
            else {},
            frozenset(Result.objects.filter(pk__in=results).values_list("pk", flat=True))
            if results
            else frozenset(),
        )

    def subject(self, entry: AuditEntry) -> Subject:
        """Return the subject of an entry; its stored text if it is of no known kind."""
        kind, _space, name = entry.subject.partition(" ")
        number = number_from(name)
        if kind == "job" and number is not None:
            href = reverse("job-detail", args=[number]) if number in self.jobs else ""
            return Subject(gettext("Job #%(n)s") % {"n": number}, href)
        if kind == "deployment" and number is not None:
            is_there = number in self.deployments
            href = reverse("deployment-detail", args=[number]) if is_there else ""
            return Subject(gettext("Deployment #%(n)s") % {"n": number}, href)
        if kind == "user" and number is not None:
            known = self.people.get(number)
            return Subject(known or gettext("Account #%(n)s") % {"n": number}, reverse("people"))
        if kind == "user":
            return Subject(gettext("Unknown name"))
        if kind == "result" and (pk := result_pk(name)) is not None:
            href = reverse("result-detail", args=[pk]) if pk in self.results else ""
            return Subject(gettext("Result %(name)s") % {"name": name}, href)
        if kind == "host":
            href = reverse("host-detail", args=[name]) if name in self.hosts else ""
            return Subject(host_word(name), href)
        if kind == "model":
            href = reverse("model-detail", args=[name]) if name in MODELS else ""
            return Subject(MODELS[name].name if href else name, href)
        if kind == "secret":
            return Subject(name, reverse("secret-list"))
        if kind == "endpoint" and number is not None:
            given = entry.detail.get("name") if isinstance(entry.detail, dict) else None
            return Subject(str(given or name), reverse("endpoint-detail", args=[number]))
        if kind == "prompts" and number is not None:
            given = entry.detail.get("name") if isinstance(entry.detail, dict) else None
            return Subject(str(given or name), reverse("prompt-detail", args=[number]))
        if kind == "source":
            given = entry.detail.get("address") if isinstance(entry.detail, dict) else None
            return Subject(str(given or name), reverse("source-list"))
        if kind == "import":
            # Of an earlier version, and removed since.
            return Subject(gettext("Import %(n)s") % {"n": name})
        if kind == "token":
            given = entry.detail.get("name") if isinstance(entry.detail, dict) else None
            text = given or gettext("API token #%(n)s") % {"n": name}
            return Subject(str(text), reverse("token-list"))
        if kind == "view":
            return Subject(name, reverse("result-list"))
        if kind == "conversation":
            return Subject(gettext("Chat #%(n)s") % {"n": name})
        return Subject(entry.subject)


def as_dict(row: Row) -> dict[str, Any]:
    """Return an entry for the API and the export as JSON lines."""
    return {**plain(row.entry), "label": row.label}


def csv_line(row: Row) -> list[str]:
    """Return an entry as a line under ``CSV_HEAD``."""
    data = as_dict(row)
    return [
        data["at"],
        data["person"] or "",
        data["action"],
        row.label,
        data["subject"],
        ", ".join(f"{label}: {value}" for label, value in detail_pairs(row.entry.detail)),
        data["origin"],
    ]
