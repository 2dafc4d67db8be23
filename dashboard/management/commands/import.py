"""Import results that others measured."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from dashboard.actions import imports
from dashboard.management import base
from dashboard.presenters.imports import as_json, as_text, preview
from jobs.errors import LaunchError
from jobs.imports import recognise
from jobs.imports.uploads import read_paths
from jobs.numbers import result_number
from jobs.services.collected import collected
from jobs.services.imports import About, Kept, checked


class Command(base.DashboardCommand):
    help = (
        "Import results that others measured: files, archives or folders of vLLM's benchmarks, "
        "EvalScope, OpenCompass, guidellm, AIPerf or lm-eval; or what a job collected on a host. "
        "The same files twice change nothing. Exit code 1 if there is no result."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="*", metavar="FILE", help="file, archive or folder")
        help_text = "files that this job (collect-results) copied from a host"
        parser.add_argument("--job", type=int, help=help_text)
        parser.add_argument("--device", default="", help='measured on, such as "8 × H800"')
        help_text = "id of the catalogue, or a name (default: as in the files)"
        parser.add_argument("--model", default="", help=help_text)
        help_text = "show what would be imported; change nothing"
        parser.add_argument("--dry-run", action="store_true", help=help_text)
        parser.add_argument("--json", action="store_true", help="all figures and questions as JSON")
        help_text = "account that imports (default: first admin)"
        parser.add_argument("--user", default="", help=help_text)

    def handle(self, *args: Any, **options: Any) -> None:
        about = About(device=options["device"], model=options["model"])
        paths = [Path(name) for name in options["file"]]
        if bool(paths) == (options["job"] is not None):
            raise CommandError("Name files, or a job with --job.")
        limit = settings.IMPORT_LIMIT_BYTES
        stored: list[Kept] = []
        try:
            checked(about)
            source = None if paths else collected(options["job"])
            files = (
                source.files(limit_bytes=limit) if source else read_paths(paths, limit_bytes=limit)
            )
            recognised = recognise(files)
            shown = preview(files, recognised)
            if not options["dry_run"]:
                user = base.user_named(options["user"])
                origin = source.origin if source else None
                stored = imports.keep(user, files, recognised, about, origin)
        except LaunchError as error:
            raise base.refused(error, "Not imported.") from error
        if options["json"]:
            self.stdout.write(json.dumps(as_json(preview(files, recognised) if stored else shown)))
        else:
            self.stdout.write(as_text(shown))
            for one in stored:
                if one.is_new:
                    self.stdout.write(f"imported: {result_number(one.row.result.pk)}")
        if not shown.found:
            sys.exit(1)
