"""Backup and restore: database, logs, outputs, secrets, models of the team.
Here: the copy of the database, the copy of the files, the manifest that describes both.
Not here: the commands (`dashboard.management`), who may run them.

================  ================================================================
``create``        copy everything into a folder; a second run copies what changed
``restore``       fill an empty ``DATA_DIR`` from such a folder
``Manifest``      ``manifest.json``: rows per table, sizes and checksums of files; signed
``KEY``           place of the key that signs, in ``DATA_DIR``
``BackupError``   a text for the person at the terminal: state, cause, action
================  ================================================================
"""

from jobs.backup.create import create
from jobs.backup.manifest import KEY, BackupError, Manifest
from jobs.backup.restore import restore

__all__ = ["KEY", "BackupError", "Manifest", "create", "restore"]
