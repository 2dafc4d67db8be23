"""Greedy probe: the same prompts at temperature 0 to two engines."""

import json
from collections.abc import Sequence

from django.utils.translation import pgettext_lazy

from jobs.plans import ENGINES, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.load import Body, json_lines
from jobs.tools.lib.site import DIRECT, FILES, Site, endpoint_check, script, secret

KIND = "greedy-probe"
PROGRAMS = ("python3",)
STEPS = {"probe": pgettext_lazy("step", "compare answers")}
OUTPUT = "probe.jsonl"
_SCRIPT, _PROMPTS = "greedy_probe.py", "prompts.jsonl"
CLIENTS = (_SCRIPT,)


def plan(
    prompts: Sequence[str],
    site: Site,
    *,
    max_tokens: int,
    again: int,
    logprobs: bool,
    keys: tuple[str, str],
    bodies: tuple[Body, Body] = ({}, {}),
) -> Plan:
    """``keys``: names of secrets, "" for none. ``bodies``: more fields of the requests to each."""
    extra = [word for body in bodies for word in ("--body", literal(json.dumps(body)))]
    argv = (
        *(site.python_word, f"{FILES}/{_SCRIPT}", "{deployment.url}", "{reference.url}"),
        *("--served-model-name", "{deployment.name}", "--served-model-name", "{reference.name}"),
        *("--prompts", f"{FILES}/{_PROMPTS}", "--max-tokens", str(max_tokens)),
        *("--again", str(again), *(("--logprobs",) if logprobs else ())),
        *(*(extra if any(bodies) else ()), "--to", OUTPUT),
    )
    env = (*secret("API_KEY", keys[0]), *secret("REFERENCE_API_KEY", keys[1]))
    return Plan(
        kind=KIND,
        steps=(Step("probe", argv, env=env),),
        files=(script(_SCRIPT), script(DIRECT), PlanFile(_PROMPTS, json_lines(prompts))),
        outputs=(Output("probe", OUTPUT),),
        # A preflight check has no key.
        checks=tuple(
            endpoint_check(slot) for slot, key in zip(ENGINES, keys, strict=True) if not key
        ),
    )
