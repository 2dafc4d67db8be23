"""Evaluate with OpenCompass on questions of this dashboard, on any host."""

from jobs.kinds.evaluate.evaluate import Evaluate, Params, questions_of
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import against, key_of, options_from, site
from jobs.kinds.lib.evaluations import extra_body
from jobs.plans import Plan
from jobs.tools.lib import variants
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.opencompass.commands import OUTPUTS

# Where a deployment states none: prompts are short.
_MAX_TOTAL = 131072


class EvaluateOpencompassQuestions(Evaluate, params=Params):
    """Send questions through OpenCompass: same prompts and rules as Evaluate, another tool."""

    name = opencompass.QUESTIONS
    title = "Evaluate with OpenCompass, own questions"
    reads = "tools.outputs.questions_reading.by_opencompass"
    progress = "tools.outputs.progress.sets"
    environment = opencompass.NAME
    tool = "OpenCompass"
    programs = opencompass.QUESTIONS_PROGRAMS
    clients = ()

    def plan(self, params: Params, target: Target) -> Plan:
        served, here = target.asset("deployment", params.deployment), site(target)
        asking = options_from(
            params,
            opencompass.OwnQuestionsRun,
            questions=questions_of(params, served),
            model=str(served.data["name"]),
            max_total=int(served.data.get("max_total") or _MAX_TOTAL),
            key=key_of(served),
            extra_body=extra_body(served, params.thinking),
        )
        return against(opencompass.questions_plan(asking, here), served, here.python)

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        words = opencompass.CONTINUE
        return variants.resumed(plan, earlier, step="evaluate", folder=OUTPUTS, words=words)
