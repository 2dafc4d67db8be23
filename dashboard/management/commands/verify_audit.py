"""Check that no entry of the audit log was changed, removed or added from outside."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from dashboard.management import base
from jobs.queries import audit


class Command(base.DashboardCommand):
    arguments = (
        base.Arg(
            "file",
            "JSON Lines of AUDIT_EXPORT or of the page: the database must have each entry",
            nargs="?",
            type=Path,
            metavar="FILE",
        ),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path | None = options["file"]
        try:
            count = audit.verify()
            self.stdout.write(f"{count} entries, none changed or missing")
            if file is not None:
                with file.open(encoding="utf-8") as lines:
                    self.stdout.write(f"{file}: {audit.compare(lines)} entries, all in the log")
        except audit.ChainBroken as broken:
            raise CommandError(f"The audit log was changed: {broken}.") from broken
        except OSError as error:
            raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{file} is no export of the audit log: {error!r}.") from error
