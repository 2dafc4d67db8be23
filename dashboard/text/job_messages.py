"""Messages of jobs, servers, endpoints and chats, by id; advice; differences from the guide."""

JOB_MESSAGES: dict[str, str] = {
    # Outcomes of a job (jobs.services, jobs.host.run.launcher).
    "job:queued": "Queued.",
    "job:sent": "Sent to %(host)s; not accepted yet.",
    "job:taken": "Accepted by %(host)s; starting the first step.",
    "job:running": "Running on %(host)s.",
    "job:succeeded": "All steps succeeded.",
    "job:cancelled_in_queue": "Cancelled by %(user)s before it started.",
    "job:cancelled": "Cancelled by %(user)s.",
    "job:server_stopped": "Deployment %(deployment)s was stopped by %(user)s during the job.",
    "job:predecessor": "Cancelled: depends on job %(job)s, which ended as %(state)s.",
    "job:input_gone": "Cancelled: the %(input)s this job needs no longer exists.",
    "job:deployment_gone": "Cancelled: deployment %(name)s is not running (%(state)s).",
    "job:unreadable": "Tool output cannot be parsed: %(reason)s.",
    "job:log_differs": "Log mismatch: the received log differs from the log on %(host)s.",
    "job:kind_unknown": "Unknown job type %(kind)s: the result was not parsed.",
    "job:plan": "Invalid plan: %(reason)s.",
    "job:source": "Source %(address)s is not permitted. Add it under Sources, then retry.",
    "job:not_taken": "Not accepted: %(host)s is online but did not accept this job within "
    "%(minutes)s minutes.",
    "job:broken": "Files of the job are incomplete on %(host)s: %(reason)s.",
    "job:missing": "Job lost: %(host)s is online but no longer has this job.",
    "job:host_gone": "%(host)s has been offline for %(hours)s hours.",
    "job:given_up": "%(user)s marked %(host)s as lost.",
    "job:endpoint_archived": "Cancelled: endpoint %(name)s is archived. Restore it, then retry.",
    "job:launch_right_host": "%(person)s may no longer launch on %(host)s. Allow it on the host's "
    "page, then retry.",
    "job:launch_right_role": "%(person)s may no longer launch jobs. Change the role under People, "
    "then retry.",
    "job:launch_right_nobody": "%(host)s is not open to everyone, and no person launched this job. "
    "Launch the job again.",
    "job:secret_gone": "Secret %(name)s does not exist. Add it under Secrets, then retry.",
    "job:secret_incomplete": "Secret %(name)s has no purpose or no endpoints yet. Complete it "
    "under Secrets, then retry.",
    "job:secret_purpose": "Secret %(name)s is for another purpose. Choose another secret, then "
    "launch again.",
    "job:secret_host": "Secret %(name)s may not be used on %(host)s. Allow the host under Secrets, "
    "then retry.",
    "job:secret_person": "The person who launched this job may not use secret %(name)s. Allow it "
    "under Secrets, then retry.",
    "job:secret_endpoint": "Secret %(name)s may not be sent to %(endpoint)s. Allow the address "
    "under Secrets, then retry.",
    "job:secret_key": "Secret %(name)s cannot be decrypted. Restore the key file named under "
    "Secrets, then retry.",
    "confined:memory": "Reading stopped: more than %(gb)s GB of memory needed.",
    "confined:time": "Reading stopped: more than %(seconds)s s of processor time needed.",
    "confined:answer": "Reading stopped: more than %(mb)s MB of results.",
    "confined:busy": "Other files are being read. Retry in a minute.",
    "confined:failed": "Reading failed (%(error)s).",
    "confined:ended": "Reading stopped: its process was killed. Free memory, then retry.",
    "search:no_turn": "Other searches are still running. Search again in a moment.",
    # Outcomes reported by the host's launcher and agent (jobs.host).
    "done": "All steps succeeded.",
    "cancelled": "Stopped on the host.",
    "work:exit": "Step %(step)s failed with exit code %(exit_code)s.",
    "work:signal": "Step %(step)s was killed by signal %(signal)s.",
    "work:no_instruction": "Step %(step)s failed: the program needs instructions that this "
    "processor lacks (signal 4). Choose another host, or a build for this processor.",
    "work:timeout": "Step %(step)s exceeded its timeout of %(timeout_s)s seconds.",
    "work:not_found": "Step %(step)s: program %(command)s not found on the host.",
    "work:no_folder": "Step %(step)s: folder %(folder)s not found on the host.",
    "work:not_started": "Step %(step)s: cannot start %(command)s: %(problem)s",
    "work:output_missing": "Output missing: %(output)s (%(pattern)s).",
    "work:server_ended": "The server exited with code %(exit_code)s.",
    "work:server_killed": "The server was killed by signal %(signal)s.",
    "work:log_limit": "Step %(step)s was stopped: its log reached the host's limit of %(limit)s "
    "(HOST_LOG_LIMIT). Reduce the command's output, or raise HOST_LOG_LIMIT in host.env and "
    "restart the worker.",
    "host:disk_full": "Step %(step)s was stopped: its log of %(log)s was filling the host's disk "
    "(%(free)s left, %(reserve)s reserved by HOST_DISK_RESERVE). Free space on the host, or reduce "
    "the command's output.",
    "host:serve_busy": "The previous run of this server has not ended yet.",
    "host:launcher_never_started": "The host accepted the job but did not start any step.",
    "host:launcher_died": "The launcher on the host was killed before reporting.",
    "host:rebooted": "The host was restarted during the run.",
    "host:unknown_message": "The host sent the message “%(id)s”, which this version does not know. "
    "Update the dashboard, or check the host's agent.",
    "policy:program": "Blocked before the first command: this host does not allow %(program)s "
    '(step %(step)s). To allow it, add AGENT_ALLOWED_PROGRAMS="default NAME" to host.env and '
    "restart the worker.",
    "policy:root": "Blocked before the first command: %(path)s (step %(step)s) resolves to "
    "%(leads_to)s, outside the folders this host allows. To allow it, add "
    "AGENT_ALLOWED_PATHS=default:FOLDER to host.env and restart the worker.",
    "policy:variable": "Blocked before the first command: this host does not allow setting "
    "%(variable)s (step %(step)s).",
    "internal:plan": "Invalid plan: %(problem)s",
    "internal:launcher": "The launcher on the host failed: %(problem)s",
    # Results of kinds (jobs.kinds).
    "prepare:weights": "Weights of %(model)s are on the host: %(size)s, checksum verified.",
    "prepare:environment": "%(environment)s %(version)s is installed: %(packages)s packages, "
    "%(size)s.",
    "weights:measured": "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). "
    "Shard sizes match their headers.",
    "weights:read": "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Each "
    "shard was read completely.",
    "weights:compared": "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Each "
    "shard was read completely; %(compared)s match the hub's checksums.",
    "modification:shown": "Differences are in the log; %(path)s was not changed.",
    "modification:applied": "Applied: %(files)s patched files added to the weights in %(path)s.",
    "modification:undone": "Undone: %(files)s files in %(path)s were restored.",
    "dataset:there": "%(dataset)s is on the host (%(size)s, files: %(files)s).",
    "dataset:differs": "%(dataset)s is on the host (%(size)s, files: %(files)s). %(path)s has "
    "%(items)s items; the published version has %(known)s.",
    "images:made": "Image %(image)s is on the host: %(id)s, %(size)s.",
    "compile:made": "Compiled %(label)s, %(size)s.",
    "convert:think_tokens": "Two unused special tokens are renamed <think> and </think> in the new "
    "folder, because vLLM's reasoning parser needs them. Weights are unchanged.",
    "deploy:own_template": "Not a reasoning model: a template makes the model think first. Its six "
    "examples take about 300 tokens of the context.",
    "deploy:ready": "Ready after %(seconds)s seconds.",
    # Outcomes of a deployment (jobs.schedule.deployments).
    "deployment:waiting": "The job has not started the server yet.",
    "deployment:restart": "Restart requested by %(user)s.",
    "deployment:loading": "The server has started and is loading the model.",
    "deployment:ready": "Serving at %(url)s.",
    "deployment:unhealthy": "The server is running, but its health check fails.",
    "deployment:stopping": "Stop requested by %(user)s.",
    "deployment:stopping_with_job": "Stopped: job %(job)s ended as %(state)s.",
    "deployment:stopped": "Stopped.",
    "deployment:stopped_by": "Stopped by %(user)s.",
    "deployment:stopped_on_host": "Stopped on the host.",
    "deployment:job_failed": "Job %(job)s ended as %(state)s.",
    "deployment:missing": "%(host)s is online, but the server process is missing.",
    "deployment:host_gone": "%(host)s has been offline for %(hours)s hours.",
    "deployment:given_up": "%(user)s marked %(host)s as lost.",
    "endpoint:ok": "The engine answers and serves the model.",
    "endpoint:silent": "No answer at %(url)s: %(problem)s. Start the engine, or correct the "
    "address. A host may still reach it: jobs check again from theirs.",
    "endpoint:redirect": "%(url)s answers HTTP %(status)s, a redirect, which is not followed. "
    "Enter the final address.",
    "endpoint:key_missing": "%(url)s answers HTTP %(status)s: it needs an API key. Choose one.",
    "endpoint:key_wrong": "%(url)s answers HTTP %(status)s: it refuses the API key. Replace the "
    "secret.",
    "endpoint:key_refused": "Secret %(name)s is missing, or may not be sent to %(url)s. Allow the "
    "address under Secrets, then check again.",
    "endpoint:not_permitted": "%(url)s may not be called. Add it under Sources, type “endpoint”, "
    "then check again.",
    "endpoint:special": "%(url)s has the special address %(ip)s. Add %(entry)s under Sources, type "
    "“endpoint”, then check again.",
    "endpoint:status": "%(url)s/v1/models answers HTTP %(status)s. Enter the address before /v1.",
    "endpoint:no_list": "%(url)s/v1/models lists no models: no OpenAI-compatible engine. Correct "
    "the address.",
    "endpoint:no_model": "The engine does not serve %(model)s. It serves %(models)s. Correct the "
    "model.",
    "chat:interrupted": "The dashboard was stopped during this answer.",
    "chat:unreachable": "The engine is not responding.",
    "chat:timeout": "Timeout: the answer took longer than an hour.",
    "chat:too-long": "The engine sent more data than the limit without ending, so the answer was "
    "stopped. Received text is kept.",
    "chat:silent": "Timeout: the engine sent nothing for 15 minutes.",
    "chat:redirect": "The engine answered with a redirect, which is not followed. Check which "
    "program listens at the engine's address.",
    "chat:compressed": "The engine compressed its answer. Configure the engine to send plain text.",
    "chat:busy": "The engine is busy (HTTP %(status)s). Send the message again later.",
    "chat:busy-for": "The engine is busy (HTTP %(status)s). Send the message again in "
    "%(seconds)s s.",
    "chat:status": "The engine answered HTTP %(status)s:",
    "chat:page": "The address answered with a web page, not with an API. Check which program "
    "listens there, and whether it needs a login.",
    "chat:no-http": "The engine's response is not valid HTTP.",
    "chat:address": "The deployment has no address that the dashboard may call. Loopback and "
    "link-local addresses are allowed on This computer only: check DASHBOARD_URL of its host.",
    "chat:not-ready": "This deployment is not ready.",
    "chat:archived": "This endpoint is archived. Restore it, or choose another one.",
    "chat:not-permitted": "%(url)s may not be called any more. Ask an administrator to add it "
    "under Sources, type “endpoint”.",
    "chat:special": "%(url)s has the special address %(ip)s. Ask an administrator to add %(entry)s "
    "under Sources, type “endpoint”.",
    "chat:unknown-name": "%(url)s has no IP address. Correct the endpoint's host name.",
    "chat:key": "API key %(name)s was not sent: it was removed, or its rules forbid this endpoint "
    "or you. Ask an administrator to check it under Secrets.",
    "chat:disk": "The dashboard's disk has only its reserve left (DISK_RESERVE), so nothing was "
    "sent. Free disk space of the dashboard, then retry.",
    "chat:not-kept": "The dashboard's disk is full: the rest of this answer was not stored.",
    "chat:unreadable": "The engine's response cannot be parsed. Its raw bytes are kept.",
    "chat:one-object": "Answer not read: one JSON object of more than %(mib)s MiB. Configure the "
    "engine to stream, or lower max tokens.",
    "chat:tool-calls": "Answer not read: more than %(count)s tool calls. Check which program "
    "answers there.",
    "chat:objects": "Answer not read: more than %(count)s JSON objects in a line. Check which "
    "program listens at the engine's address.",
    "chat:long-text": "Answer cut: longer than %(count)s characters. Lower max tokens, then retry.",
    "chat:broken": "The request to the engine failed.",
    "chat:cut": "The engine closed the connection in the middle of the answer.",
}
# Advice for jobs that did not succeed: by message, else by state or case.
JOB_ADVICE: dict[str, str] = {
    "work:output_missing": "The command exited with 0, but wrote no file where the plan expects "
    "one. The log shows where it wrote.",
    "benchmark:no_request": "Check the state and log of the deployment, then retry.",
    "benchmark:no_request_cause": "Check the state and log of the deployment, then retry.",
    "evaluate:no_question": "Check the state and log of the deployment, then retry.",
    "job:unreadable": "This tool version may use another format. Files are kept under Outputs; an "
    "updated parser can read them.",
    "job:predecessor": "Retry the earlier job first, then this job.",
    "job:input_gone": "Recreate the missing input, then use “Edit and rerun”.",
    "job:missing": "The host was restarted, its disk filled up, or the folder was cleared. Retry.",
    "job:host_gone": "Check that the host is online. The log arrives when the host is back.",
    "job:deployment_gone": "The deployment is running again. Retry this job.",
    "work:log_limit": "The log up to that point is complete.",
    "host:disk_full": "The log up to that point is complete.",
    "failed": "Read the last lines of the log. Fix the cause or the settings, then retry.",
    "errored": "The dashboard failed, not the job. Report the message above; a retry may fail "
    "again.",
    "cancelled": "Retry when needed. Finished files are kept below.",
    "lost": "Received data is kept. Retry when the host is back.",
    "as printed": "The guide's verbatim command would fail again. “Correct and rerun” opens the "
    "form with the corrected command.",
    "never ran": "Fix the cause, then retry. There is no log, because no command ran.",
    "no output": "The log is empty: the command wrote no output. Check the settings and the host, "
    "then retry.",
}
# The same for jobs whose log and files were removed; other advice does not mention them.
REMOVED_ADVICE: dict[str, str] = {
    "job:unreadable": "This tool version may use another format. Its files were removed; retry to "
    "get new ones.",
    "job:host_gone": "Check that the host is online, then retry.",
    "failed": "The log was removed. Retry to get a new log, and use “Keep files” on that job to "
    "retain it.",
    "cancelled": "Retry when needed.",
    "lost": "Retry when the host is back.",
}
SERVER_ADVICE: dict[str, str] = {
    "work:server_killed": "Often the system killed the server because memory ran out. Check dmesg "
    "on the host, then restart the deployment.",
    "host:launcher_died": "Find the cause in the host's kernel log, then restart the deployment.",
    "deployment:job_failed": "See the job for the cause, and retry that job instead.",
    "unhealthy": "Three health checks in a row failed, so jobs using this deployment may fail. If "
    "the state persists, read the end of the log and restart the deployment.",
    "failed": "Read the end of the server's log. Fix the cause, then restart the deployment.",
    "lost": "Check that the host is online. A server still running there is reattached "
    "automatically; otherwise restart the deployment.",
    "removed": "The log was removed. Restart the deployment to get a new one.",
    "no output": "The server exited without output. Fix the cause, then restart the deployment.",
}
# Differences of a plan from the deployment guide: one line each, with the reason.
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
    "Newer chat templates open <think> in the prompt, so all text arrives as the answer. The "
    "playground splits the text.",
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
    "guide:plugin_imported": "import %(module)s is added before the script. Only the command "
    "vllm imports the module itself. Without the module, everything runs on the CPU.",
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
