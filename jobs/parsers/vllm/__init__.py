"""What vLLM's benchmarks write.
Here: serve, throughput, latency; both generations of each.
Not here: how they are called (`toolchains.vllm`).
"""
