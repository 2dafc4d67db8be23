"""Texts that people type about results: cleaned, and refused at the field that has them."""

from __future__ import annotations

from unicodedata import normalize

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError


def one_line(text: str, field: str, *, most: int) -> str:
    """Return ``text`` as one line of single spaces, in composed form (NFC).

    Raises:
        LaunchError: it is empty, too long, or has control characters.
    """
    line = " ".join(normalize("NFC", text).split())
    if not line:
        raise LaunchError(_("Enter a text."), field)
    if len(line) > most or not line.isprintable():
        raise LaunchError(
            _("Enter one line of at most %(most)s characters.") % {"most": most}, field
        )
    return line


def lines(text: str, field: str, *, most: int) -> str:
    """Return ``text`` with its line breaks, in composed form (NFC).

    Raises:
        LaunchError: it is empty, too long, or has control characters.
    """
    whole = normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()
    if not whole:
        raise LaunchError(_("Enter a text."), field)
    if len(whole) > most:
        raise LaunchError(_("Enter at most %(most)s characters.") % {"most": most}, field)
    if not whole.replace("\n", "").replace("\t", "").isprintable():
        raise LaunchError(_("Remove the control characters."), field)
    return whole
