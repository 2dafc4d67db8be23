"""Pages of results: list, result, comparison.
Here: views of `/results/`.
Not here: figures (`charts`), words (`presenters.result`).
"""
