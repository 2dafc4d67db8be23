"""``vllm``: reads the command line as strictly as the version of this image does."""

import argparse
from collections.abc import Sequence

from simulator.lib import options, world
from simulator.lib.options import Flexible
from simulator.lib.vllm import bench_offline, bench_serve, options_new, options_old, serve

PARSERS_OLD = ("deepseek_r1",)


def main(argv: Sequence[str]) -> int:
    """Run ``vllm``; its exit code."""
    version = world.vllm_version()
    if argv[:1] in (["-v"], ["--version"]):
        world.out(version)
        return 0
    if version.startswith("0.7"):
        return _old(argv, version)
    return _new(argv, version)


def _old(argv: Sequence[str], version: str) -> int:
    parser = Flexible("vllm", description="vLLM CLI")
    parser.add_argument("-v", "--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, dest="subparser")
    serving = commands.add_parser("serve", usage="vllm serve <model_tag> [options]")
    serving.add_argument("model_tag", type=str)
    for table in (options_old.SERVE, options_old.ENGINE, options_old.ASYNC):
        options.add(serving, table)
    for name in ("complete", "chat"):
        talking = commands.add_parser(name, usage=f"vllm {name} [options]")
        options.add(talking, "str --url=http://localhost:8000/v1 --model-name --api-key")
    args = parser.parse_args(argv)
    if args.subparser != "serve":
        world.err(f"vllm {args.subparser} is not in this stand-in")
        return 1
    refused = _refused_old(args)
    if refused:
        world.err(
            "Traceback (most recent call last):\n"
            '  File "/usr/local/bin/vllm", line 8, in <module>\n    sys.exit(main())\n' + refused
        )
        return 1
    return serve.serve(args, version)


def _refused_old(args: argparse.Namespace) -> str:
    """Return 0.7.2's error for arguments that do not go together; "" when they do."""
    if args.enable_auto_tool_choice and not args.tool_call_parser:
        return "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser"
    if args.enable_reasoning and not args.reasoning_parser:
        return "TypeError: Error: --enable-reasoning requires --reasoning-parser"
    if args.enable_auto_tool_choice and args.enable_reasoning:
        return (
            "TypeError: Error: --enable-auto-tool-choice and --enable-reasoning "
            "cannot be enabled at the same time"
        )
    if args.enable_reasoning and args.reasoning_parser not in PARSERS_OLD:
        return (
            f"KeyError: 'invalid reasoning parser: {args.reasoning_parser} "
            f"(chose from {{ {','.join(PARSERS_OLD)} }})'"
        )
    if args.model != "facebook/opt-125m":
        return (
            "ValueError: With `vllm serve`, you should provide the model as a positional "
            "argument instead of via the `--model` option."
        )
    return ""


def _new(argv: Sequence[str], version: str) -> int:
    parser = Flexible("vllm", description="vLLM CLI")
    parser.add_argument("-v", "--version", action="version", version=version)
    commands = parser.add_subparsers(required=False, dest="subparser")
    serving = commands.add_parser("serve", usage="vllm serve [model_tag] [options]")
    serving.add_argument("model_tag", type=str, nargs="?")
    for table in (options_new.SERVE, options_new.ENGINE, options_new.ASYNC):
        options.add(serving, table)
    bench = commands.add_parser("bench", usage="vllm bench <bench_type> [options]")
    sorts = bench.add_subparsers(required=True, dest="bench_type")
    tables: dict[str, tuple[str, ...]] = {
        "serve": (options_new.BENCH_SERVE,),
        "throughput": (options_new.BENCH_THROUGHPUT, options_new.ENGINE, options_new.ASYNC),
        "latency": (options_new.BENCH_LATENCY, options_new.ENGINE),
    }
    for name, needed in tables.items():
        one = sorts.add_parser(
            name, usage=f"vllm bench {name} [options]", conflict_handler="resolve"
        )
        for table in needed:
            options.add(one, table)
    for name in ("chat", "complete", "run-batch", "collect-env"):
        commands.add_parser(name)
    args = parser.parse_args(argv)
    if args.subparser == "serve":
        args.defaults = serving.parse_args([])
        return serve.serve(args, version)
    if args.subparser == "bench":
        run = {
            "serve": bench_serve.new,
            "throughput": bench_offline.run_throughput,
            "latency": bench_offline.run_latency,
        }
        return run[args.bench_type](args)
    parser.print_help()
    return 0
