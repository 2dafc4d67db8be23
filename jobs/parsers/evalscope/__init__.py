"""What EvalScope writes.
Here: reports of its evaluation and of its performance test.
Not here: how it is called (`toolchains.evalscope`).
"""
