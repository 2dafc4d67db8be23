"""Commands of ``manage.py``, called in the test's own process."""

from io import StringIO

from django.core.management import call_command


def both(*arguments: object) -> tuple[str, str]:
    """What a command writes to standard output and to standard error."""
    out, errors = StringIO(), StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def run(*arguments: object) -> str:
    return both(*arguments)[0]
