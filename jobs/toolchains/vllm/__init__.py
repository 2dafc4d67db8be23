"""vLLM: its server and its three benchmarks, in a container or on the CPU.
Here: command lines of both generations.
Not here: their output (`parsers.vllm`).
"""
