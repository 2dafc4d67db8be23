"""Differences of a plan from the deployment guide, by id: one line each, with the reason."""

GUIDE_MESSAGES: dict[str, str] = {
    "guide:weights_linked": "The guide gives only hub links here; the command is the tool's own.",
    "guide:modification_in_words": "The guide gives no command here. It names the four files to "
    "place next to the weights.",
    "guide:config_vacc_made": "config_vacc.json is generated from the model's config.json, because "
    "the guide's sample fits none of the four distills.",
    "guide:clone_there": "An existing clone is used, and a missing tag is fetched. As printed, git "
    "clone would fail.",
    "guide:clone_fails": "As printed, git clone fails if %(folder)s already exists.",
    "guide:image_noavx": "This host has no AVX-512, so the base image is built with "
    "VLLM_CPU_DISABLE_AVX512=true.",
    "guide:image_arm": "This host is aarch64, so the base image is built from %(file)s.",
    "guide:image_needs_avx512": "As printed, the image needs AVX-512, which this host lacks.",
    "guide:image_variant": "This host's processor needs another image, so %(image)s is pulled. "
    "Only ds3_0530 is published for it.",
    "guide:dataset_linked": "The guide gives only a link here; the command is the tool's own.",
    "guide:comments_run": "Both downloads are comments in the guide; here they run.",
    "guide:wget_resumes": "wget -c resumes an interrupted archive.",
    "guide:unzip_overwrites": "-o is added, because unzip would prompt before overwriting.",
    "guide:unzip_asks": "As printed, unzip prompts before overwriting and fails unattended. Use "
    "only if the folder has no data yet.",
    "guide:conda_path": "Replaces the guide's conda activate: %(folder)s comes first in PATH.",
    "guide:conda_yes": "-y is added to conda create to skip its prompt.",
    "guide:conda_there": "An existing environment is reused. As printed, conda would prompt to "
    "remove it.",
    "guide:conda_anew": "With -y, conda recreates an existing environment.",
    "guide:opencompass_held": "pip is limited to versions that OpenCompass can import (pyarrow<20, "
    "pandas<3, datasets<4, transformers<5).",
    "guide:opencompass_unheld": "As printed, pip may install packages too new for OpenCompass.",
    "guide:yaml_filled": "The guide's file has a placeholder checkpoint; here the chosen weights "
    "are used. The result goes to %(folder)s.",
    "guide:yaml_made": "The file is generated from these settings; all else equals the guide. The "
    "result goes to %(folder)s.",
    "guide:align_qkv_set": "align_qkv is on, because %(tp)s dies cannot share %(heads)s KV heads "
    "evenly.",
    "guide:stack_size_set": "VACC_STACK_SIZE=%(size)s is set.",
    "guide:int8_cuda": "int8 calibration is documented for CUDA cards only. Without one, choose "
    "cpu.",
    "guide:no_calibration": "No calibration data is set, like in the guide: vamc chooses its own, "
    "possibly from the network.",
    "guide:server_in_words": "The guide gives no command and refers to the tool's documentation. "
    "The command is %(tool)s's own.",
    "guide:ports_corrected": "publish_port is %(publish)s and subscribe_port is %(subscribe)s. "
    "llmdeploy's sample has 77810 and 77110, which are not valid ports.",
    "guide:bare_stream": "llmdeploy streams bare JSON lines, without the “data:” prefix.",
    "guide:no_key": "No API key is documented for %(tool)s: anyone who can reach its port can use "
    "it.",
    "guide:registry_login": "Added: a login at the host's image registry before the pull.",
    "guide:inspect_added": "Added: a last step that records the image's ID and versions.",
    # Containers.
    "guide:detached": "docker run uses -dit instead of -it, because no terminal is attached.",
    "guide:workspace_here": "The guide mounts /nfs/workspace at /test. Here %(folder)s is mounted "
    "at %(mount)s (HOST_WORKSPACE, HOST_MOUNT).",
    "guide:port_free": "The server takes a free port of the host at launch; the guide prints "
    "%(printed)s.",
    "guide:port_other": "The server listens on port %(port)s; the guide prints %(printed)s.",
    "guide:docker_exec": "Commands of the guide's container shell run through docker exec, with "
    "unchanged arguments.",
    "guide:own_name": "The container has a name of its own (--name), so that several can run on "
    "one host.",
    "guide:label": "--label vacc.job marks the container with its job: docker ps --filter lists it "
    "by this label.",
    "guide:removed_at_end": "--rm removes the container once its server ends.",
    "guide:results_mounted": "The job's folder is mounted at /results, so that the result file "
    "outlives the container.",
    "guide:dies_named": "VACC_VISIBLE_DEVICES is set to the dies leased by this job. As printed, "
    "the first dies would be used.",
    "guide:dies_unnamed": "As printed, no dies are set: the engine uses the first %(dies)s, leased "
    "or not.",
    # The server.
    "guide:address": "As printed, the server listens on %(address)s, an address of the guide's "
    "machine, and exits on any other host. Set “Listen on” to your host's address.",
    "guide:listens_everywhere": "--host 0.0.0.0: the server listens on all addresses. The guide's "
    "10.24.73.25 is its own machine's.",
    "guide:name_is_path": "As printed, requests must use the model's path as its name: %(name)s.",
    "guide:served_name": "--served-model-name is added, so requests use the name %(name)s.",
    "guide:key_in_environment": "The API key is passed by variable name (-e VLLM_API_KEY). With "
    "--api-key, anyone on the host could read it.",
    "guide:async_off": "--no-async-scheduling is added, as the page requires with MTP or pipeline "
    "parallelism.",
    "guide:async_left": "As printed, --no-async-scheduling is missing. The page requires it with "
    "MTP or pipeline parallelism.",
    "guide:think_tags": "vLLM 0.7.2 detects reasoning only if the reply itself opens <think>. "
    "Newer chat templates open it in the prompt, so all text arrives as the answer. The playground "
    "splits it.",
    # The benchmark over HTTP.
    "guide:backend_added": "--backend %(backend)s is added. Without it, the benchmark posts a "
    "prompt to the chat endpoint and exits with code 1.",
    "guide:backend_fails": "As printed, the benchmark exits with code 1: its backend %(backend)s "
    "posts a prompt to the chat endpoint.",
    "guide:folder_made": "The result folder is created first, because this version does not create "
    "it and would lose the result.",
    "guide:folder_missing": "As printed, the result is lost unless the container already has "
    "%(folder)s.",
    "guide:address_named": "--host, --port and the model name are the deployment's. As printed, "
    "the host is localhost.",
    "guide:address_unnamed": "As printed, requests go to localhost:8000. A server that listens on "
    "one host address does not receive them.",
    "guide:comparable": "More percentiles and end-to-end latency are requested, so that results "
    "are comparable.",
    "guide:seed": "--seed is new in each run, so that the prefix cache does not answer prompts of "
    "an earlier one.",
    "guide:tokenizer_code": "--trust-remote-code is added, as for the server: a tokenizer may need "
    "the code in the weights folder.",
    "guide:details_saved": "--save-detailed is added: it records every request, not only the "
    "percentiles.",
    "guide:result_fetched": "docker cp copies the result file from the container to the job. The "
    "guide leaves it there.",
    "guide:result_dir_named": "--result-dir names the whole path, which replaces the working "
    "folder (-w).",
    "guide:prefix_shared": "--random-prefix-len: prompts share their first %(prefix)s tokens, a "
    "part of the prompt length. The field “Shared prefix” sets it; the page has no such option.",
    "guide:waits_ready": "Added: a step that waits until the server answers. Only then do other "
    "jobs use it.",
    "guide:same_requests": "As printed, no --seed is sent: every run sends the same requests (seed "
    "0). An engine with a prefix cache answers a second run faster.",
    "guide:connection_close": "--header Connection=close is added: each request has its own "
    "connection, as in the guide's own version.",
    "guide:greedy": "--temperature 0 is added for greedy decoding, the default of the guide's own "
    "version.",
    "guide:completions": "As printed, requests go to the completions endpoint, without the chat "
    "template.",
    # The benchmarks without a server.
    "guide:dataset_name_dropped": "--dataset-name random is removed: vLLM 0.7.2 does not support "
    "it (exit code 2) and generates random requests anyway.",
    "guide:random_lengths": "Lengths are set with --random-input-len and --random-output-len. "
    "Today's benchmark defaults to 1024 and 128 for these, whatever --input-len is.",
    "guide:dataset_name_fails": "As printed, the benchmark exits with code 2: vLLM 0.7.2 does not "
    "support --dataset-name.",
    "guide:plugin_imported": "import %(module)s is added before the script. Only the command vllm "
    "imports it itself; without it everything runs on the CPU.",
    "guide:plugin_missing": "As printed, the script does not import %(module)s and runs on the "
    "CPU, unless the image is patched.",
    "guide:cd": "The guide's cd becomes the step's working folder; its && becomes a separate step.",
    "guide:nothing_printed": "Not in the guide.",
    "guide:verify_added": "Added: a last step that verifies the result.",
    "guide:folder_looked_at": "Added: a first step that lists the folder, and a last step that "
    "finds new files.",
    "guide:folder_replaced": "Replaces the compiled model in %(path)s. To keep both, compile this "
    "one separately with another “Name”.",
    "guide:align_qkv_fails": "As printed, the compile exits with code 1: %(tp)s dies cannot share "
    "%(heads)s KV heads evenly. “Corrected” turns align_qkv on.",
    # Evaluations.
    "guide:config_made": "eval_ds.py is generated for this deployment. The guide's own evaluates "
    "DeepSeek-V3; its R1 block is commented out. This one evaluates %(model)s with the guide's R1 "
    "settings, and counts lengths with the tokenizer in the weights folder.",
    "guide:run_collected": "Added: a last step that copies the run's files from OpenCompass's "
    "checkout to the job.",
    "guide:own_folder": "OpenCompass runs in the job's own folder with the data of its checkout "
    "(COMPASS_DATA_CACHE), so runs do not interfere. Its inner log is shown during inference.",
    "guide:details_kept": "--dump-eval-details is added: it records whether each answer is "
    "correct.",
    "guide:scored_meanwhile": "Each set is scored once it is answered, while others are asked (-m "
    "infer, then -m eval). The guide's command scores only after all sets.",
    "guide:in_parallel": "Concurrency is %(batch)s (batch_size, query_per_second); the guide sends "
    "one question at a time.",
    "guide:retries": "OpenCompass sends a failed request again %(retries)s times (retry, counted "
    "with the first attempt), as the field says. The guide's file leaves the number to the tool.",
    "guide:one_by_one": "Questions are sent one by one, like the guide's file.",
    "guide:longer_than_served": "Requests may have %(length)s tokens, like the guide's file. The "
    "deployment accepts %(tokens)s and may refuse longer ones.",
    "guide:dataset_source": "The guide's export is set in the environment of both steps: "
    "DATASET_SOURCE=ModelScope.",
    "guide:evalscope_command": "The page of the current stack uses a Python script here. The "
    "command is EvalScope's own, with the script's settings.",
    "guide:evalscope_key": "The API key is passed in EVALSCOPE_API_KEY; --api-key stays empty.",
    "guide:json_kept": "--output-json is added to store the figures as a file.",
}
