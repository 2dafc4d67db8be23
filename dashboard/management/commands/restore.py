"""Restore a backup of manage.py backup into an empty DATA_DIR. Then start: make run."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from dashboard.management.base import PlainCommand
from jobs import backup


class Command(PlainCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=Path, help="folder of the backup")
        proof = parser.add_mutually_exclusive_group(required=True)
        proof.add_argument(
            "--key",
            type=Path,
            help="file of the key that signed the backup, such as data.old/secrets/backup_key",
        )
        proof.add_argument(
            "--unsigned",
            action="store_true",
            help="restore without a key: trust everyone who can write into the backup",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path = options["source"].absolute()
        try:
            file: Path | None = options["key"]
            key = file.read_text(errors="replace").strip() if file else None
            made = backup.restore(source, key, progress=self.stdout.write)
        except OSError as error:
            raise CommandError(
                f"Not restored: {error.filename or source}: {error.strerror}. Fix this, then "
                "restore again."
            ) from error
        if made.data_dir != str(settings.DATA_DIR):
            self.stderr.write(
                f"The backup is of DATA_DIR={made.data_dir}. Its records name folders of This "
                "computer there: prepare environments and weights of This computer again."
            )
        self.stdout.write(
            f"Restored the backup of {made.made_at:%Y-%m-%d %H:%M %Z}: "
            f"{sum(made.rows.values())} rows, {len(made.files)} files. Everyone logs in again. "
            "Start with make run."
        )
