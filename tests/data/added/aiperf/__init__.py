"""AIPerf: NVIDIA's load generator. Here: its command and its result."""
