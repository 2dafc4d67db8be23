"""Saved views of the result list: a name for filters, order and columns."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import SavedView
from jobs.services.results.texts import one_line

LONGEST_NAME, LONGEST_QUERY, MOST = 60, 1500, 50


def save(name: str, query: str, user: AbstractBaseUser, *, is_shared: bool = False) -> SavedView:
    """Save a view of ``user``.

    Raises:
        LaunchError: a wrong name or query, or too many views; ``field`` names it.
    """
    cleaned = one_line(name, "name", most=LONGEST_NAME)
    _check_query(query)
    mine = SavedView.objects.filter(created_by_id=user.pk)
    if mine.count() >= MOST:
        text = _("You have %(most)s saved views. Remove one first.") % {"most": MOST}
        raise LaunchError(text, "name")
    known = {"query": query, "is_shared": is_shared}
    row, is_new = mine.get_or_create(name=cleaned, created_by_id=user.pk, defaults=known)
    if not is_new:
        raise LaunchError(_taken(), "name")
    return row


def change(
    view: SavedView,
    *,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
) -> SavedView:
    """Change parts of a view; None: stays.

    Raises:
        LaunchError: a wrong name or query; ``field`` names it.
    """
    if name is not None:
        view.name = one_line(name, "name", most=LONGEST_NAME)
        others = SavedView.objects.filter(created_by_id=view.created_by_id, name=view.name)
        if others.exclude(pk=view.pk).exists():
            raise LaunchError(_taken(), "name")
    if query is not None:
        _check_query(query)
        view.query = query
    view.is_shared = view.is_shared if is_shared is None else is_shared
    view.save(update_fields=["name", "query", "is_shared"])
    return view


def remove(view: SavedView) -> bool:
    """Remove a view. False: it was removed already."""
    return bool(SavedView.objects.filter(pk=view.pk).delete()[0])


def _check_query(query: str) -> None:
    if len(query) > LONGEST_QUERY or not query.isascii() or not query.isprintable():
        text = _("These filters are too long to save: at most %(most)s characters.")
        raise LaunchError(text % {"most": LONGEST_QUERY}, "query")


def _taken() -> str:
    return _("You have a view of this name already.")
