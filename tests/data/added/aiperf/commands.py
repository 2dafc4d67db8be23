"""AIPerf 0.13: its benchmark of a server over HTTP, without a network."""

from jobs.plans import Output, Plan, Step
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import HttpLoad
from jobs.tools.lib.site import UNBUFFERED, Site

NAME = "aiperf"
PROGRAMS = ("python", NAME)
KIND = "benchmark-aiperf"
EXPORT = "profile_export_aiperf.json"
_ENV = (*UNBUFFERED, ("HF_HUB_OFFLINE", "1"), ("no_proxy", "127.0.0.1,localhost"))


def benchmark_plan(load: HttpLoad, site: Site) -> Plan:
    """Plan a run per concurrency of the deployment in the slots ``{deployment.…}``."""
    python, requests = ENVIRONMENTS[NAME].python(site), load.params.requests
    levels = load.params.concurrency
    return Plan(
        kind=KIND,
        steps=(
            load.written(python, requests),
            *(Step(f"measure-{one}", _command(load, one, site), env=_ENV) for one in levels),
        ),
        files=load.files(),
        outputs=tuple(Output(f"result-{one}", f"result-{one}/{EXPORT}") for one in levels),
        watches=load.watches(),
    )


def _command(load: HttpLoad, level: int, site: Site) -> tuple[str, ...]:
    return (
        *(ENVIRONMENTS[NAME].program(site, NAME), "profile", "--model", "{deployment.name}"),
        *("--url", "{deployment.url}", "--endpoint-type", "chat", "--streaming"),
        *("--concurrency", str(level), "--request-count", str(load.params.requests)),
        *("--input-file", f"{{job_dir}}/work/prompts-{load.params.requests}-at-{level}.txt"),
        *("--custom-dataset-type", "single_turn", "--use-server-token-count"),
        *("--output-tokens-mean", str(load.params.output_tokens), "--use-legacy-max-tokens"),
        *("--extra-inputs", "ignore_eos:true", "--artifact-dir", f"result-{level}"),
        *("--ui-type", "simple"),
    )
