"""Every text of the program that people read, as translators get it.

Found without GNU gettext: Django turns templates into calls, Babel finds calls in Python and
JavaScript, and the texts that kinds, metrics and tools hold as data are listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.extract import extract
from django.conf import settings
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
        # X replaces all but calls, with the template's indents, which Python would reject.
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
