"""Programs of the kinds of job, for the host's policy; its own settings may permit less or more.

Written by ``manage.py allowed_programs`` from ``jobs.kinds``. Those need Django, which no host has.
"""

PROGRAMS = frozenset(
    {
        *["conda", "docker", "evalscope", "git", "guidellm", "hf", "hfd.sh", "llmdeploy"],
        *["modelscope", "opencompass", "pip", "python", "python3", "unzip", "vamc", "vastgenx"],
        *["vllm", "wget"],
    }
)
# These send requests to a server and get a model name; others load a folder.
CLIENTS = frozenset(
    {
        *["ask_and_score.py", "ask_until_decided.py", "evalscope", "find_limit.py"],
        *["greedy_probe.py", "send_cold.py", "wait_ready.py"],
    }
)
