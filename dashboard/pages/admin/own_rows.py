"""Pages of a team's own rows: found, removed, restored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from dashboard.actions.removable import Removable
from dashboard.security.permissions import allowed, check
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.services.removable import Row


@dataclass(frozen=True, slots=True)
class OwnRows(Generic[Row]):
    """Rows of one model. ``find`` returns removed ones too; ``page``: name of the list's address,
    which offers with ``?removed=ID`` to undo a removal."""

    rows: Removable[Row]
    find: Callable[[int], Row | None]
    page: str

    def removed(self, request: HttpRequest) -> dict[str, Any]:
        """Return the removed row of the address, and the right to restore it."""
        number = number_from(request.GET.get("removed", ""))
        row = self.find(number) if number is not None else None
        if row is None or row.removed_at is None:
            return {"removed": None, "may_restore": False}
        return {"removed": row, "may_restore": allowed(request.user, self.rows.action, row)}

    def get(self, number: int) -> Row:
        """Return a row. Raises ``Http404``."""
        row = self.find(number)
        if row is None:
            raise Http404(number)
        return row

    def own(self, request: HttpRequest, number: int) -> Row:
        """Return a row that the user may change. Raises ``Http404``, ``PermissionDenied``."""
        row = self.get(number)
        check(request.user, self.rows.action, row)
        return row

    def remove(self, request: HttpRequest, number: int) -> HttpResponse:
        """Remove a row; the list then offers to undo it."""
        row = self.own(request, number)
        self.rows.remove(request.user, row)
        return self._undo_offer(row)

    def restore(self, request: HttpRequest, number: int) -> HttpResponse:
        """Restore a removed row."""
        row = self.own(request, number)
        try:
            self.rows.restore(request.user, row)
        except LaunchError as error:
            messages.error(request, str(error))
            return self._undo_offer(row)
        messages.success(request, gettext("%(name)s restored.") % {"name": row.name})
        return redirect(self.page)

    def _undo_offer(self, row: Row) -> HttpResponse:
        return redirect(f"{reverse(self.page)}?removed={row.pk}")
