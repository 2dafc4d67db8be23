"""Collect all texts into locale/zh_Hans/LC_MESSAGES/*.po, keep translations and compile. With
--check: only report outdated files."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.core.management.base import CommandError
from django.utils.translation.template import templatize

from dashboard.management import base
from dashboard.text.audit import DETAILS
from dashboard.text.check_and_queue_messages import QUEUE_MESSAGES
from dashboard.text.job_messages import (
    GUIDE_MESSAGES,
    JOB_ADVICE,
    JOB_MESSAGES,
    REMOVED_ADVICE,
    SERVER_ADVICE,
)
from dashboard.text.labels import ASSETS, PROGRESS, ROLES, STEPS
from dashboard.text.queue_words import PRIORITIES
from dashboard.text.result_messages import RESULT_MESSAGES
from jobs.catalog import SHIPPED, STACKS
from jobs.catalog.data_sets import DATA_SETS
from jobs.catalog.known_failures import KNOWN_FAILURES
from jobs.catalog.presets import EVALUATION_PRESETS, WORKLOADS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import rules_of
from jobs.metrics import METRICS
from jobs.tools.lib.environments import ENVIRONMENTS

BASE = Path(settings.BASE_DIR)
# As xgettext numbers arguments: (context, 1), then the singular and the plural.
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


# File of data, its rows, and which of their fields are texts, or tuples of them.
_DATA: tuple[tuple[str, Mapping[str, Any], tuple[str, ...]], ...] = (
    ("jobs/catalog/models/{0.id}.yaml", SHIPPED, ("summary", "licence_note", "notes")),
    ("jobs/catalog/stacks/{0.id}.yaml", STACKS, ("name", "summary")),
    ("jobs/catalog/workloads.yaml", WORKLOADS, ("name", "purpose", "takes")),
    ("jobs/catalog/evaluations.yaml", EVALUATION_PRESETS, ("name", "purpose", "takes")),
    ("jobs/catalog/data_sets.yaml", DATA_SETS, ("about", "licence_source")),
    ("jobs/catalog/failures", KNOWN_FAILURES, ("cause", "advice")),
    ("jobs/tools/lib/environments.py", ENVIRONMENTS, ("title",)),
)


class Text(NamedTuple):
    """A text in English. ``plural`` is "" where it has one form; ``place`` is the file it is in."""

    text: str
    place: str
    plural: str = ""
    context: str = ""


def page_texts() -> Iterator[Text]:
    for folder in ("dashboard", "jobs"):
        for path in sorted((BASE / folder).rglob("*.py")):
            if "migrations" not in path.parts and "scripts" not in path.parts:
                yield from _texts_in("python", path.read_bytes(), path)
    for path in sorted((BASE / "templates").rglob("*.html")):
        called = templatize(path.read_text(), origin=str(path))
        # templatize() leaves indentation that Python rejects: strip it.
        flat = "\n".join(line.strip() for line in called.splitlines())
        yield from _texts_in("python", flat.encode(), path)
    yield from _data_texts()


def script_texts() -> Iterator[Text]:
    """Texts of Django's JavaScriptCatalog."""
    for path in sorted((BASE / "static" / "js").rglob("*.js")):
        yield from _texts_in("javascript", path.read_bytes(), path)


def _texts_in(method: str, content: bytes, path: Path) -> Iterator[Text]:
    options = {"encoding": "utf-8", "parse_template_string": "true"}
    place = path.relative_to(BASE).as_posix()
    for _line, message, _comments, context in extract(
        method, BytesIO(content), keywords=KEYWORDS, options=options
    ):
        text, *plural = (message,) if isinstance(message, str) else (*message, "")
        if text:
            yield Text(text, place, plural[0] if plural else "", context or "")


def _data_texts() -> Iterator[Text]:
    """Titles, labels and help that pages pass through ``gettext`` as variables."""
    kinds = "jobs/kinds"
    for kind in KINDS.values():
        yield from (Text(kind.title, kinds), Text(kind.good_for, kinds))
        for name, rules in rules_of(kind.Params).items():
            help_text = kind.Params.model_fields[name].description
            named = (help_text, rules.label, rules.group, rules.unit)
            yield from (Text(text, kinds) for text in named if text)
    for metric in METRICS.values():
        yield Text(metric.label, "jobs/metrics")
        # Units of speed and time are not translated.
        if re.fullmatch(r"[a-z]{4,}", metric.unit):
            yield Text(metric.unit, "jobs/metrics")
    messages = (JOB_MESSAGES, RESULT_MESSAGES, QUEUE_MESSAGES, GUIDE_MESSAGES)
    for table in (*messages, JOB_ADVICE, REMOVED_ADVICE, SERVER_ADVICE):
        yield from (Text(text, "dashboard/text") for text in table.values())
    contexts = {"": (*DETAILS, *PROGRESS, *ASSETS, *ROLES), "step": STEPS, "priority": PRIORITIES}
    for context, names in contexts.items():
        yield from (Text(name, "dashboard/text", context=context) for name in names)
    for place, rows, names in _DATA:
        for row in rows.values():
            for value in (getattr(row, name) for name in names):
                texts = value if isinstance(value, tuple) else (value,)
                yield from (Text(text, place.format(row)) for text in texts if text)


LOCALE = "zh_Hans"
FOLDER = BASE / "locale" / LOCALE / "LC_MESSAGES"
DOMAINS = {"django": page_texts, "djangojs": script_texts}
# A catalogue's header holds a date; a fixed one keeps the files the same when their texts are.
DATED = datetime(2026, 1, 1, tzinfo=UTC)
# A comment that marks texts that need no translation.
SAME = "same in every language"


class Command(base.PlainCommand):
    arguments = (
        base.flag("--check", "change nothing"),
        base.flag("--list", "list texts without a translation"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for domain in DOMAINS:
                for text in untranslated(domain):
                    self.stdout.write(f"{domain}: {text}")
            return
        if options["check"]:
            if wrong := problems():
                raise CommandError("\n".join([*wrong, "Run manage.py translations."]))
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        for domain in DOMAINS:
            catalog = collected(domain)
            (FOLDER / f"{domain}.po").write_bytes(po_bytes(catalog))
            (FOLDER / f"{domain}.mo").write_bytes(mo_bytes(stored(domain)))
            missing = len(untranslated(domain))
            self.stdout.write(f"{domain}: {len(catalog)} texts, {missing} not translated")


def collected(domain: str) -> Catalog:
    """Every text of ``domain``, once, with its files and the translation that is there already."""
    old, catalog = stored(domain), _new_catalog()
    for found in sorted(DOMAINS[domain](), key=_order):
        text = (found.text, found.plural) if found.plural else found.text
        catalog.add(text, locations=[(found.place, 0)], context=found.context or None)
    for message in catalog:
        known = old.get(message.id, message.context) if message.id else None
        if known is None:
            continue
        message.user_comments = known.user_comments
        forms = (known.string,) if isinstance(known.string, str) else known.string or ()
        if any(forms):
            message.string = forms if message.pluralizable else forms[0]
    return catalog


def _order(found: Text) -> tuple[str, ...]:
    return found.text.lower(), found.text, found.context, found.place


def stored(domain: str) -> Catalog:
    path = FOLDER / f"{domain}.po"
    if not path.exists():
        return _new_catalog()
    with path.open("rb") as file:
        return read_po(file, locale=LOCALE)


def untranslated(domain: str) -> list[str]:
    return [
        str(message.id)
        for message in stored(domain)
        if message.id
        and not any([message.string] if isinstance(message.string, str) else message.string or ())
        and SAME not in message.user_comments
    ]


def problems() -> list[str]:
    """Return outdated files: texts missing in .po, or .mo not compiled."""
    faults = []
    for domain in DOMAINS:
        path = FOLDER / f"{domain}.po"
        known = path.read_bytes().replace(b"\r\n", b"\n") if path.exists() else b""
        if po_bytes(collected(domain)) != known:
            faults.append(f"{domain}.po does not match the texts of the program")
        elif not is_compiled(domain):
            faults.append(f"{domain}.mo is not compiled from {domain}.po")
    return faults


def is_compiled(domain: str) -> bool:
    path = FOLDER / f"{domain}.mo"
    return path.exists() and path.read_bytes() == mo_bytes(stored(domain))


def po_bytes(catalog: Catalog) -> bytes:
    file = BytesIO()
    write_po(file, catalog, width=100, include_lineno=False, ignore_obsolete=True)
    return file.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def _new_catalog() -> Catalog:
    return Catalog(
        locale=LOCALE,
        project="VACC dashboard",
        version="1",
        header_comment="# Texts of the dashboard: manage.py translations collects them.",
        creation_date=DATED,
        revision_date=DATED,
        last_translator="the project",
        language_team="the project",
        msgid_bugs_address="the project",
        fuzzy=False,
    )
