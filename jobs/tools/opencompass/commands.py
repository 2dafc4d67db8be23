"""OpenCompass: installation, configuration files and steps.

0.4.1 in a conda environment from sources, on the data sets of the deployment guide (Pytorch Deploy,
step 4). The guide's own eval_ds.py evaluates DeepSeek-V3; here it is generated for the deployment.

0.5 in an environment of its own, on questions that travel in the plan. Prompts and rules are those
of EvalScope's run (``evalscope.eval_plan``): two tools, one measurement each of the same questions.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog import Question
from jobs.catalog.data_sets import BY_OPENCOMPASS, EVALUATION_SETS, OfOpenCompass
from jobs.catalog.questions import draw
from jobs.catalog.stacks import EvaluationTools
from jobs.plans import ACCURACY, Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.evalscope.commands import questions_files, scoring_rules
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import Body
from jobs.tools.lib.site import (
    FILES,
    UNBUFFERED,
    Site,
    check,
    endpoint_check,
    script,
    tokenizer_check,
    tool_check,
)
from jobs.tools.vacc.images import clone_step
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm.serve import engine_watch

PREPARE = "prepare-opencompass"
PREPARE_PROGRAMS = ("conda", "git", "pip", "python", "python3")
PREPARE_STEPS = {"install-modelscope": pgettext_lazy("step", "install ModelScope")}
NAME = "opencompass"  # of both environments
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
_BASE = "VACC_API_BASE"
MMLU = "lukaemon_mmlu_"
CEVAL = "ceval-"
TEN = 10  # first MMLU subsets alphabetically, as in VastModelZOO's short evaluation

QUESTIONS = "evaluate-opencompass-questions"
QUESTIONS_PROGRAMS = ("opencompass", "python")
CONTINUE = ("-r",)
_QUESTIONS_CONFIG = "eval_questions.py"
_QUESTIONS_SCRIPTS = (FOLLOW, "opencompass_questions.py", "ask_and_score.py")
# Of the client's limiter; the concurrency is the limit.
_STARTS_PER_S = 100
_QUESTIONS_ENV = (
    *UNBUFFERED,
    ("HF_HUB_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache"),
    (_BASE, "{deployment.url}/v1"),
    ("no_proxy", "127.0.0.1,localhost"),
)


# The deployment guide, Pytorch Deploy, step 4.1.
INDEX = "https://mirrors.aliyun.com/pypi/simple/"
EXTRA = ".[full]"
# Newer versions removed modules that OpenCompass 0.4.1 and 0.5.4 import.
CONSTRAINTS = "pyarrow<20\npandas<3\ndatasets<4\ntransformers<5\n"
_CONSTRAINTS_FILE = "constraints.txt"


def folder(site: VaccSite) -> str:
    return f"{site.conda}/envs/{NAME}"


def fingerprint(tools: EvaluationTools) -> str:
    text = f"{tools.opencompass_checkout}\n{tools.opencompass_python}\n{CONSTRAINTS}"
    return hashlib.sha256(text.encode()).hexdigest()


def prepare_plan(
    tools: EvaluationTools,
    site: VaccSite,
    *,
    repository: str,
    index: str,
    modelscope: bool,
    exact: bool,
) -> Plan:
    """``index`` "": pip's own settings."""
    checkout, inside = site.at("opencompass"), (literal(f"{folder(site)}/bin"),)
    python, verify = literal(f"{folder(site)}/bin/python"), script("verify_environment.py")
    # -y, because it runs unattended: conda would recreate an existing environment.
    version = f"python={tools.opencompass_python}"
    create: tuple[str, ...] = ("conda", "create", "-n", NAME, version, "-y")
    index, pip = INDEX if exact else index, ("pip", "install")
    install = (*pip, "-e", EXTRA, *(("-i", literal(index)) if index else ()))
    files: tuple[PlanFile, ...] = ()
    if not exact:
        create = (site.python_word, f"{FILES}/unless_there.py", python, *create)
        install = (*install, "-c", f"{FILES}/{_CONSTRAINTS_FILE}")
        files = (PlanFile(_CONSTRAINTS_FILE, CONSTRAINTS),)
    clone, clones = clone_step(
        *(tools.opencompass_repository, repository, "opencompass"),
        *(tools.opencompass_checkout, site),
        exact=exact,
    )
    more = (Step("install-modelscope", (*pip, "ModelScope"), path=inside),)
    return Plan(
        kind=PREPARE,
        steps=(
            Step("create", create, path=(literal(f"{site.conda}/bin"),)),
            clone,
            Step("checkout", ("git", "checkout", tools.opencompass_checkout), cwd=checkout),
            Step("install", install, cwd=checkout, path=inside),
            *(more if modelscope else ()),
            Step("verify", (python, f"{FILES}/{verify.name}", NAME, NAME)),
        ),
        files=(verify, *(() if exact else (script("unless_there.py"),)), *clones, *files),
        outputs=(Output("versions", "versions.json"),),
        writes=(f"{site.workspace}/opencompass",),
        checks=(
            *(Check("conda"), tool_check("git")),
            check("disk", path=literal(site.conda), bytes=str(10**10)),
        ),
    )


FAMILIES: dict[str, OfOpenCompass] = {
    name: own for name, one in BY_OPENCOMPASS.items() if (own := one.opencompass)
}


def sets_of(families: Iterable[str], *, ten_of_mmlu: bool = False) -> list[str]:
    """Return the names that the summary must contain; ``CEVAL`` stands for all that begin so."""
    names = []
    for own in (FAMILIES[name] for name in families):
        parts = [part.name for part in own.parts] or [own.prefix]
        names += parts[:TEN] if ten_of_mmlu and own.prefix == MMLU else parts
    return names


def evaluate_plan(
    params: Any,
    site: VaccSite,
    *,
    model: str,
    abbr: str,
    tokenizer: str,
    seed: int | None,
    exact: bool,
    key: str,
    extra_body: Body,
) -> Plan:
    """A dry run, which loads every set, then the run. Verbatim the tool asks all sets, then scores
    them.

    ``params``: of ``evaluate-opencompass``. ``model``: name in requests, ``abbr``: in tables.
    ``tokenizer``: folder on the host. ``seed`` draws the questions, None: the first ones. ``key``:
    name of the API key's secret. ``extra_body``: more fields of each request.
    """
    sets = sets_of(params.datasets, ten_of_mmlu=params.mmlu == "ten")
    settings = _model(params, model, abbr, tokenizer, extra_body, exact=exact)
    limited = _limited(sets, params.limit, seed)
    config = PlanFile(CONFIG, _config_text(params, sets, limited, settings, exact=exact))
    if exact:
        # The guide's steps in its checkout; the run's files are copied to the job.
        checkout, runs = site.at("opencompass"), site.at("opencompass", "outputs", "default")
        config = replace(config, at=site.at("opencompass", "eval", CONFIG))
        argv: tuple[str, ...] = ("opencompass", f"eval/{CONFIG}")
        collect = (site.python_word, f"{FILES}/collect_run.py", runs, "{job_dir}/log", OUTPUTS)
        steps = (
            _step(params, site, key, "dry-run", (*argv, "--dry-run"), cwd=checkout),
            _step(params, site, key, "evaluate", argv, cwd=checkout),
            Step("collect", collect),
        )
    else:
        # In the job's own folder, with the checkout's data, so that the checkout stays clean.
        # Details record whether each answer is correct. Each set is scored when it is answered; the
        # last step scores what is left, and makes the table of all.
        runs = f"{{job_dir}}/work/{OUTPUTS}"
        argv = ("opencompass", f"{FILES}/{CONFIG}", "-w", OUTPUTS)
        details = (*argv, "--dump-eval-details")
        follow = (site.python_word, f"{FILES}/{FOLLOW}", OUTPUTS, str(len(sets)))
        steps = (
            _step(params, site, key, "dry-run", (*argv, "--dry-run")),
            _step(params, site, key, "evaluate", (*follow, *details, "-m", "infer")),
            _step(params, site, key, "score", (*details, "-m", "eval", "-r")),
        )
    return Plan(
        kind=KIND,
        steps=steps,
        files=(config, script("collect_run.py" if exact else FOLLOW)),
        outputs=_RUN_OUTPUTS,
        watches=(
            engine_watch("{deployment.url}"),
            _scores(runs, tuple(_size(name, params.limit) for name in sets)),
        ),
        checks=_checks(params, site, tokenizer),
        # The guide's run writes a folder named by the minute, among those of other runs.
        writes=(f"{site.workspace}/opencompass",) if exact else (),
    )


def _size(name: str, limit: int) -> tuple[str, int]:
    """Return a set and its number of questions; "ceval-*" is a prefix, 0 is unknown."""
    if name != CEVAL:
        questions = EVALUATION_SETS[name].questions
        return name, min(questions, limit) if limit else questions
    # The limit applies to each subset of C-Eval, whose sizes are unknown here.
    return f"{name}*", 0 if limit else BY_OPENCOMPASS["ceval"].questions


_RUN_OUTPUTS = (
    Output("summary", f"{OUTPUTS}/*/summary/*"),
    Output("results", f"{OUTPUTS}/*/results/*/*.json"),
    Output("predictions", f"{OUTPUTS}/*/predictions/*/*.json"),
    Output("logs", f"{OUTPUTS}/*/logs/*/*/*.out", required=False),
)


def _scores(folder: str, expected: tuple[tuple[str, int], ...]) -> Watch:
    return Watch(ACCURACY, interval_s=1.0, reader="opencompass", folder=folder, expected=expected)


def _step(
    params: Any, site: VaccSite, key: str, name: str, argv: tuple[str, ...], cwd: str = ""
) -> Step:
    env = (
        *((_BASE, "{deployment.url}/v1"), _key(key)),
        *(() if cwd else (("COMPASS_DATA_CACHE", site.at("opencompass")),)),
        *((("DATASET_SOURCE", "ModelScope"),) if params.dataset_source else ()),
        ("no_proxy", "127.0.0.1,localhost,{deployment.host}"),
    )
    return Step(name, argv, env=env, cwd=cwd, path=(literal(f"{folder(site)}/bin"),))


def _key(secret: str) -> tuple[str, str]:
    return "OPENAI_API_KEY", f"{{secret:{secret}}}" if secret else "EMPTY"


def _checks(params: Any, site: VaccSite, tokenizer: str) -> tuple[Check, ...]:
    what = _("evaluation data; run “Prepare datasets” for OpenCompass first")
    data, has_hub = site.at("opencompass", "data"), bool(params.dataset_source)
    return (
        check("conda", env=NAME),
        *(
            check("path", path=f"{data}/{file}", what=what, asks=family.loads or has_hub)
            for family in (FAMILIES[name] for name in params.datasets)
            for file in family.files
        ),
        tokenizer_check(tokenizer),
        endpoint_check(),
    )


_NO_MODULES = "del os  # OpenCompass writes down every name of this file, and cannot read a module"


_CONFIG_HEAD = f"""\
# What is asked of {{model}}; made for this job.
# What is known only when it starts comes through the environment: the address as
# {_BASE}, the key as OPENAI_API_KEY, so that it stands in no file.
import os

from mmengine.config import read_base
from opencompass.models import OpenAISDK
from opencompass.utils.text_postprocessors import extract_non_reasoning_content

with read_base():"""


def _config_text(
    params: Any,
    sets: Sequence[str],
    limited: Sequence[str],
    settings: Mapping[str, str],
    *,
    exact: bool,
) -> str:
    families = [FAMILIES[name] for name in params.datasets]
    names = {one.variable: one.variable for one in families}
    ten = []
    if params.mmlu == "ten" and "mmlu" in params.datasets:
        own = [name for name in sets if name.startswith(MMLU)]
        ten = ["ten_of_mmlu = [", *(f"    {name!r}," for name in own), "]"]
        names["mmlu_datasets"] = "[one for one in mmlu_datasets if one['abbr'] in ten_of_mmlu]"
    imported = [
        f"    from opencompass.configs.datasets.{one.module} import {one.variable}"
        for one in families
    ]
    model = [f"        {name}={value}," for name, value in settings.items()]
    return "\n".join(
        [
            _CONFIG_HEAD.format(model=settings["path"]),
            *(*imported, "", *ten, f"datasets = {' + '.join(names.values())}"),
            *(*limited, *([] if exact else _ANSWERED)),
            *("", "models = [", "    dict(", *model, "    )", "]", _NO_MODULES, ""),
        ]
    )


def _limited(sets: Sequence[str], limit: int, seed: int | None) -> list[str]:
    if not limit:
        return []
    first = f"[0:{limit}]"
    if seed is None:
        return [
            "for one in datasets:",
            f"    one['reader_cfg']['test_range'] = {first!r}",
            "del one",
        ]
    known = {name: EVALUATION_SETS[name].questions for name in sets if name in EVALUATION_SETS}
    drawn = []
    for name, size in known.items():
        if size > limit:
            rows = sorted(range(size), key=lambda row: draw(seed, f"{name}/{row}"))[:limit]
            drawn.append(f"    {name!r}: '[:0] or {sorted(rows)}',")
    return [
        "# Drawn questions: OpenCompass reads a range as Python behind the list of all of a set.",
        *("drawn = {", *drawn, "}"),
        "for one in datasets:",
        f"    one['reader_cfg']['test_range'] = drawn.get(one['abbr'], {first!r})",
        "del one, drawn",
    ]


_ANSWERED = (
    "only = os.environ.get('SCORE_SETS')  # sets that are scored while others are asked",
    "if only:",
    "    datasets = [one for one in datasets if one['abbr'] in only.split(',')]",
    "del only",
)


def _model(
    params: Any, model: str, abbr: str, tokenizer: str, extra_body: Body, *, exact: bool
) -> dict[str, str]:
    """Return the model's dict: field -> Python code."""
    own = {} if exact else {"query_per_second": params.batch, "retry": params.retries + 1}
    return {
        "abbr": repr(abbr),
        "type": "OpenAISDK",
        "path": repr(model),
        "openai_api_base": f"[os.environ[{_BASE!r}]]",
        "tokenizer_path": repr(tokenizer),
        # Without a key the client uses OPENAI_API_KEY; 'ENV' would be sent literally.
        "key": "None",
        "max_out_len": repr(params.max_answer),
        "max_seq_len": repr(params.max_length),
        "temperature": repr(params.temperature),
        "batch_size": repr(1 if exact else params.batch),
        **{name: repr(value) for name, value in own.items()},
        **({"extra_body": repr(extra_body)} if extra_body else {}),
        "pred_postprocessor": "dict(type=extract_non_reasoning_content)",
    }


def questions_plan(
    params: Any,
    questions: Sequence[Question],
    site: Site,
    *,
    model: str,
    max_total: int,
    key: str,
    extra_body: Body,
) -> Plan:
    """``params``: of ``evaluate-opencompass-questions``. ``model``: name in requests;
    ``max_total``: tokens of question and answer."""
    environment, files = ENVIRONMENTS[NAME], questions_files(questions)
    subsets = {
        file.name.removesuffix(".jsonl"): params.samples * file.text.count("\n") for file in files
    }
    config = _questions_config(params, tuple(subsets), model, max_total, extra_body)
    argv = (
        *(environment.python(site), f"{FILES}/{FOLLOW}", OUTPUTS, str(len(subsets))),
        *(environment.program(site, "opencompass"), f"{FILES}/{_QUESTIONS_CONFIG}", "-w", OUTPUTS),
        "--dump-eval-details",
    )
    env = (*_QUESTIONS_ENV, _key(key), ("SAMPLES", str(params.samples)))
    scores = _scores(f"{{job_dir}}/work/{OUTPUTS}", tuple(subsets.items()))
    return Plan(
        kind=QUESTIONS,
        steps=(Step("evaluate", argv, env=env),),
        files=(
            *(*map(script, _QUESTIONS_SCRIPTS), *scoring_rules()),
            PlanFile(_QUESTIONS_CONFIG, config),
            *files,
        ),
        outputs=(*_RUN_OUTPUTS, Output("asked", f"{OUTPUTS}/.asked.jsonl", required=False)),
        watches=(engine_watch("{deployment.url}"), scores),
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
_QUESTIONS_TASKS = f"""\
# One process asks all subsets, one scores them: each start takes half a minute of processor time.
infer = dict(
    partitioner=dict(type=NaivePartitioner, n=len(subsets)),
    runner=dict(type=LocalRunner, max_num_workers=1, task=dict(type=OpenICLInferTask)),
)
eval = dict(
    partitioner=dict(type=NaivePartitioner, n=len(subsets)),
    runner=dict(type=LocalRunner, max_num_workers=1, task=dict(type=OpenICLEvalTask)),
)
{_NO_MODULES}
"""


def _questions_config(
    params: Any, subsets: Sequence[str], model: str, max_total: int, extra_body: Body
) -> str:
    extra = f"        extra_body={extra_body!r},\n" if extra_body else ""
    return f"""\
# Questions of this job, asked of {model!r}.
{_QUESTIONS_IMPORTS}
subsets = {list(subsets)!r}
datasets = [
    dict(
        abbr=subset,
        type=Questions,
        path=f"../files/{{subset}}.jsonl",
        n={params.samples},
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
        path={model!r},
        openai_api_base=[os.environ[{_BASE!r}]],
        key="ENV",
        meta_template=dict(
            round=[
                dict(role="HUMAN", api_role="HUMAN"),
                dict(role="BOT", api_role="BOT", generate=True),
            ]
        ),
        query_per_second={_STARTS_PER_S},
        retry={params.retries + 1},
        max_workers={params.batch},
        batch_size={params.batch},
        max_out_len={params.max_tokens},
        max_seq_len={max_total},
        temperature={params.temperature!r},
{extra}    )
]

{_QUESTIONS_TASKS}"""
