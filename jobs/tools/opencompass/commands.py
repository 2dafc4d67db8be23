"""OpenCompass 0.4.1: configuration file and steps.

The deployment guide, Pytorch Deploy, step 4. The guide's own eval_ds.py evaluates DeepSeek-V3;
here it is generated for the deployment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog.data_sets import BY_OPENCOMPASS, EVALUATION_SETS, DataSet, OfOpenCompass
from jobs.catalog.questions import draw
from jobs.plans import ACCURACY, Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.lib.site import FILES, script
from jobs.tools.lib.thinking import Body
from jobs.tools.opencompass import environment as opencompass_env
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm import serve as vllm

PROGRAMS = ("opencompass", "python3")
STEPS = {
    "dry-run": pgettext_lazy("step", "dry run"),
    "evaluate": pgettext_lazy("step", "evaluate"),
    "score": pgettext_lazy("step", "score"),
    "collect": pgettext_lazy("step", "collect"),
}
KIND = "evaluate-opencompass"
CONFIG = "eval_ds.py"
OUTPUTS = "outputs"
FOLLOW = "follow_run.py"  # of corrected runs, in the job's own folder
SCORE_SETS = "SCORE_SETS"  # with follow_run.py: names of the sets to score
BASE = "VACC_API_BASE"
MODELSCOPE = "ModelScope"
MMLU = "lukaemon_mmlu_"
CEVAL = "ceval-"
TEN = 10  # first MMLU subsets alphabetically, as in VastModelZOO's short evaluation


@dataclass(frozen=True, slots=True)
class Family:
    """A selectable group of sets. ``module`` below ``opencompass.configs.datasets`` has the list
    ``name``.

    ``sets``: names the summary must contain; ``CEVAL`` stands for all names that begin so.
    ``files`` must be in the data folder; ``loads``: OpenCompass downloads missing ones.
    """

    module: str
    name: str
    questions: int
    sets: tuple[str, ...]
    files: tuple[str, ...]
    loads: bool = False


def _family(data_set: DataSet, own: OfOpenCompass) -> Family:
    sets = tuple(part.name for part in own.parts) or own.names
    return Family(own.module, own.variable, data_set.questions, sets, own.files, own.loads)


FAMILIES: dict[str, Family] = {
    name: _family(one, one.opencompass) for name, one in BY_OPENCOMPASS.items() if one.opencompass
}


@dataclass(frozen=True, slots=True)
class OpenCompassRun:
    """Evaluation settings and target. Lengths in tokens; ``limit``: questions per set, 0 for all;
    ``seed`` draws them, None: the first ones.

    ``model``: name in requests, ``abbr``: name in tables, ``tokenizer``: folder on the host to
    count lengths. ``key``: name of the API key's secret. ``extra_body``: more fields of each
    request.
    """

    families: tuple[str, ...]
    ten_of_mmlu: bool
    limit: int
    seed: int | None
    model: str
    abbr: str
    tokenizer: str
    max_answer: int
    max_length: int
    temperature: float
    batch: int
    per_second: int | None
    attempts: int | None  # of a request; None: the tool's own
    modelscope: bool
    exact: bool
    key: str = ""
    extra_body: Body = field(default_factory=dict)

    @property
    def sets(self) -> tuple[str, ...]:
        """Return names the summary must contain."""
        names = [name for family in self.families for name in FAMILIES[family].sets]
        mmlu = [name for name in names if name.startswith(MMLU)]
        left_out = set(mmlu[TEN:]) if self.ten_of_mmlu else set()
        return tuple(name for name in names if name not in left_out)

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Return set -> number of questions; "ceval-*" is a prefix, 0 is unknown."""
        counts = []
        for name in self.sets:
            size = EVALUATION_SETS[name].questions if name in EVALUATION_SETS else 0
            if name == CEVAL:
                # The limit applies to each subset, and subset sizes are unknown here.
                counts.append((f"{CEVAL}*", 0 if self.limit else FAMILIES["ceval"].questions))
            else:
                counts.append((name, min(size, self.limit) if self.limit else size))
        return tuple(counts)

    @property
    def questions(self) -> int:
        """Return the number of requests."""
        return sum(map(self._size, self.families))

    def _size(self, family: str) -> int:
        known = FAMILIES[family]
        names = [name for name in self.sets if name in known.sets and name in EVALUATION_SETS]
        sizes = [EVALUATION_SETS[name].questions for name in names] or [known.questions]
        return sum(min(size, self.limit) if self.limit else size for size in sizes)


def evaluate_plan(asking: OpenCompassRun, site: VaccSite) -> Plan:
    """Plan a dry run, which loads every set, then the run.

    Verbatim the tool asks all sets, then scores them.
    """
    steps = _printed_steps(asking, site) if asking.exact else _own_steps(asking, site)
    config = PlanFile(
        CONFIG,
        config_text(asking),
        at=f"{site.at('opencompass', 'eval')}/{CONFIG}" if asking.exact else "",
    )
    scripts = ("collect_run.py",) if asking.exact else (FOLLOW,)
    return Plan(
        kind=KIND,
        steps=steps,
        files=(config, *map(script, scripts)),
        outputs=run_outputs(),
        watches=(
            vllm.engine_watch("{deployment.url}"),
            Watch(
                ACCURACY,
                interval_s=1.0,
                reader="opencompass",
                folder=_outputs_folder(asking, site),
                expected=asking.sizes,
            ),
        ),
        checks=_checks(asking, site),
        # The guide's run writes a folder named by the minute, among those of other runs.
        writes=(f"{site.workspace}/opencompass",) if asking.exact else (),
    )


def run_outputs() -> tuple[Output, ...]:
    """Return the files of a run."""
    return (
        Output("summary", f"{OUTPUTS}/*/summary/*"),
        Output("results", f"{OUTPUTS}/*/results/*/*.json"),
        Output("predictions", f"{OUTPUTS}/*/predictions/*/*.json"),
        Output("logs", f"{OUTPUTS}/*/logs/*/*/*.out", required=False),
    )


def _outputs_folder(asking: OpenCompassRun, site: VaccSite) -> str:
    """Return the folder of the tool's runs."""
    if asking.exact:
        return site.at("opencompass", "outputs", "default")
    return f"{{job_dir}}/work/{OUTPUTS}"


def _printed_steps(asking: OpenCompassRun, site: VaccSite) -> tuple[Step, ...]:
    """Return the guide's steps in its checkout; the run's files are copied to the job."""
    checkout, tool = site.at("opencompass"), _Tool(asking, site)
    collect = (
        *(site.python_word, f"{FILES}/collect_run.py"),
        *(site.at("opencompass", "outputs", "default"), "{job_dir}/log", OUTPUTS),
    )
    return (
        tool.step("dry-run", ("opencompass", f"eval/{CONFIG}", "--dry-run"), cwd=checkout),
        tool.step("evaluate", ("opencompass", f"eval/{CONFIG}"), cwd=checkout),
        Step("collect", collect),
    )


def _own_steps(asking: OpenCompassRun, site: VaccSite) -> tuple[Step, ...]:
    """Return steps in the job's own folder, with the checkout's data, so that the checkout stays
    clean.

    Details record whether each answer is correct. Each set is scored when it is answered; the last
    step scores what is left, and makes the table of all.
    """
    tool, argv = _Tool(asking, site), ("opencompass", f"{FILES}/{CONFIG}", "-w", OUTPUTS)
    details = (*argv, "--dump-eval-details")
    follow = (site.python_word, f"{FILES}/{FOLLOW}", OUTPUTS, str(len(asking.sets)))
    return (
        tool.step("dry-run", (*argv, "--dry-run")),
        tool.step("evaluate", (*follow, *details, "-m", "infer")),
        tool.step("score", (*details, "-m", "eval", "-r")),
    )


@dataclass(frozen=True, slots=True)
class _Tool:
    """The conda environment of both steps, and its variables."""

    asking: OpenCompassRun
    site: VaccSite

    def step(self, name: str, argv: tuple[str, ...], cwd: str = "") -> Step:
        """A step of OpenCompass."""
        asking = self.asking
        key = f"{{secret:{asking.key}}}" if asking.key else "EMPTY"
        data = () if cwd else (("COMPASS_DATA_CACHE", self.site.at("opencompass")),)
        source = (("DATASET_SOURCE", MODELSCOPE),) if asking.modelscope else ()
        return Step(
            name,
            argv,
            env=(
                *((BASE, "{deployment.url}/v1"), ("OPENAI_API_KEY", key), *data, *source),
                ("no_proxy", "127.0.0.1,localhost,{deployment.host}"),
            ),
            cwd=cwd,
            path=(literal(f"{opencompass_env.folder(self.site)}/bin"),),
        )


def _checks(asking: OpenCompassRun, site: VaccSite) -> tuple[Check, ...]:
    data = site.at("opencompass", "data")
    files = [
        (file, FAMILIES[family].loads or asking.modelscope)
        for family in asking.families
        for file in FAMILIES[family].files
    ]
    what = _("evaluation data; run “Prepare datasets” for OpenCompass first")
    tokenizer = _("tokenizer of the model, needed to count lengths")
    return (
        Check("conda", (("env", opencompass_env.NAME),)),
        *(
            Check("path", (("path", f"{data}/{file}"), ("what", what)), asks=asks)
            for file, asks in files
        ),
        Check("path", (("path", literal(asking.tokenizer)), ("what", tokenizer))),
        Check("endpoint", (("url", "{deployment.url}"), ("model", "{deployment.name}"))),
    )


def config_text(asking: OpenCompassRun) -> str:
    """Return the configuration as Python code."""
    families = [FAMILIES[name] for name in asking.families]
    imports = [
        f"    from opencompass.configs.datasets.{one.module} import {one.name}" for one in families
    ]
    return "\n".join(
        [
            f"# What is asked of {asking.model!r}; made for this job.",
            "# What is known only when it starts comes through the environment: the address as",
            f"# {BASE}, the key as OPENAI_API_KEY, so that it stands in no file.",
            "import os",
            "",
            "from mmengine.config import read_base",
            "from opencompass.models import OpenAISDK",
            "from opencompass.utils.text_postprocessors import extract_non_reasoning_content",
            "",
            "with read_base():",
            *imports,
            "",
            *_ten(asking),
            f"datasets = {_sum(asking, families)}",
            *_limited(asking),
            *([] if asking.exact else _ANSWERED),
            "",
            "models = [",
            "    dict(",
            *(f"        {name}={value}," for name, value in _model(asking).items()),
            "    )",
            "]",
            "del os  # OpenCompass writes down every name of this file, and cannot read a module",
            "",
        ]
    )


def _ten(asking: OpenCompassRun) -> list[str]:
    if not asking.ten_of_mmlu or "mmlu" not in asking.families:
        return []
    names = [name for name in asking.sets if name.startswith(MMLU)]
    return ["ten_of_mmlu = [", *(f"    {name!r}," for name in names), "]"]


def _sum(asking: OpenCompassRun, families: Sequence[Family]) -> str:
    ten = "[one for one in mmlu_datasets if one['abbr'] in ten_of_mmlu]"
    names = {one.name: one.name for one in families}
    if asking.ten_of_mmlu and "mmlu" in asking.families:
        names["mmlu_datasets"] = ten
    return " + ".join(names.values())


def _limited(asking: OpenCompassRun) -> list[str]:
    if not asking.limit:
        return []
    first = f"[0:{asking.limit}]"
    if asking.seed is None:
        return [
            "for one in datasets:",
            f"    one['reader_cfg']['test_range'] = {first!r}",
            "del one",
        ]
    return [
        "# Drawn questions: OpenCompass reads a range as Python behind the list of all of a set.",
        "drawn = {",
        *(f"    {name!r}: '[:0] or {rows}'," for name, rows in _drawn(asking, asking.seed)),
        "}",
        "for one in datasets:",
        f"    one['reader_cfg']['test_range'] = drawn.get(one['abbr'], {first!r})",
        "del one, drawn",
    ]


def _drawn(asking: OpenCompassRun, seed: int) -> list[tuple[str, list[int]]]:
    """Return the drawn questions of each set that has more than the limit."""
    return [
        (name, sorted(sorted(range(size), key=lambda row: draw(seed, f"{name}/{row}"))[:most]))
        for name in asking.sets
        if name in EVALUATION_SETS
        for size, most in ((EVALUATION_SETS[name].questions, asking.limit),)
        if size > most
    ]


_ANSWERED = (
    f"only = os.environ.get({SCORE_SETS!r})  # sets that are scored while others are asked",
    "if only:",
    "    datasets = [one for one in datasets if one['abbr'] in only.split(',')]",
    "del only",
)


def _model(asking: OpenCompassRun) -> Mapping[str, str]:
    """Return the model's dict: field -> Python code."""
    own = {"query_per_second": asking.per_second, "retry": asking.attempts}
    return {
        "abbr": repr(asking.abbr),
        "type": "OpenAISDK",
        "path": repr(asking.model),
        "openai_api_base": f"[os.environ[{BASE!r}]]",
        "tokenizer_path": repr(asking.tokenizer),
        # Without a key the client uses OPENAI_API_KEY; 'ENV' would be sent literally.
        "key": "None",
        "max_out_len": repr(asking.max_answer),
        "max_seq_len": repr(asking.max_length),
        "temperature": repr(asking.temperature),
        "batch_size": repr(asking.batch),
        **{name: repr(value) for name, value in own.items() if value is not None},
        **({"extra_body": repr(asking.extra_body)} if asking.extra_body else {}),
        "pred_postprocessor": "dict(type=extract_non_reasoning_content)",
    }
