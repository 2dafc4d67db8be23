"""What a plan does otherwise than the deployment guide prints it, and why: one line each.

Notes of the kinds that serve, measure and evaluate with vLLM; the others stand with the rest.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

GUIDE_SENTENCES: dict[str, str | Promise] = {
    # Containers.
    "guide:detached": _(
        "docker run has -dit for -it: nobody sits at a terminal, so the shell gets one of docker's "
        "own."
    ),
    "guide:workspace_here": _(
        "The guide mounts /nfs/workspace at /test; this host's folder is %(folder)s, seen as "
        "%(mount)s (HOST_WORKSPACE, HOST_MOUNT)."
    ),
    "guide:port_free": _(
        "The server gets a free port of the host when it starts; the guide prints %(printed)s."
    ),
    "guide:port_other": _("The server listens on port %(port)s; the guide prints %(printed)s."),
    "guide:docker_exec": _(
        "What the guide types into the container's shell is run by docker exec, its arguments "
        "unchanged."
    ),
    "guide:own_name": _(
        "The container has a name and a label of its own, so that several can be on one host and "
        "each is found and removed."
    ),
    "guide:dies_named": _(
        "VACC_VISIBLE_DEVICES names the dies that this job has leased; as printed, the first ones "
        "would be taken."
    ),
    "guide:dies_unnamed": _(
        "As printed, no dies are named: the engine takes the first %(dies)s, leased or not."
    ),
    # The server.
    "guide:address": _(
        "As printed, the server listens on %(address)s, the guide's own machine: on any other it "
        "ends at once. “Listen on” takes your host's."
    ),
    "guide:listens_everywhere": _(
        "The server listens on all addresses of the host; the guide's 10.24.73.25 is that of its "
        "own machine."
    ),
    "guide:name_is_path": _("As printed, requests must call the model by its path, %(name)s."),
    "guide:served_name": _("--served-model-name is given, so that requests call it %(name)s."),
    "guide:key_in_environment": _(
        "The API key is handed over by its name (-e VLLM_API_KEY): as --api-key anyone on the host "
        "could read it."
    ),
    "guide:async_off": _(
        "--no-async-scheduling is added, as the page asks for in words with MTP or pipeline stages."
    ),
    "guide:async_left": _(
        "As printed, --no-async-scheduling is missing, which the page asks for in words with MTP "
        "or pipeline stages."
    ),
    "guide:think_tags": _(
        "vLLM 0.7.2 tells reasoning apart only where the reply itself opens it; the newer chat "
        "templates open it before, so that all arrives as the answer. The playground parts it."
    ),
    # The benchmark over HTTP.
    "guide:backend_added": _(
        "--backend %(backend)s is added: without it a prompt is posted to the chat endpoint, and "
        "the benchmark ends with exit code 1."
    ),
    "guide:backend_fails": _(
        "As printed, it ends with exit code 1: its backend %(backend)s posts a prompt to the chat "
        "endpoint."
    ),
    "guide:folder_made": _(
        "The folder of the result is made first: this version does not make it, and would lose the "
        "result."
    ),
    "guide:folder_missing": _(
        "As printed, the result is lost unless %(folder)s is in the container already."
    ),
    "guide:address_named": _(
        "--host, --port and the served name are the deployment's; as printed it would be localhost."
    ),
    "guide:address_unnamed": _(
        "As printed, requests go to localhost:8000, where a server that listens on one address of "
        "the host does not hear them."
    ),
    "guide:comparable": _(
        "More percentiles and the whole latency are asked for, so that two results can be compared"
        "; a seed of each run's own keeps prompts out of the prefix cache."
    ),
    "guide:same_requests": _(
        "As printed, no --seed is sent: every run sends the same requests (seed 0). An engine that "
        "caches prefixes answers a second run faster."
    ),
    "guide:greedy": _(
        "--temperature 0 is given: answers are greedy, as they are unasked with the guide's own "
        "version."
    ),
    "guide:completions": _(
        "As printed, requests go to the completions endpoint, without the chat template."
    ),
    # The benchmarks without a server.
    "guide:dataset_name_dropped": _(
        "--dataset-name random is left out: vLLM 0.7.2 does not know it (exit code 2), and makes "
        "its requests up anyway."
    ),
    "guide:random_lengths": _(
        "Lengths are given as --random-input-len and --random-output-len: today's benchmark has "
        "defaults for these, 1024 and 128, and takes them whatever --input-len says."
    ),
    "guide:dataset_name_fails": _(
        "As printed, it ends with exit code 2: vLLM 0.7.2 does not know --dataset-name."
    ),
    "guide:plugin_imported": _(
        "import %(module)s is put before the script: only the command vllm does it by itself, and "
        "without it all would run on the CPU."
    ),
    "guide:plugin_missing": _(
        "As printed, the script does not import %(module)s and runs on the CPU, unless the image "
        "has it patched."
    ),
    "guide:cd": _("The guide's cd is the folder that a step works in; its && is one step more."),
    "guide:nothing_printed": _("The guide prints nothing for this."),
    "guide:verify_added": _("Added: a last step that checks what is there."),
    "guide:folder_looked_at": _(
        "Added: a step before that looks at the folder, and one after it that finds what is new."
    ),
    "guide:folder_replaced": _(
        "Replaces the compiled model in %(path)s. To keep both, compile this one alone with "
        "another “Name”."
    ),
    "guide:align_qkv_fails": _(
        "As printed, it ends with exit code 1: %(tp)s dies cannot share %(heads)s KV heads evenly. "
        "“Put right” switches align_qkv on."
    ),
    # Evaluations.
    "guide:config_made": _(
        "eval_ds.py is made for this deployment: the guide's own asks DeepSeek-V3, its block for "
        "R1 is commented out. It asks %(model)s, with the guide's settings for R1; lengths are "
        "counted with the weights' folder on the host."
    ),
    "guide:run_collected": _(
        "Added: a last step that copies what the run wrote in OpenCompass's checkout to the job."
    ),
    "guide:own_folder": _(
        "It runs in the job's own folder, with the data of OpenCompass's checkout "
        "(COMPASS_DATA_CACHE), so that runs do not meet; its inner log is shown while it asks."
    ),
    "guide:details_kept": _(
        "--dump-eval-details is added: it tells of each answer whether it is right."
    ),
    "guide:in_parallel": _(
        "%(batch)s questions are in flight (batch_size, query_per_second); the guide asks one "
        "after the other."
    ),
    "guide:one_by_one": _("As in the guide's file, one question is asked after the other."),
    "guide:longer_than_served": _(
        "As in the guide's file, requests may have %(length)s tokens; the deployment takes "
        "%(tokens)s, and may refuse longer ones."
    ),
    "guide:dataset_source": _(
        "The guide's export is in the environment of both steps: DATASET_SOURCE=ModelScope."
    ),
    "guide:evalscope_command": _(
        "The page of today's stack has a Python script for this; the command is EvalScope's own, "
        "with the script's settings."
    ),
    "guide:evalscope_key": _(
        "The API key is in the environment (EVALSCOPE_API_KEY); --api-key stays empty."
    ),
    "guide:json_kept": _("--output-json is added, so that the figures are kept as a file."),
}
