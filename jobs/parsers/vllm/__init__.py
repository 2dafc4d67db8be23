"""Parsers of vLLM's benchmark outputs.
Here: serve, throughput, latency; both generations of each.
Not here: their command lines (`toolchains.vllm`).
"""
