"""What the kinds of job run, for the host's policy; its own settings may permit less or more.

Written by ``manage.py host_programs`` from ``jobs.kinds``, of which a host has no copy.
"""

PROGRAMS = frozenset(
    {
        "conda",
        "docker",
        "evalscope",
        "git",
        "guidellm",
        "hf",
        "hfd.sh",
        "llmdeploy",
        "modelscope",
        "opencompass",
        "pip",
        "python",
        "python3",
        "unzip",
        "vamc",
        "vastgenx",
        "vllm",
        "wget",
    }
)
