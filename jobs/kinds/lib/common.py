"""Fields, paths and checks that kinds share."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.kinds.lib.base import AssetRef, Choice, Target, field
from jobs.plans import Plan, literal
from jobs.tools.lib import variants
from jobs.tools.lib.site import Site, site_of

# Of fields that may be empty. An absolute path is unambiguous in command lines and YAML.
PATH = r"^$|^/[A-Za-z0-9._/@+-]*$"
NAME = r"^$|^[A-Za-z0-9][A-Za-z0-9._-]*$"
SECRET = r"^$|^[A-Z][A-Z0-9_]{1,63}$"  # noqa: S105 -- the name of one
# A point with more failed requests measured another load than requested.
_FAILED_MOST = 0.01
T = TypeVar("T")


def exclusive_field(default: bool) -> Any:
    """Return the field ``exclusive`` of a benchmark: used by dispatch, not by the commands."""
    return field(
        *(default, "Exclusive host", "Scheduling"),
        description="Starts when nothing else runs on the host except the measured deployment, and "
        "blocks other jobs until the end.",
    )


def overlap_field() -> Any:
    """Return the field ``overlap`` of a benchmark: used by dispatch, like ``exclusive``."""
    return field(
        *(False, "Allow overlap", "Scheduling"),
        description="Runs alongside other benchmarks of this host that allow overlap, and "
        "evaluations of the same deployment. They slow each other, and the result "
        "counts as disturbed.",
    )


def seed_field() -> Any:
    """Return the field ``seed`` of a benchmark over HTTP: None draws one per concurrency and job
    (``jobs.tools.lib.load``); a number is used as typed."""
    return field(
        *(None, "Seed", "Load"),
        ge=0,
        le=2147483647,
        description="Empty: new requests at each concurrency and in each run. A number: the same "
        "requests every time, which a prefix cache answers faster.",
    )


def guide_notes(*names: str, **applies: object) -> list[Message]:
    """Return differences from the guide: ``names``, and those of ``applies`` with a true value."""
    chosen = (*names, *(name for name, value in applies.items() if value))
    return [Message(f"guide:{name}") for name in chosen]


def asset_choices(refs: Iterable[AssetRef]) -> list[Choice]:
    return [Choice(ref.key, ref.label) for ref in refs]


def gguf_choices(target: Target) -> list[Choice]:
    return asset_choices(ref for ref in target.weights if not ref.data.get("format"))


def reported(read: Callable[[Mapping[str, Any]], T], target: Target) -> T:
    try:
        return read(target.facts)
    except KeyError:
        name = _("This computer") if target.is_this_computer else target.name
        message = _("%(host)s has not reported its folders yet. Try again in a minute.")
        raise LaunchError(message, host=name) from None


def site(target: Target) -> Site:
    return reported(site_of, target)


def is_inside(path: str, folder: str) -> bool:
    """True for an absolute path of ``folder`` or below, without steps upwards."""
    pure = PurePosixPath(path)
    return pure.is_absolute() and ".." not in pure.parts and pure.is_relative_to(folder)


def key_of(engine: AssetRef) -> str:
    """Return the name of the secret with the engine's key; "" for none."""
    return str(engine.data.get("api_key") or "")


def against(plan: Plan, served: AssetRef, python: str) -> Plan:
    """Return ``plan``; against an endpoint, with its check as the first step. ``python``:
    interpreter of the host."""
    if served.endpoint is None:
        return plan
    counters = bool(served.data["toolchain"])
    return variants.checked(plan, literal(python), key=key_of(served), has_counters=counters)


def tokenizer_of(
    served: AssetRef, target: Target, field: str, *, unknown: str, missing: str
) -> AssetRef:
    """Return the weights on the host whose tokenizer counts the tokens of an engine's model. Raises
    LaunchError at ``field``: ``unknown`` without a model, ``missing`` without weights."""
    model_id = str(served.data.get("model_id") or "")
    if not model_id:
        raise LaunchError(unknown, field, name=served.title)
    found = tokenizer_weights(served, target)
    if found is None:
        step = _("Prepare its weights there first.")
        if any(ref.data.get("model_id") == model_id and ref.id for ref in target.weights):
            step = _(
                "Its weights are there as one file: run “Convert weights for vLLM” for the folder."
            )
        raise LaunchError(missing, field, model=model_id, host=target.name, step=step)
    return found


def endpoint_tokenizer(served: AssetRef, target: Target) -> AssetRef:
    """Return the weights of :func:`tokenizer_of` for a client that measures an endpoint."""
    return tokenizer_of(
        *(served, target, "deployment"),
        unknown=_(
            "This client needs the model's tokenizer. Choose the catalogue model of endpoint "
            "%(name)s first."
        ),
        missing=_(
            "This client needs the tokenizer of %(model)s, which is missing on %(host)s. %(step)s "
            "Or use “Benchmark” or “Evaluate”."
        ),
    )


def tokenizer_weights(served: AssetRef, target: Target) -> AssetRef | None:
    """Return a folder on the host with the tokenizer of an engine's model; None: none. A deployment
    that is queued may have queued weights: it is served from them."""
    usable = [
        ref
        for ref in target.weights
        # Without cards, other weights are GGUF files.
        if ref.data.get("model_id") == str(served.data.get("model_id") or "")
        and (target.has_dies or ref.data.get("format"))
        and (not ref.is_promised or (served.is_promised and ref.data.get("path")))
    ]
    return min(usable, key=lambda ref: ref.is_promised, default=None)


def holds_load(completed: float, failed: float) -> bool:
    """True if nearly all requests of a point completed: its rate is of the requested load."""
    return failed <= _FAILED_MOST * (completed + failed)


def tool_version(plan: Plan, environment: str) -> str:
    """Return the version of a tool in ``plan``, from its environment's folder; "" for none."""
    pattern = re.compile(rf"/{re.escape(environment)}-([^/]+)-[0-9a-f]{{8}}/bin/")
    matches = (pattern.search(step.argv[0]) for step in plan.steps)
    return next((match.group(1) for match in matches if match), "")
