"""Search of a limit: the highest load within a service level.
Here: the search, which runs a client's command for each load; its record.
Not here: a client's own command and formats (`guidellm`, `evalscope`, `vllm`).
"""
