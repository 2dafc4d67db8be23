"""State whether a result is as accurate as a baseline: not worse, equivalent within a margin,
better, worse, or how many questions are missing. BASE and RESULT are numbers of results, as pages
have them: res-11; res-11,res-12 are repeats. Or bare counts, one for each data set. With --gate,
the exit code is 0 where the result passes (better, equivalent, not worse), 2 where it is worse, 3
where it cannot be told, 4 where the two are not comparable, and 1 for an error."""

import json
import sys
from typing import Any

from dashboard.management import base
from dashboard.pages.parity.asked import stated
from dashboard.pages.parity.words import GATE, as_data, as_text, verdict_of
from dashboard.text.messages import message
from jobs.queries.parity.entered import ParityError


class Command(base.PlainCommand):
    arguments = (
        base.Arg("results", nargs="*", metavar="BASE RESULT"),
        *base.STATEMENT,
        base.flag("--gate", "exit code by verdict, for CI"),
        base.flag("--json", "all numbers as JSON"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["results"]:
            base.require_dashboard()
        fields = base.statement_fields(options)
        try:
            found = stated(fields)
        except ParityError as error:
            text = message(error.reason.id, error.reason.args)
            raise base.statement_refusal(error.field, text) from None
        if options["json"]:
            self.stdout.write(json.dumps(as_data(found)))
        else:
            self.stdout.write(as_text(found))
        if options["gate"]:
            sys.exit(GATE[verdict_of(found)])
