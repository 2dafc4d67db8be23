"""Import results that others measured: files, archives or folders of vLLM's benchmarks, EvalScope,
OpenCompass, guidellm, AIPerf or lm-eval; or what a job collected on a host. The same files twice
change nothing. Exit code 1 if there is no result."""

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from dashboard.actions.import_tasks import as_json, as_text, collected_files, keep, preview
from dashboard.actions.imports import By
from dashboard.management import base
from dashboard.security import audit_log
from jobs.base.numbers import result_number
from jobs.imports import read_paths, recognise
from jobs.services.import_storage import Kept
from jobs.services.imports import ABOUT_FIELDS, about_of, collected


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("file", "file, archive or folder", nargs="*", metavar="FILE"),
        base.Arg("--job", "files that this job (collect-results) copied from a host", type=int),
        *(base.Arg(f"--{name}", text) for name, text in ABOUT_FIELDS.items()),
        base.flag("--dry-run", "show what would be imported; change nothing"),
        base.flag("--json", "all figures and questions as JSON"),
        base.Arg("--user", "account that imports (default: first admin)"),
    )
    undone = "Not imported."

    def handle(self, *args: Any, **options: Any) -> None:
        paths = [Path(name) for name in options["file"]]
        if bool(paths) == (options["job"] is not None):
            raise CommandError("Name files, or a job with --job.")
        limit = settings.IMPORT_LIMIT_BYTES
        stored: list[Kept] = []
        about = about_of({name: options[name] for name in ABOUT_FIELDS})
        source = None if paths else collected(options["job"])
        files = collected_files(source, limit) if source else read_paths(paths, limit_bytes=limit)
        recognised = recognise(files)
        shown = preview(files, recognised)
        if not options["dry_run"]:
            by = By(base.user_named(options["user"]).pk, audit_log.current_origin())
            stored = keep(by, files, recognised, about, source.origin if source else None)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(files, recognised)))
        else:
            self.stdout.write(as_text(shown))
            for one in stored:
                if one.is_new:
                    self.stdout.write(f"imported: {result_number(one.row.result.pk)}")
        if not shown.found:
            sys.exit(1)
