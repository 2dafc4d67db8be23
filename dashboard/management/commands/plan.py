"""Print the commands of a job as a shell script that also runs by hand. Nothing is run. With
--stack or --as-in-guide no host is needed: folders and addresses are the guide's."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from pydantic import ValidationError

from dashboard.management import base
from dashboard.management.commands.launch import LAUNCH
from dashboard.text.messages import message
from jobs import plans
from jobs.base.validation_errors import messages
from jobs.kinds import KINDS
from jobs.kinds.lib import guide
from jobs.kinds.lib.guide import Sample
from jobs.launch import launch
from jobs.schedule.targets import target_of

DEFAULT_MODEL = "deepseek-r1"


class Command(base.PlainCommand):
    arguments = (
        *LAUNCH,
        base.of_user("launches"),
        base.Arg("--stack", "use these tools", choices=("guide", "current"), default=None),
        base.flag("--as-in-guide", "the guide's commands verbatim"),
        base.Arg("--model", "model of the catalogue, or its hub ID"),
        base.Arg("--format", choices=("script", "json"), default="script"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        raw = base.raw_params(options["kind"], options["set"])
        if options["stack"] or options["as_in_guide"]:
            sample = _without_host(options, raw)
        else:
            sample = self._on_host(options, raw)
        if options["format"] == "json":
            notes = [message(note.id, note.args) for note in sample.notes]
            text = json.dumps(guide.as_json(sample, notes), ensure_ascii=False, indent=2)
            self.stdout.write(text)
        else:
            self.stdout.write(plans.script(sample.plan, sample.values), ending="")

    def _on_host(self, options: Mapping[str, Any], raw: dict[str, Any]) -> Sample:
        base.require_dashboard()
        host = base.host_named(options["host"])
        if options["model"]:
            raw["model"] = options["model"]
        user = base.user_named(options["user"]) if User.objects.exists() else None
        result = launch.preview(options["kind"], raw, host, user=user)
        if result.plan is None or result.params is None:
            refused = launch.InvalidParams(result.errors)
            raise base.refused_launch(refused, options["kind"], host)
        if result.will_add:
            self.stderr.write(f"Prepared first, each as a job: {', '.join(result.will_add)}")
        offered = {name: value for name, value in result.open_slots.items() if value}
        notes = KINDS[options["kind"]].notes(result.params, target_of(host))
        return Sample(result.plan, offered | result.values, notes)


def _without_host(options: Mapping[str, Any], raw: Mapping[str, Any]) -> Sample:
    kind = KINDS[options["kind"]]
    if "stack" not in kind.Params.model_fields:
        raise CommandError(f"{kind.name} is not of the guide: leave --stack and --as-in-guide out")
    try:
        return guide.plan_for(
            kind,
            stack=options["stack"] or "guide",
            as_in_guide=options["as_in_guide"],
            model=options["model"] or DEFAULT_MODEL,
            given=raw,
        )
    except ValidationError as error:
        raise base.refusal(messages(error)) from error
