"""Contacts: their form."""

from typing import ClassVar

from django.utils.translation import gettext_lazy

from dashboard.actions.rows import Line, RowForm
from jobs.models.contacts import Contact


class ContactForm(RowForm[Contact]):
    """A person to ask."""

    area, most = "contact", 100
    too_many = gettext_lazy("There are %(most)s contacts. Remove some first.")
    name_taken = gettext_lazy("Another contact has this name. Choose another.")

    class Meta:
        model = Contact
        fields = ("name", "note")
        field_classes: ClassVar = {"name": Line, "note": Line}
