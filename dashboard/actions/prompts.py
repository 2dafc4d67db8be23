"""Prompt sets: their form."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions.rows import Line, RowForm
from jobs.catalog import PROMPT_SETS
from jobs.kinds.lib.load import about_tokens
from jobs.models import PromptSet
from jobs.services.prompts import MOST_BYTES, MOST_PROMPTS, read
from jobs.tools.lib.load import json_lines

# Names that fields of benchmarks use.
_TAKEN = frozenset(("random", "sonnet", "sharegpt", "custom", *PROMPT_SETS))


class PromptForm(RowForm[PromptSet]):
    """A prompt set, from a file of JSON lines."""

    area, most = "prompts", 100
    most_prompts, most_kib = MOST_PROMPTS, MOST_BYTES // 1024
    too_many = gettext_lazy("There are %(most)s prompt sets. Remove some first.")
    name_taken = gettext_lazy("Another prompt set has this name. Choose another.")

    file = forms.FileField(
        allow_empty_file=True,
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ".jsonl,.json,.txt,.ndjson"}),
        error_messages={"required": gettext_lazy("Choose a file.")},
    )

    class Meta:
        model = PromptSet
        fields = ("name", "language")
        field_classes: ClassVar = {"name": Line, "language": Line}
        labels: ClassVar = {"name": gettext_lazy("Name"), "language": gettext_lazy("Language")}
        help_texts: ClassVar = {
            "name": gettext_lazy("Forms and results show it."),
            "language": gettext_lazy("Optional."),
        }
        error_messages: ClassVar = {"name": {"required": gettext_lazy("Enter a name.")}}

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name in _TAKEN:
            raise ValidationError(_("An included set has this name. Choose another."))
        return name

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        try:
            prompts = read(file.name or "", file.read(MOST_BYTES + 1))
        except ValueError as error:
            raise ValidationError(str(error)) from None
        row = self.instance
        row.text = json_lines(prompts)
        row.prompts, row.bytes = len(prompts), len(row.text.encode())
        row.longest = about_tokens(prompts)
        row.sha256 = hashlib.sha256(row.text.encode()).hexdigest()
        return file

    def detail(self) -> dict[str, Any]:
        row = self.instance
        return {"name": row.name, "prompts": row.prompts, "sha256": row.sha256}
