"""Back up database, logs, outputs, secrets and own models into a folder. A second backup into the
same folder copies only what changed."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from dashboard.config.env import kept_secret
from dashboard.management.base import Arg, DashboardCommand, flag, require_migrated
from dashboard.security import audit_log
from dashboard.text.formatting import size_text
from jobs import backup
from jobs.backup.files import Mirrored


class Command(DashboardCommand):
    arguments = (
        Arg("target", "new, empty, or with an earlier backup", type=Path),
        flag(
            "--with-host",
            "also copy DATA_DIR/host: environments, weights and artifacts of This computer",
        ),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        require_migrated()
        target: Path = options["target"].absolute()
        audit_log.record(None, "data.export", f"backup {target}")
        try:
            key = kept_secret(settings.DATA_DIR, Path(backup.KEY).name)
            made = backup.create(
                target, key, with_host=options["with_host"], progress=self._progress
            )
        except OSError as error:
            raise CommandError(
                f"No backup: {error.filename or target}: {error.strerror}. Fix this, then run "
                "the command again: it copies only what is missing."
            ) from error
        self.stdout.write(
            f"{target}: {sum(made.rows.values())} rows, {len(made.files)} files, "
            f"{size_text(made.bytes)}. Keep it private: it has the secrets.\n"
            f"A restore needs {settings.DATA_DIR / backup.KEY}, which is not in it: "
            "store a copy in another place."
        )

    def _progress(self, folder: str, copied: Mirrored) -> None:
        self.stdout.write(
            f"{folder}: {len(copied.files)} files, {copied.copied} copied "
            f"({size_text(copied.copied_bytes)}), {copied.removed} removed"
        )
