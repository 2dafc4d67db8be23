"""Pages about results: list, one result, comparison.
Here: views of `/results/`.
Not here: figures (`charts`), words (`presenters.result`).
"""
