"""Link to a pipeline's preview, with its options."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.pages.shared.remedies import ends_the_same, failed_as_printed
from jobs.catalog import MODELS, STACKS
from jobs.kinds import KINDS
from jobs.kinds.lib.defaults import EXACT
from jobs.launch.pipelines import Options, Pipeline, pipelines_of
from jobs.launch.pipelines.options import BOTH, PRECISIONS
from jobs.models import Job
from jobs.queries.hosts.hosts import dies
from jobs.queries.jobs.chains import ChainProgress


def would_fail_again(chain: ChainProgress) -> bool:
    """Return True if a job would fail again with the same commands."""
    return any(map(ends_the_same, chain.broken))


def is_to_be_put_right(chain: ChainProgress) -> bool:
    """Return True if a verbatim command failed."""
    return any(map(failed_as_printed, chain.broken))


def preview_address(chain: ChainProgress) -> str:
    """Return the preview's address with the options of ``chain``, corrected if it ran guide
    verbatim.

    "" for jobs of no pipeline, such as a benchmark with its environment.
    """
    jobs = chain.jobs
    stack = next((name for job in jobs if (name := job.params.get("stack")) in STACKS), "")
    pipeline = _pipeline_of(jobs, chain.model_id, stack)
    if pipeline is None:
        return ""
    given = {"host": jobs[0].host.name, "stack": stack, EXACT: "0", **_options(jobs)}
    known = ("host", "stack", *pipeline.options)
    query = urlencode({name: value for name, value in given.items() if value and name in known})
    return f"{reverse('model-pipeline', args=[chain.model_id, pipeline.id])}?{query}"


def _pipeline_of(jobs: Sequence[Job], model_id: str, stack: str) -> Pipeline | None:
    """Return the pipeline whose links have all these kinds."""
    model, kinds = MODELS.get(model_id), {job.kind for job in jobs}
    if model is None or not stack or not any(_family(job) == "deploy" for job in jobs):
        return None
    for pipeline in pipelines_of(model):
        kinds_of_pipeline = {job.kind for job in pipeline.jobs(model, stack, Options())} | {
            "prepare"
        }
        if pipeline.needs_dies == bool(dies(jobs[0].host)) and kinds <= kinds_of_pipeline:
            return pipeline
    return None


def _options(jobs: Sequence[Job]) -> dict[str, str]:
    made = {str(job.params.get("precision")) for job in jobs if _family(job) == "compile"}
    made &= set(PRECISIONS)
    benchmarks = [job.params for job in jobs if _family(job) == "benchmark"]
    levels = next((params["concurrency"] for params in benchmarks if "concurrency" in params), ())
    return {
        "precision": BOTH if len(made) > 1 else "".join(made),
        "concurrency": ",".join(map(str, levels)) if isinstance(levels, list | tuple) else "",
    }


def _family(job: Job) -> str:
    """Return the family of a kind; "" for a removed kind."""
    kind = KINDS.get(job.kind)
    return kind.family if kind else ""
