"""OpenCompass: configuration files and steps.

0.4.1 on the data sets of the deployment guide (Pytorch Deploy, step 4). The guide's own eval_ds.py
evaluates DeepSeek-V3; here it is generated for the deployment.

0.5 in an environment of its own, on questions that travel in the plan. Prompts and rules are those
of EvalScope's run (``evalscope.eval_plan``): two tools, one measurement each of the same questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog.data_sets import BY_OPENCOMPASS, EVALUATION_SETS
from jobs.catalog.questions import draw
from jobs.plans import ACCURACY, Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.evalscope.commands import QuestionRun, questions_files, scoring_rules
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import Body
from jobs.tools.lib.site import FILES, UNBUFFERED, Site, check, endpoint_check, script
from jobs.tools.opencompass import environment as opencompass_env
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm.serve import engine_watch

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
_SCORE_SETS = "SCORE_SETS"  # with follow_run.py: names of the sets to score
_BASE = "VACC_API_BASE"
MMLU = "lukaemon_mmlu_"
CEVAL = "ceval-"
TEN = 10  # first MMLU subsets alphabetically, as in VastModelZOO's short evaluation

QUESTIONS = "evaluate-opencompass-questions"
QUESTIONS_NAME = "opencompass"  # of the environment
QUESTIONS_PROGRAMS = ("opencompass", "python")
CONTINUE = ("-r",)
_QUESTIONS_CONFIG = "eval_questions.py"
_QUESTIONS_SCRIPTS = ("follow_run.py", "opencompass_questions.py", "ask_and_score.py")
# Of the client's limiter; the concurrency is the limit.
_STARTS_PER_S = 100
_QUESTIONS_ENV = (
    *UNBUFFERED,
    ("HF_HUB_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache"),
    (_BASE, "{deployment.url}/v1"),
    ("no_proxy", "127.0.0.1,localhost"),
)


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


FAMILIES: dict[str, Family] = {
    name: Family(
        own.module,
        own.variable,
        one.questions,
        tuple(part.name for part in own.parts) or own.names,
        own.files,
        own.loads,
    )
    for name, one in BY_OPENCOMPASS.items()
    if (own := one.opencompass)
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
        """Names the summary must contain."""
        names = [name for family in self.families for name in FAMILIES[family].sets]
        mmlu = [name for name in names if name.startswith(MMLU)]
        left_out = set(mmlu[TEN:]) if self.ten_of_mmlu else set()
        return tuple(name for name in names if name not in left_out)

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Set -> number of questions; "ceval-*" is a prefix, 0 is unknown."""
        counts = []
        for name in self.sets:
            if name == CEVAL:
                # The limit applies to each subset, and subset sizes are unknown here.
                counts.append((f"{CEVAL}*", 0 if self.limit else FAMILIES["ceval"].questions))
            else:
                known = EVALUATION_SETS.get(name)
                counts.append((name, self._limited(known.questions if known else 0)))
        return tuple(counts)

    @property
    def questions(self) -> int:
        total = 0
        for family in (FAMILIES[name] for name in self.families):
            names = [name for name in self.sets if name in family.sets and name in EVALUATION_SETS]
            sizes = [EVALUATION_SETS[name].questions for name in names] or [family.questions]
            total += sum(map(self._limited, sizes))
        return total

    def _limited(self, size: int) -> int:
        return min(size, self.limit) if self.limit else size


def evaluate_plan(asking: OpenCompassRun, site: VaccSite) -> Plan:
    """Plan a dry run, which loads every set, then the run. Verbatim the tool asks all sets, then
    scores them."""
    exact, checkout = asking.exact, site.at("opencompass")
    runs = site.at("opencompass", "outputs", "default") if exact else f"{{job_dir}}/work/{OUTPUTS}"
    config = PlanFile(
        CONFIG, config_text(asking), at=site.at("opencompass", "eval", CONFIG) if exact else ""
    )
    argv: tuple[str, ...]
    if exact:
        # The guide's steps in its checkout; the run's files are copied to the job.
        argv = ("opencompass", f"eval/{CONFIG}")
        collect = (site.python_word, f"{FILES}/collect_run.py", runs, "{job_dir}/log", OUTPUTS)
        steps = (
            _step(asking, site, "dry-run", (*argv, "--dry-run"), cwd=checkout),
            _step(asking, site, "evaluate", argv, cwd=checkout),
            Step("collect", collect),
        )
    else:
        # In the job's own folder, with the checkout's data, so that the checkout stays clean.
        # Details record whether each answer is correct. Each set is scored when it is answered; the
        # last step scores what is left, and makes the table of all.
        argv = ("opencompass", f"{FILES}/{CONFIG}", "-w", OUTPUTS)
        details = (*argv, "--dump-eval-details")
        follow = (site.python_word, f"{FILES}/{FOLLOW}", OUTPUTS, str(len(asking.sets)))
        steps = (
            _step(asking, site, "dry-run", (*argv, "--dry-run")),
            _step(asking, site, "evaluate", (*follow, *details, "-m", "infer")),
            _step(asking, site, "score", (*details, "-m", "eval", "-r")),
        )
    return Plan(
        kind=KIND,
        steps=steps,
        files=(config, script("collect_run.py" if exact else FOLLOW)),
        outputs=_RUN_OUTPUTS,
        watches=(engine_watch("{deployment.url}"), _scores(runs, asking.sizes)),
        checks=_checks(asking, site),
        # The guide's run writes a folder named by the minute, among those of other runs.
        writes=(f"{site.workspace}/opencompass",) if exact else (),
    )


_RUN_OUTPUTS = (
    Output("summary", f"{OUTPUTS}/*/summary/*"),
    Output("results", f"{OUTPUTS}/*/results/*/*.json"),
    Output("predictions", f"{OUTPUTS}/*/predictions/*/*.json"),
    Output("logs", f"{OUTPUTS}/*/logs/*/*/*.out", required=False),
)


def _scores(folder: str, expected: tuple[tuple[str, int], ...]) -> Watch:
    return Watch(ACCURACY, interval_s=1.0, reader="opencompass", folder=folder, expected=expected)


def _step(
    asking: OpenCompassRun, site: VaccSite, name: str, argv: tuple[str, ...], cwd: str = ""
) -> Step:
    key = f"{{secret:{asking.key}}}" if asking.key else "EMPTY"
    env = (
        *((_BASE, "{deployment.url}/v1"), ("OPENAI_API_KEY", key)),
        *(() if cwd else (("COMPASS_DATA_CACHE", site.at("opencompass")),)),
        *((("DATASET_SOURCE", "ModelScope"),) if asking.modelscope else ()),
        ("no_proxy", "127.0.0.1,localhost,{deployment.host}"),
    )
    return Step(
        name, argv, env=env, cwd=cwd, path=(literal(f"{opencompass_env.folder(site)}/bin"),)
    )


def _checks(asking: OpenCompassRun, site: VaccSite) -> tuple[Check, ...]:
    what = _("evaluation data; run “Prepare datasets” for OpenCompass first")
    tokenizer = _("tokenizer of the model, needed to count lengths")
    families = [FAMILIES[name] for name in asking.families]
    return (
        check("conda", env=opencompass_env.NAME),
        *(
            check(
                "path",
                path=f"{site.at('opencompass', 'data')}/{file}",
                what=what,
                asks=family.loads or asking.modelscope,
            )
            for family in families
            for file in family.files
        ),
        check("path", path=literal(asking.tokenizer), what=tokenizer),
        endpoint_check(),
    )


def config_text(asking: OpenCompassRun) -> str:
    families = [FAMILIES[name] for name in asking.families]
    names = {one.name: one.name for one in families}
    ten = []
    if asking.ten_of_mmlu and "mmlu" in asking.families:
        own = [name for name in asking.sets if name.startswith(MMLU)]
        ten = ["ten_of_mmlu = [", *(f"    {name!r}," for name in own), "]"]
        names["mmlu_datasets"] = "[one for one in mmlu_datasets if one['abbr'] in ten_of_mmlu]"
    datasets = "opencompass.configs.datasets"
    return "\n".join(
        [
            f"# What is asked of {asking.model!r}; made for this job.",
            "# What is known only when it starts comes through the environment: the address as",
            f"# {_BASE}, the key as OPENAI_API_KEY, so that it stands in no file.",
            "import os",
            "",
            "from mmengine.config import read_base",
            "from opencompass.models import OpenAISDK",
            "from opencompass.utils.text_postprocessors import extract_non_reasoning_content",
            "",
            "with read_base():",
            *(f"    from {datasets}.{one.module} import {one.name}" for one in families),
            "",
            *ten,
            f"datasets = {' + '.join(names.values())}",
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


def _limited(asking: OpenCompassRun) -> list[str]:
    if not asking.limit:
        return []
    first, seed = f"[0:{asking.limit}]", asking.seed
    if seed is None:
        return [
            "for one in datasets:",
            f"    one['reader_cfg']['test_range'] = {first!r}",
            "del one",
        ]
    named = [name for name in asking.sets if name in EVALUATION_SETS]
    known = {name: EVALUATION_SETS[name].questions for name in named}
    drawn = [
        f"    {name!r}: '[:0] or {_drawn(name, size, asking.limit, seed)}',"
        for name, size in known.items()
        if size > asking.limit
    ]
    return [
        "# Drawn questions: OpenCompass reads a range as Python behind the list of all of a set.",
        *("drawn = {", *drawn, "}"),
        "for one in datasets:",
        f"    one['reader_cfg']['test_range'] = drawn.get(one['abbr'], {first!r})",
        "del one, drawn",
    ]


def _drawn(name: str, size: int, most: int, seed: int) -> list[int]:
    return sorted(sorted(range(size), key=lambda row: draw(seed, f"{name}/{row}"))[:most])


_ANSWERED = (
    f"only = os.environ.get({_SCORE_SETS!r})  # sets that are scored while others are asked",
    "if only:",
    "    datasets = [one for one in datasets if one['abbr'] in only.split(',')]",
    "del only",
)


def _model(asking: OpenCompassRun) -> dict[str, str]:
    """Return the model's dict: field -> Python code."""
    own = {"query_per_second": asking.per_second, "retry": asking.attempts}
    return {
        "abbr": repr(asking.abbr),
        "type": "OpenAISDK",
        "path": repr(asking.model),
        "openai_api_base": f"[os.environ[{_BASE!r}]]",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnQuestionsRun(QuestionRun):
    """``model``: name in requests; ``max_total``: tokens of question and answer."""

    model: str
    max_total: int


def questions_plan(asking: OwnQuestionsRun, site: Site) -> Plan:
    environment, files = ENVIRONMENTS[QUESTIONS_NAME], questions_files(asking.questions)
    subsets = {
        file.name.removesuffix(".jsonl"): asking.samples * file.text.count("\n") for file in files
    }
    argv = (
        *(environment.python(site), f"{FILES}/follow_run.py", OUTPUTS, str(len(subsets))),
        *(environment.program(site, "opencompass"), f"{FILES}/{_QUESTIONS_CONFIG}", "-w", OUTPUTS),
        "--dump-eval-details",
    )
    key = f"{{secret:{asking.key}}}" if asking.key else "EMPTY"
    env = (*_QUESTIONS_ENV, ("OPENAI_API_KEY", key), ("SAMPLES", str(asking.samples)))
    folder = f"{{job_dir}}/work/{OUTPUTS}"
    return Plan(
        kind=QUESTIONS,
        steps=(Step("evaluate", argv, env=env),),
        files=(
            *(*map(script, _QUESTIONS_SCRIPTS), scoring_rules()),
            PlanFile(_QUESTIONS_CONFIG, questions_config(asking, tuple(subsets))),
            *files,
        ),
        outputs=(*_RUN_OUTPUTS, Output("asked", f"{OUTPUTS}/.asked.jsonl", required=False)),
        watches=(engine_watch("{deployment.url}"), _scores(folder, tuple(subsets.items()))),
    )


_QUESTIONS_IMPORTS = """\
import os

from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever
from opencompass.partitioners import NaivePartitioner
from opencompass.runners import LocalRunner
from opencompass.tasks import OpenICLEvalTask, OpenICLInferTask
from opencompass_questions import Client, Questions, Rules
"""
_QUESTIONS_TASKS = """\
# One process asks all subsets, one scores them: each start takes half a minute of processor time.
infer = dict(
    partitioner=dict(type=NaivePartitioner, n=len(subsets)),
    runner=dict(type=LocalRunner, max_num_workers=1, task=dict(type=OpenICLInferTask)),
)
eval = dict(
    partitioner=dict(type=NaivePartitioner, n=len(subsets)),
    runner=dict(type=LocalRunner, max_num_workers=1, task=dict(type=OpenICLEvalTask)),
)
del os  # OpenCompass writes down every name of this file, and cannot read a module
"""


def questions_config(asking: OwnQuestionsRun, subsets: Sequence[str]) -> str:
    extra = f"        extra_body={asking.extra_body!r},\n" if asking.extra_body else ""
    return f"""\
# Questions of this job, asked of {asking.model!r}.
{_QUESTIONS_IMPORTS}
subsets = {list(subsets)!r}
datasets = [
    dict(
        abbr=subset,
        type=Questions,
        path=f"../files/{{subset}}.jsonl",
        n={asking.samples},
        reader_cfg=dict(input_columns=["asked"], output_column="record"),
        infer_cfg=dict(
            prompt_template=dict(
                type=PromptTemplate,
                template=dict(round=[dict(role="HUMAN", prompt="{{asked}}")]),
            ),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=GenInferencer),
        ),
        eval_cfg=dict(evaluator=dict(type=Rules)),
    )
    for subset in subsets
]

models = [
    dict(
        abbr="model",
        type=Client,
        path={asking.model!r},
        openai_api_base=[os.environ[{_BASE!r}]],
        key="ENV",
        meta_template=dict(
            round=[
                dict(role="HUMAN", api_role="HUMAN"),
                dict(role="BOT", api_role="BOT", generate=True),
            ]
        ),
        query_per_second={_STARTS_PER_S},
        retry={asking.retries + 1},
        max_workers={asking.batch},
        batch_size={asking.batch},
        max_out_len={asking.max_tokens},
        max_seq_len={asking.max_total},
        temperature={asking.temperature!r},
{extra}    )
]

{_QUESTIONS_TASKS}"""
