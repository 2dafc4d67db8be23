"""Messages of jobs, deployments, endpoints and chats, by id; advice by message or state."""

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
    "confined:memory": "Files not read: they need more than %(gb)s GB of memory.",
    "confined:time": "Files not read: they need more than %(seconds)s s of processor time.",
    "confined:answer": "Files not read: they hold more than %(mb)s MB of results.",
    "confined:busy": "Other files are being read. Retry in a minute.",
    "confined:failed": "Files cannot be read (%(error)s).",
    "confined:ended": "Files not read: the reading process was killed. Free memory, then retry.",
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
    "job:predecessor": "Retry the job this one depends on, then this one.",
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
    "no output": "The log is empty: the command wrote no output. Fix the cause or the settings, "
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
    "host:launcher_died": "Find out on the host what killed the process, then restart the "
    "deployment.",
    "deployment:job_failed": "See the job for the cause, and retry that job instead.",
    "unhealthy": "Three health checks in a row failed, so jobs using this deployment may fail. If "
    "the state persists, read the end of the log and restart the deployment.",
    "failed": "Read the end of the server's log. Fix the cause, then restart the deployment.",
    "lost": "Check that the host is online. A server still running there is reattached "
    "automatically; otherwise restart the deployment.",
    "removed": "The log was removed. Restart the deployment to get a new one.",
    "no output": "The server exited without output. Fix the cause, then restart the deployment.",
}
