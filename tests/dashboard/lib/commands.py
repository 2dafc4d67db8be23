"""Commands of ``manage.py``, called in the test's own process."""

from io import StringIO

from django.core.management import call_command


def both(*arguments: object) -> tuple[str, str]:
    """Return the standard output and the standard error of a command."""
    out, errors = StringIO(), StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def run(*arguments: object) -> str:
    return both(*arguments)[0]
