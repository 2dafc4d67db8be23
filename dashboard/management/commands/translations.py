"""Collect every text for translators, and compile what they wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation.template import templatize

from jobs.catalog import SHIPPED, STACKS
from jobs.catalog.data_sets import DATA_SETS
from jobs.catalog.evaluations import EVALUATION_PRESETS
from jobs.catalog.known_failures import KNOWN_FAILURES
from jobs.catalog.workloads import WORKLOADS
from jobs.kinds import KINDS
from jobs.metrics import METRICS
from jobs.tools.lib.environments import ENVIRONMENTS

BASE = Path(settings.BASE_DIR)
PYTHON_FOLDERS = ("dashboard", "jobs")
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
_SPEC = ("label", "group", "unit")


@dataclass(frozen=True, slots=True)
class Text:
    """A text in English. ``plural`` is "" where it has one form; ``place`` is the file it is in."""

    text: str
    place: str
    plural: str = ""
    context: str = ""


def page_texts() -> Iterator[Text]:
    """Texts that the server writes: of Python, of templates, of data."""
    for folder in PYTHON_FOLDERS:
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
    """Texts that scripts write, through Django's JavaScriptCatalog."""
    for path in sorted((BASE / "static" / "js").rglob("*.js")):
        yield from _texts_in("javascript", path.read_bytes(), path)


def _texts_in(method: str, content: bytes, path: Path) -> Iterator[Text]:
    options = {"encoding": "utf-8", "parse_template_string": "true"}
    place = path.relative_to(BASE).as_posix()
    for _line, message, _comments, context in extract(
        method, BytesIO(content), keywords=KEYWORDS, options=options
    ):
        forms = (message,) if isinstance(message, str) else tuple(message)
        if forms and forms[0]:
            yield Text(forms[0], place, forms[1] if len(forms) > 1 else "", context or "")


def _data_texts() -> Iterator[Text]:
    """Titles, labels and help that pages pass through ``gettext`` as variables."""
    place = "jobs/kinds"
    for kind in KINDS.values():
        yield Text(kind.title, place)
        for field in kind.Params.model_fields.values():
            if field.description:
                yield Text(field.description, place)
            extra = field.json_schema_extra
            if isinstance(extra, dict):
                yield from (Text(str(extra[key]), place) for key in _SPEC if extra.get(key))
    for metric in METRICS.values():
        yield Text(metric.label, "jobs/metrics")
        # Units of speed and time are not translated.
        if re.fullmatch(r"[a-z]{4,}", metric.unit):
            yield Text(metric.unit, "jobs/metrics")
    for model in SHIPPED.values():
        place = f"jobs/catalog/models/{model.id}.yaml"
        texts = (model.summary, model.licence_note, *model.notes)
        yield from (Text(text, place) for text in texts if text)
    for stack in STACKS.values():
        place = f"jobs/catalog/stacks/{stack.id}.yaml"
        yield from (Text(text, place) for text in (stack.name, stack.summary, *stack.notes))
    for workload in WORKLOADS.values():
        texts = (workload.name, workload.purpose, workload.takes)
        yield from (Text(text, "jobs/catalog/workloads.yaml") for text in texts)
    for preset in EVALUATION_PRESETS.values():
        texts = (preset.name, preset.purpose, preset.takes)
        yield from (Text(text, "jobs/catalog/evaluations.yaml") for text in texts)
    for data_set in DATA_SETS.values():
        texts = (data_set.about, data_set.licence_source)
        yield from (Text(text, "jobs/catalog/data_sets.yaml") for text in texts)
    for failure in KNOWN_FAILURES.values():
        yield from (
            Text(message, "jobs/catalog/failures") for message in (failure.cause, failure.advice)
        )
    for environment in ENVIRONMENTS.values():
        yield Text(environment.title, "jobs/tools/lib/environments.py")


LOCALE = "zh_Hans"
FOLDER = Path(settings.BASE_DIR) / "locale" / LOCALE / "LC_MESSAGES"
DOMAINS = {"django": page_texts, "djangojs": script_texts}
# A catalogue's header holds a date; a fixed one keeps the files the same when their texts are.
DATED = datetime(2026, 1, 1, tzinfo=UTC)
# A comment that marks texts that need no translation.
SAME = "same in every language"


class Command(BaseCommand):
    help = (
        "Collect all texts into locale/zh_Hans/LC_MESSAGES/*.po, keep translations and "
        "compile. With --check: only report outdated files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing")
        parser.add_argument("--list", action="store_true", help="list texts without a translation")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for domain in DOMAINS:
                for text in untranslated(domain):
                    self.stdout.write(f"{domain}: {text}")
            return
        if options["check"]:
            wrong = problems()
            if wrong:
                raise CommandError("\n".join([*wrong, "Run manage.py translations."]))
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        for domain in DOMAINS:
            catalog = collected(domain)
            po_path(domain).write_bytes(po_bytes(catalog))
            mo_path(domain).write_bytes(mo_bytes(stored(domain)))
            missing = len(untranslated(domain))
            self.stdout.write(f"{domain}: {len(catalog)} texts, {missing} not translated")


def po_path(domain: str) -> Path:
    """The file that translators edit."""
    return FOLDER / f"{domain}.po"


def mo_path(domain: str) -> Path:
    """The file that the program reads."""
    return FOLDER / f"{domain}.mo"


def collected(domain: str) -> Catalog:
    """Every text of ``domain``, with the translations that are there already."""
    old = stored(domain)
    catalog = _new_catalog()
    for text in merged(DOMAINS[domain]()):
        known = old.get(text.text, context=text.context or None)
        key = (text.text, text.plural) if text.plural else text.text
        translated = known.string if known is not None else None
        if text.plural and isinstance(translated, str):
            translated = (translated,) if translated else None
        elif not text.plural and not isinstance(translated, str | None):
            translated = translated[0]  # it has lost its plural
        comments = list(known.user_comments) if known is not None else []
        catalog.add(
            key,
            translated,
            locations=[(place, 0) for place in text.place.split("\n")],
            context=text.context or None,
            user_comments=comments,
        )
    return catalog


def merged(texts: Iterable[Text]) -> list[Text]:
    """Each text once, in order, with all files that it is in; a plural form wins."""
    entries: dict[tuple[str, str], Text] = {}
    for text in texts:
        key = (text.context, text.text)
        old = entries.get(key)
        places = {*(old.place.split("\n") if old else ()), text.place}
        plural = text.plural or (old.plural if old else "")
        entries[key] = Text(text.text, "\n".join(sorted(places)), plural, text.context)
    return sorted(entries.values(), key=lambda text: (text.text.lower(), text.text, text.context))


def stored(domain: str) -> Catalog:
    """Return the stored catalogue; an empty one before the first run."""
    path = po_path(domain)
    if not path.exists():
        return _new_catalog()
    with path.open("rb") as file:
        return read_po(file, locale=LOCALE)


def untranslated(domain: str) -> list[str]:
    """Texts of ``domain`` without a translation."""
    return [
        str(message.id)
        for message in stored(domain)
        if message.id and not any(_forms(message.string)) and SAME not in message.user_comments
    ]


def problems() -> list[str]:
    """Return outdated files: texts missing in .po, or .mo not compiled."""
    faults = []
    for domain in DOMAINS:
        if not po_path(domain).exists() or po_bytes(collected(domain)) != po_path(
            domain
        ).read_bytes().replace(b"\r\n", b"\n"):
            faults.append(f"{domain}.po does not match the texts of the program")
        elif not is_compiled(domain):
            faults.append(f"{domain}.mo is not compiled from {domain}.po")
    return faults


def is_compiled(domain: str) -> bool:
    """True when the compiled file is what the translators' file makes."""
    return mo_path(domain).exists() and mo_path(domain).read_bytes() == mo_bytes(stored(domain))


def po_bytes(catalog: Catalog) -> bytes:
    """The catalogue as a file for translators."""
    file = BytesIO()
    write_po(file, catalog, width=100, include_lineno=False, ignore_obsolete=True)
    return file.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    """The catalogue compiled."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def _forms(string: Any) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string or ())


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
