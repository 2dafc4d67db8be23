"""vLLM: its server and its three benchmarks, in a container or on the CPU.
Here: command lines of both generations, their outputs, pins.
Not here: fields of the forms (`kinds`).
"""
