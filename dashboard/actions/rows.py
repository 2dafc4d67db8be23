"""Rows that a team edits: their forms, and the changes of them, for page and API.

A form is the one place of a row's fields and rules. A page shows it (`dashboard.pages.admin.rows`),
an operation of the API fills it, and :func:`save` stores its row with an audit entry. Removed rows
stay for their history: of those in use, each name exists once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, User, action
from dashboard.security.request import logged_in
from jobs.base.errors import LaunchError

Row = TypeVar("Row", bound=models.Model)


class Line(forms.CharField):
    """One printable line."""

    def run_validators(self, value: str) -> None:
        """Give every wrong line one message, without Django's own for its length."""
        if len(value) > (self.max_length or 0) or not value.isprintable():
            text = _("Enter one line of at most %(most)s characters.")
            raise ValidationError(text % {"most": self.max_length})


class RowForm(forms.ModelForm, Generic[Row]):  # type: ignore[type-arg]  # not generic at run time
    """Form of one row. Its page needs no texts but labels and hints.

    ``area``: of the rights ``area.add`` and ``area.change``, and of audit entries.
    """

    area: ClassVar[str]
    most: ClassVar[int]
    too_many: ClassVar[str | Promise]  # with ``most``
    name_taken: ClassVar[str | Promise]

    instance: Row

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        *,
        instance: Row | None = None,
        initial: Mapping[str, Any] | None = None,
        user: AbstractBaseUser | AnonymousUser | None = None,
    ) -> None:
        self.user = logged_in(user) if user else None
        super().__init__(data, files, instance=instance, initial=dict(initial or {}), auto_id="%s")
        if self.instance.pk is None and self.user is not None:
            self.instance.created_by_id = self.user.pk  # type: ignore[attr-defined]  # each such row has it
        for name, field in self.fields.items():
            self.style(name, field)

    def style(self, name: str, field: forms.Field) -> None:
        """Name the element with errors and hint of a field, which every template has."""
        style = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
        field.widget.attrs = {
            "class": style,
            "aria-describedby": f"{name}-hint",
        } | field.widget.attrs

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, error)
        for name in self.errors.keys() & self.fields.keys():
            attrs = self.fields[name].widget.attrs
            attrs["class"] = f"{attrs['class'].removesuffix(' is-invalid')} is-invalid"

    def clean(self) -> None:
        """Limit the number of rows. The database checks names, because others add rows, too."""
        if self.instance.pk is None and self.in_use().count() >= self.most:
            self.add_error("name", self.too_many % {"most": self.most})

    def in_use(self) -> models.QuerySet[Row]:
        """Return the rows that count and are not removed."""
        rows: models.QuerySet[Row] = self._meta.model._default_manager.filter(removed_at=None)
        return rows

    def detail(self) -> dict[str, Any]:
        return {"name": str(self.instance)}

    def store(self) -> Row:
        """Store the row.
        Raises ``LaunchError``: a wrong or missing part, at its field. The form has all errors."""
        if self.is_valid():
            try:
                with transaction.atomic():
                    self.instance.save()
                return self.instance
            except IntegrityError:
                self.add_error("name", self.name_taken % {"name": self.instance})
        name, errors = next(iter(self.errors.items()))
        raise LaunchError(str(errors[0]), "" if name == "__all__" else name)


def save(user: User, form: RowForm[Row]) -> Row:
    """Add the row of a form, or change it.
    Raises ``PermissionDenied``: ``user`` has no right to; ``LaunchError``: as of
    :meth:`RowForm.store`."""
    did = "add" if form.instance.pk is None else "change"

    @action(f"{form.area}.{did}")
    def store(user: Any, row: Row) -> Done[Row]:
        row = form.store()
        return Done(row, f"{form.area} {row.pk}", **form.detail())

    return store(user, form.instance)


def remove(user: User, form: type[RowForm[Row]], row: Row) -> None:
    """Remove a row, which :func:`restore` undoes.
    Raises ``PermissionDenied``: it is of somebody else."""

    @action(f"{form.area}.change")
    def change(user: Any, row: Row) -> Done[None]:
        rows = type(row)._default_manager.filter(pk=row.pk, removed_at=None)
        return _done(form, row, "delete" if rows.update(removed_at=now()) else "")

    change(user, row)


def restore(user: User, form: type[RowForm[Row]], row: Row) -> None:
    """Restore a removed row.
    Raises ``PermissionDenied``: it is of somebody else; ``LaunchError``: another row has its name
    now."""

    @action(f"{form.area}.change")
    def change(user: Any, row: Row) -> Done[None]:
        rows = type(row)._default_manager.filter(pk=row.pk).exclude(removed_at=None)
        try:
            with transaction.atomic():
                return _done(form, row, "undo" if rows.update(removed_at=None) else "")
        except IntegrityError:
            raise LaunchError(str(form.name_taken % {"name": row}), "name") from None

    change(user, row)


def _done(form: type[RowForm[Row]], row: Row, did: str) -> Done[None]:
    """Return the outcome of a change; ``did`` "": nothing changed."""
    return Done(None, f"{form.area} {row.pk}" if did else "", name=str(row), did=did)
