"""Serve a GGUF file over an OpenAI-compatible API: llama.cpp's own server, from xllamacpp."""

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

import xllamacpp

REASONING_FORMATS = {
    "none": "COMMON_REASONING_FORMAT_NONE",
    "deepseek": "COMMON_REASONING_FORMAT_DEEPSEEK",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--alias", required=True, help="name of the model in the API")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ctx", type=int, default=2048, help="max tokens per request")
    parser.add_argument("--parallel", type=int, default=4, help="concurrent requests")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--chat-template-file", type=Path, help="in place of the model's own")
    parser.add_argument("--grammar-file", type=Path, help="grammar of every answer, in GBNF")
    parser.add_argument("--reasoning-format", choices=REASONING_FORMATS, default="deepseek")
    return parser.parse_args()


def parameters(args):
    params = xllamacpp.CommonParams()
    params.model.path = args.model
    params.model_alias = {args.alias}
    params.hostnames = [args.host]
    params.port = args.port
    params.n_ctx = args.ctx * args.parallel  # llama.cpp divides it by the concurrency
    params.n_parallel = args.parallel
    params.cpuparams.n_threads = args.threads
    params.cpuparams_batch.n_threads = args.threads
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.endpoint_props = True
    params.ui = False
    params.warmup = True
    params.cache_ram_mib = 0  # a benchmark's prompts must not be answered from memory
    params.verbosity = 3
    params.reasoning_format = getattr(
        xllamacpp.common_reasoning_format, REASONING_FORMATS[args.reasoning_format]
    )
    if args.chat_template_file:
        params.chat_template = args.chat_template_file.read_text(encoding="utf-8")
    if args.grammar_file:
        grammar = xllamacpp.CommonGrammar()
        grammar.type = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
        grammar.grammar = args.grammar_file.read_text(encoding="utf-8")
        params.sampling.grammar = grammar
    return params


def main():
    args = arguments()
    if not Path(args.model).is_file():
        sys.exit(f"no such file: {args.model}")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    began = time.monotonic()
    try:
        server = xllamacpp.Server(parameters(args))
    except RuntimeError as error:
        sys.exit(f"llama.cpp did not start: {error}")
    print(f"ready at {server.listening_address} in {time.monotonic() - began:.2f} s", flush=True)
    stop.wait()
    print("stopping", flush=True)
    del server  # joins llama.cpp's threads
    print("stopped", flush=True)


if __name__ == "__main__":
    main()
