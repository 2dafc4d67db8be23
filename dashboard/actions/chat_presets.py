"""Presets of chats: the form of one, and the texts of its fields."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions.chat_params import ParamsForm
from dashboard.actions.rows import Line, RowForm
from jobs.models import ChatPreset


class PresetForm(RowForm[ChatPreset]):
    """A preset. ``params``: the form of its parameters, of which none is required."""

    area, most = "preset", 100
    too_many = gettext_lazy("There are %(most)s presets. Remove some first.")
    name_taken = gettext_lazy("Another preset has this name. Choose another.")

    class Meta:
        model = ChatPreset
        fields = ("name",)
        field_classes: ClassVar = {"name": Line}
        labels: ClassVar = {"name": gettext_lazy("Name")}
        error_messages: ClassVar = {"name": {"required": gettext_lazy("Enter a name.")}}

    def __init__(self, data: Any = None, files: Any = None, **more: Any) -> None:
        super().__init__(data, files, **more)
        self.params = ParamsForm(data, initial=self.instance.params, needs_limit=False)

    def clean(self) -> None:
        super().clean()
        if self.params.is_valid():
            self.instance.params = self.params.params()
            if not self.instance.params:
                self.params.add_error("system", _("Enter a system prompt or a parameter."))
        self.errors.update(self.params.errors)


def preset_texts(row: ChatPreset) -> dict[str, str]:
    """Return what the fields show, by name."""
    return ParamsForm(initial=row.params).texts()
