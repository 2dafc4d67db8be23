"""Load of benchmarks: lengths, prompts, amount of work."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import PROMPT_SETS
from jobs.kinds.lib.base import EXACT, AssetRef, Choice, Target, field
from jobs.kinds.lib.common import key_of, tokenizer_of
from jobs.tools.lib.load import HttpLoad, Prompts
from jobs.tools.llama_cpp import commands as llama_cpp
from jobs.tools.vllm import serve as vllm

APART = 0.1  # relative difference of lengths: more is reported, and is another workload
INPUT, OUTPUT = "input_tokens", "output_tokens"
# Prompts of a chosen length, of other clients.
RANDOM = "random"
# Data sets of vLLM's client whose prompts have lengths of their own.
FIXED = ("sharegpt", "custom")
# Tokens of the examples that llama.cpp's reasoning template adds (``jobs.kinds.deploy``).
_EXAMPLES = 300
_TEMPLATE_TOKENS = 32  # that a chat template may add to a prompt
MARK_TOKENS = 8  # of the word that makes each prompt unique (cold.py)
HITS_MOST = 0.01  # share of prompt tokens from a prefix cache; a cold benchmark has less
# An engine reads about twenty prompt tokens in the time of one output token.
_READ = 0.05
# Counters of each engine under /metrics.
COUNTERS = {llama_cpp.NAME: llama_cpp.METRICS, "vllm": vllm.METRICS}


def output_field() -> Any:
    """Return the field ``output_tokens`` of a benchmark over HTTP."""
    return field(
        *(64, "Output length", "Load", "tokens"),
        ge=1,
        le=8192,
        beside=("deployment", PROMPT_TOKENS),
        description="Output tokens per request, always generated in full.",
    )


def input_field() -> Any:
    """Return the field ``input_tokens``: the length of random prompts."""
    return field(
        *(128, "Prompt length", "Load", "tokens"),
        ge=1,
        le=1048576,
        when=("prompts", RANDOM),
        description="Tokens of a random prompt, without the chat template.",
    )


def asked_lengths(
    names: Sequence[str], params: Mapping[str, Any], *, answer_limit: str = ""
) -> dict[str, int]:
    """Return the requested ``{"input_tokens": n, "output_tokens": n}``, without unset values.
    ``names``: lengths the kind requests; fixed prompts have their own. ``answer_limit``: the field
    of max output tokens, of an evaluation."""
    if answer_limit:
        most = params.get(answer_limit)
        return {OUTPUT: most} if isinstance(most, int) else {}
    if not has_chosen_length(params):
        names = (OUTPUT,)
    return {name: params[name] for name in names if isinstance(params.get(name), int)}


def has_chosen_length(params: Mapping[str, Any]) -> bool:
    if "dataset" in params:
        return params["dataset"] not in FIXED
    return bool(params.get("prompts", RANDOM) == RANDOM)


def measured_lengths(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return measured lengths: means over completed requests."""
    lengths: dict[str, float] = {}
    for name in (INPUT, OUTPUT):
        mean, total = metrics.get(f"{name}_mean"), metrics.get(name)
        if mean is None and total is not None and metrics.get("requests"):
            mean = total / metrics["requests"]
        if mean is not None:
            lengths[name] = mean
    return lengths


def answer_means(answers: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return mean tokens of an evaluation's questions and answers as metrics; unknown ones are
    omitted."""
    details = [answer.get("detail") or {} for answer in answers]
    means = {}
    for name in (INPUT, OUTPUT):
        counts = [one[name] for one in details if isinstance(one.get(name), int | float)]
        if counts:
            means[f"{name}_mean"] = sum(counts) / len(counts)
    return means


def about_tokens(texts: Iterable[str]) -> int:
    """Estimate the length of the longest of ``texts`` as a prompt, on the safe side: a token per
    three bytes, and the chat template."""
    return max((len(text.encode()) for text in texts), default=0) // 3 + _TEMPLATE_TOKENS


# Longest prompt of all included sets.
PROMPT_TOKENS = MARK_TOKENS + about_tokens(line for lines in PROMPT_SETS.values() for line in lines)


def longest_answer(served: Mapping[str, Any], prompt: int) -> int | None:
    """Return tokens left for an answer after a prompt of ``prompt`` tokens. None where it declares
    no limit; 0 or less where the prompt alone is too long."""
    whole = int(served.get("max_total") or 0)
    if not whole:
        return None
    has_examples = served.get("reasoning") and served.get("toolchain") == "llama.cpp"
    return whole - prompt - (_EXAMPLES if has_examples else 0)


def check_answer(served: Mapping[str, Any], field: str, tokens: int, prompt: int) -> None:
    most = longest_answer(served, prompt)
    if most is None or tokens <= most:
        return
    args = {"name": served.get("name", ""), "context": served["max_total"], "most": most}
    args |= {"prompt": int(served["max_total"]) - most}
    if most < 1:
        message = _(
            "Context too short: %(name)s has %(context)s tokens, and the prompt alone "
            "takes about %(prompt)d. Choose a deployment with a longer context."
        )
        raise LaunchError(message, "deployment", **args)
    message = _(
        "At most %(most)d: prompt (about %(prompt)d) and output share the context of "
        "%(name)s, %(context)s tokens. Reduce the value, or deploy with a longer "
        "context."
    )
    raise LaunchError(message, field, **args)


def check_limit(limit: int, questions: int) -> None:
    if limit > questions:
        message = _("At most %(questions)d, the size of the set. 0: all questions.")
        raise LaunchError(message, "limit", questions=questions)


def ignores_ends(arguments: Iterable[str]) -> bool:
    """True if a command forces answers to full length."""
    return any("ignore-eos" in word or "ignore_eos" in word for word in arguments)


def length_remarks(
    asked: Mapping[str, int],
    points: Sequence[tuple[int | str, Mapping[str, Any]]],
    *,
    full: bool,
    context: int = 0,
) -> list[Message]:
    """Return remarks on lengths that differ by more than ``APART`` from the requested ones, with
    causes. Each names the point with the largest difference. ``full``: see :func:`ignores_ends`.
    ``context``: tokens that the deployment holds, prompt and output together; 0: not known."""
    remarks = []
    lengths = {concurrency: measured_lengths(metrics) for concurrency, metrics in points}
    for name, wanted in asked.items():
        means = {level: known[name] for level, known in lengths.items() if name in known}
        worst = max(means, key=lambda level: abs(means[level] - wanted), default=None)
        if worst is None or abs(means[worst] - wanted) <= APART * wanted:
            continue
        args = {"asked": wanted, "measured": round(means[worst]), "concurrency": worst}
        if name == INPUT:
            cause = "lengths:input"
        elif means[worst] > wanted:
            cause = "lengths:output_long"
        elif 0 < context < lengths[worst].get(INPUT, 0) + wanted:
            cause, args["context"] = "lengths:output_context", context
        else:
            cause = "lengths:output_cut" if full else "lengths:output_ended"
        remarks.append(Message(cause, args))
    return remarks


def hits_remark(
    params: Mapping[str, Any], points: Sequence[tuple[int | str, Mapping[str, float]]]
) -> Message | None:
    """Return a remark on the point with the most hits in a prefix cache, with the cause if
    ``params`` show it."""
    hits = {concurrency: m.get("engine_prefix_hits", 0.0) for concurrency, m in points}
    worst = max(hits, key=lambda concurrency: hits[concurrency], default=None)
    if worst is None or hits[worst] <= HITS_MOST:
        return None
    # Two decimals, like all shares.
    args: dict[str, Any] = {"share": f"{100 * hits[worst]:.2f}", "concurrency": worst}
    prefix, length = params.get("prefix_tokens") or 0, params.get("input_tokens") or 0
    if params.get(EXACT):
        return Message("benchmark:hits_guide", args)
    if params.get("seed") is not None:
        return Message("benchmark:hits_seed", {**args, "seed": params["seed"]})
    if prefix and params.get("dataset") != "sharegpt" and hits[worst] <= 1.5 * prefix / length:
        return Message("benchmark:hits_prefix", {**args, "tokens": prefix})
    return Message("benchmark:hits", args)


def since_start_remark(share: float) -> Message | None:
    """Return a remark on a share of hits that counts all requests since the server's start."""
    args = {"share": f"{100 * share:.2f}"}
    return Message("benchmark:hits_since_start", args) if share > HITS_MOST else None


def work_of_requests(params: Mapping[str, Any]) -> float:
    """Return the work of a benchmark: requests × lengths / concurrency, one after the other.
    Without a concurrency, all requests are sent at the start. This is rough: throughput rises with
    concurrency."""
    requests = int(params["requests"])
    levels = [int(at_once) for at_once in params.get("concurrency", (1,))]
    return sum(requests / min(requests, each) for each in levels) * work_of_request(params)


def work_of_request(params: Mapping[str, Any]) -> float:
    """Return the work of one request, in output tokens."""
    prompt = params.get(INPUT) if has_chosen_length(params) else 0
    return float(params[OUTPUT]) + _READ * float(prompt or 0)


def did_all(params: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """Return False if a request failed or was not sent, or an evaluation stopped early: the
    duration is then no reference."""
    if (metrics.get("planned_questions") or 0) > (metrics.get("questions") or 0):
        return False
    asked = params.get("requests")
    done = metrics.get("requests_all", metrics.get("requests"))
    if metrics.get("failed_requests_all", metrics.get("failed_requests")):
        return False
    if not isinstance(asked, int) or done is None:
        return True
    return bool(done >= asked * len(params.get("concurrency") or (0,)))


def prompt_choices(target: Target) -> list[Choice]:
    own = Choice(RANDOM, _("random words"))
    return [*included_choices(), own, *team_choices(target)]


def text_of(params: Any) -> str:
    """Return the load for titles and results: "everyday → 64 tok", "random 1024 → 64 tok"."""
    sized = f" {params.input_tokens}" if params.prompts == RANDOM else ""
    return f"{params.prompts}{sized} → {params.output_tokens} tok"


def included_choices() -> list[Choice]:
    return [Choice(name, f"{name} ({len(lines)})") for name, lines in PROMPT_SETS.items()]


def team_choices(target: Target) -> list[Choice]:
    return [Choice(one.name, f"{one.name} ({one.count})") for one in target.prompts]


def chosen_prompts(name: str, target: Target) -> Prompts:
    if name in PROMPT_SETS:
        return Prompts(PROMPT_SETS[name], PROMPT_TOKENS)
    return team_prompts(name, target)


def team_prompts(name: str, target: Target) -> Prompts:
    found = next((one for one in target.prompts if one.name == name), None)
    if found is None:
        raise LaunchError(_("Unknown prompt set. Choose one from the list."), "prompts")
    return Prompts(tuple(found.read()), found.longest + MARK_TOKENS, of_team=True)


def http_load(params: Any, served: AssetRef, target: Target) -> HttpLoad:
    """Return the requests of a benchmark over HTTP."""
    if params.prompts == RANDOM:
        check_input(params.input_tokens, served)
        sent = _random_prompts(params.input_tokens, served, target)
    else:
        sent = chosen_prompts(params.prompts, target)
    check_answer(served.data, OUTPUT, params.output_tokens, sent.longest)
    return HttpLoad(
        *(params, sent, COUNTERS.get(str(served.data.get("toolchain")), ()), key_of(served)),
        streamed=not served.data.get("bare_stream"),
        has_dies=target.has_dies,
    )


def _random_prompts(tokens: int, served: AssetRef, target: Target) -> Prompts:
    weights = tokenizer_of(
        *(served, target, "prompts"),
        unknown=_(
            "Random prompts need a tokenizer. Choose the catalogue model of %(name)s first, or "
            "other prompts."
        ),
        missing=_(
            "Random prompts need the tokenizer of %(model)s, which is missing on %(host)s. "
            "%(step)s Or choose other prompts."
        ),
    )
    return Prompts((), tokens + _TEMPLATE_TOKENS, folder=str(weights.data["path"]))


def check_concurrency(values: Sequence[int]) -> None:
    if len(set(values)) < len(values):
        raise LaunchError(_("Enter each concurrency only once."), "concurrency")


def check_input(tokens: int, served: AssetRef) -> None:
    most = served.data.get("max_input")
    if most and tokens > int(most):
        message = _("Max prompt length of the deployment is %(tokens)d tokens.")
        raise LaunchError(message, INPUT, tokens=int(most))
