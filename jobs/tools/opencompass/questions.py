"""OpenCompass 0.5 in an environment of its own, on questions that travel in the plan.

Prompts and rules are those of EvalScope's run (``evalscope.eval_plan``): two tools, one
measurement each of the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.catalog import Question
from jobs.plans import ACCURACY, Output, Plan, PlanFile, Step, Watch
from jobs.tools.evalscope.commands import questions_files, scoring_rules
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.site import FILES, Site, script
from jobs.tools.lib.thinking import Body
from jobs.tools.opencompass.commands import BASE, OUTPUTS, run_outputs
from jobs.tools.vllm import serve as vllm

KIND = "evaluate-opencompass-questions"
NAME = "opencompass"
PROGRAMS = ("opencompass", "python")
CONFIG = "eval_questions.py"
CONTINUE = ("-r",)
_ASKED = f"{OUTPUTS}/.asked.jsonl"
_MODULE, _MODULES = "opencompass_questions.py", "with_modules.py"
# Of the client's limiter; the concurrency is the limit.
_STARTS_PER_S = 100
_ENV = (
    ("PYTHONUNBUFFERED", "1"),
    ("HF_HUB_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache"),
    (BASE, "{deployment.url}/v1"),
    ("no_proxy", "127.0.0.1,localhost"),
)


@dataclass(frozen=True, slots=True)
class OwnQuestionsRun:
    """Settings: at most ``max_tokens`` per answer, ``samples`` answers per question, ``batch``
    questions at once, ``retries`` of a failed request. ``model``: name in requests; ``max_total``:
    tokens of question and answer; ``key``: name of the API key's secret. ``extra_body``: more
    fields of each request.
    """

    questions: tuple[Question, ...]
    model: str
    max_tokens: int
    max_total: int
    temperature: float
    batch: int
    samples: int = 1
    retries: int = 2
    key: str = ""
    extra_body: Body = field(default_factory=dict)


def evaluate_plan(asking: OwnQuestionsRun, site: Site) -> Plan:
    """One step: OpenCompass asks all subsets, then scores them."""
    environment, files = ENVIRONMENTS[NAME], questions_files(asking.questions)
    subsets = {
        file.name.removesuffix(".jsonl"): asking.samples * file.text.count("\n") for file in files
    }
    argv = (
        *(environment.python(site), f"{FILES}/{_MODULES}"),
        *(f"{FILES}/follow_run.py", OUTPUTS, str(len(subsets))),
        *(environment.program(site, "opencompass"), f"{FILES}/{CONFIG}", "-w", OUTPUTS),
        "--dump-eval-details",
    )
    key = f"{{secret:{asking.key}}}" if asking.key else "EMPTY"
    env = (*_ENV, ("OPENAI_API_KEY", key), ("SAMPLES", str(asking.samples)))
    return Plan(
        kind=KIND,
        steps=(Step("evaluate", argv, env=env),),
        files=(
            *map(script, ("follow_run.py", _MODULES, _MODULE, "ask_and_score.py")),
            scoring_rules(),
            PlanFile(CONFIG, config_text(asking, tuple(subsets))),
            *files,
        ),
        outputs=(*run_outputs(), Output("asked", _ASKED, required=False)),
        watches=(
            vllm.engine_watch("{deployment.url}"),
            Watch(
                ACCURACY,
                interval_s=1.0,
                reader="opencompass",
                folder=f"{{job_dir}}/work/{OUTPUTS}",
                expected=tuple(subsets.items()),
            ),
        ),
    )


def config_text(asking: OwnQuestionsRun, subsets: Sequence[str]) -> str:
    """Return the configuration as Python code."""
    return "\n".join(
        [
            f"# Questions of this job, asked of {asking.model!r}.",
            _IMPORTS,
            f"subsets = {list(subsets)!r}",
            _DATASETS.format(samples=asking.samples),
            _model(asking),
            _TASKS,
        ]
    )


_IMPORTS = """\
import os

from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever
from opencompass.partitioners import NaivePartitioner
from opencompass.runners import LocalRunner
from opencompass.tasks import OpenICLEvalTask, OpenICLInferTask
from opencompass_questions import Client, Questions, Rules
"""
_DATASETS = """\
datasets = [
    dict(
        abbr=subset,
        type=Questions,
        path=f"../files/{{subset}}.jsonl",
        n={samples},
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
"""
_TASKS = """\
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


def _model(asking: OwnQuestionsRun) -> str:
    extra = f"        extra_body={asking.extra_body!r},\n" if asking.extra_body else ""
    return f"""\
models = [
    dict(
        abbr="model",
        type=Client,
        path={asking.model!r},
        openai_api_base=[os.environ[{BASE!r}]],
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
"""
