"""State whether a result is as accurate as a baseline: not worse, equivalent within a margin,
better, worse, or how many questions are missing. BASE and RESULT are numbers of results, as pages
have them: res-11; res-11,res-12 are repeats. Verdicts on several RESULTs are corrected for their
number. Or bare counts, one for each data set. With --gate, the exit code is 0 where the result
passes (better, equivalent, not worse), 2 where it is worse, 3 where it cannot be told, 4 where the
two are not comparable, and 1 for an error; of several results, that of the worst."""

import json
import sys
from typing import Any

from dashboard.management import base
from dashboard.pages.parity import words
from dashboard.pages.parity.asked import Family, family, is_family, stated
from dashboard.text.messages import message
from jobs.queries.parity.entered import ParityError


class Command(base.PlainCommand):
    arguments = (
        base.Arg("results", nargs="*", metavar="BASE RESULT…"),
        *base.STATEMENT,
        base.flag("--gate", "exit code by verdict, for CI"),
        base.flag("--json", "all numbers as JSON"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["results"]:
            base.require_dashboard()
        fields = base.statement_fields(options)
        try:
            found = family(fields) if is_family(fields) else stated(fields)
        except ParityError as error:
            text = message(error.reason.id, error.reason.args)
            raise base.statement_refusal(error.field, text) from None
        if isinstance(found, Family):
            data, text = words.family_data(found), words.family_text(found)
        else:
            data, text = words.as_data(found), words.as_text(found)
        self.stdout.write(json.dumps(data) if options["json"] else text)
        if options["gate"]:
            sys.exit(data["exit_code"])
