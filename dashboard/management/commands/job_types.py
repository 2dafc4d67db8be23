"""List the job types and their fields (with --json: JSON schemas)."""

import json
from typing import Any

from dashboard.management import base
from jobs.kinds import KINDS


class Command(base.PlainCommand):
    arguments = (base.flag("--json", "JSON, for programs"),)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"]:
            kinds = [
                {
                    "name": kind.name,
                    "title": kind.title,
                    "family": kind.family,
                    "params": kind.Params.model_json_schema(),
                }
                for kind in KINDS.values()
            ]
            self.stdout.write(json.dumps(kinds, ensure_ascii=False, indent=2))
            return
        for kind in KINDS.values():
            self.stdout.write(f"{kind.name}: {kind.title}")
            for name, info in kind.Params.model_fields.items():
                self.stdout.write(f"  {name:<24} {info.description or ''}")
