"""``evalscope``: reads the command line as strictly as 1.14.1 does."""

import argparse
import json
from collections.abc import Sequence

from simulator.lib import options, world
from simulator.lib.evalscope import evaluation, perf

VERSION = "1.14.1"
_EVAL = """
str    --model --model-id --model-args --chat-template --dataset-dir --dataset-hub
str    --generation-config --eval-config --use-cache --work-dir --api-key=EMPTY --api-url
str    --judge-strategy --sandbox-type=docker
choice --model-task=text_generation{text_generation,image_generation}
choice --eval-type{llm_ckpt,openai_api,systemone,anthropic_api,text2image,image_editing,mock_llm}
choice --eval-backend{Native,OpenCompass,VLMEvalKit,RAGEval,ThirdParty}
json   --dataset-args={} --judge --judge-model-args --agent-config --sandbox
json   --sandbox-manager-config={}
list   --datasets
int    --eval-batch-size --repeats=1 --seed=42
float  --limit --timeout
flag   --rerun-review --no-timestamp --enable-progress-tracker --ignore-errors --debug --dry-run
flag   --stream --analysis-report --use-sandbox
toggle --collect-perf=true
"""
_PERF = """
str    --model --attn-implementation --api=openai --tokenizer-path
str    --url=http://127.0.0.1:8877/v1/chat/completions --api-key --scenario --wandb-api-key
str    --swanlab-api-key --swanlab-host --name --alias --prompt --query-template
str    --image-format=RGB --outputs-dir=outputs --dataset=openqa --dataset-path
str    --multi-turn-args
choice --sla-variable=parallel{parallel,rate}
choice --visualizer{wandb,swanlab,clearml}
choice --data-source{modelscope,huggingface,local}
int    --port=8877 --connect-timeout --read-timeout --total-timeout=21600 --sleep-interval=5
int    --sla-num-runs=3 --sla-upper-bound=65536 --sla-lower-bound=1 --sla-fixed-parallel
int    --db-commit-interval=1000 --queue-size-multiplier=5 --in-flight-task-multiplier=2
int    --num-workers --log-every-n-query=100 --max-prompt-length=131072 --min-prompt-length=0
int    --prefix-length=0 --prefix-count=1 --image-width=224 --image-height=224 --image-num=1
int    --image-patch-size=28 --dataset-offset=0 --min-tokens --n-choices --seed --top-k
int    --min-turns=1 --max-turns
float  --warmup-num=0 --duration --sla-number-multiplier --frequency-penalty
float  --repetition-penalty --temperature=0.0 --top-p
json   --sla-params --dataset-args --extra-args={}
list   --headers --stop --stop-token-ids
flag   --no-test-connection --enable-pd-metrics --open-loop --sla-auto-tune --debug
flag   --enable-progress-tracker --no-timestamp --logprobs --tokenize-prompt --multi-turn
toggle --apply-chat-template --stream=true
"""


def main(argv: Sequence[str]) -> int:
    """Run ``evalscope``; its exit code."""
    parser = argparse.ArgumentParser(
        "EvalScope Command Line tool", usage="evalscope <command> [<args>]"
    )
    parser.add_argument("-v", "--version", action="version", version=f"evalscope {VERSION}")
    commands = parser.add_subparsers(help="EvalScope command line helper.", dest="command")
    options.add(commands.add_parser("eval"), _EVAL)
    one = options.add(commands.add_parser("perf"), _PERF)
    one.add_argument("-n", "--number", type=int, nargs="+")
    one.add_argument("--parallel", type=int, nargs="+", default=[1])
    one.add_argument("--rate", type=float, nargs="+", default=[-1.0])
    one.add_argument("--max-tokens", type=int, nargs="+", default=[2048])
    for name in ("app", "service", "benchmark-info"):
        commands.add_parser(name)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 1
    if args.command == "perf":
        return perf.run(args)
    if args.command != "eval":
        world.err(f"evalscope {args.command} is not in this stand-in")
        return 1
    args.generation_config = _arguments(args.generation_config)
    return evaluation.run(args)


def _arguments(text: str | None) -> dict[str, object]:
    """``ParseStrArgsAction``: JSON, or ``key=value,key=value``."""
    if not text:
        return {}
    try:
        return dict(json.loads(text))
    except ValueError:
        pairs = (part.partition("=") for part in text.split(","))
        return {key.strip(): _number(value.strip()) for key, _, value in pairs}


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
