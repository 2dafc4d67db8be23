"""Messages of jobs, deployments, endpoints and chats, by id."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

JOB_MESSAGES: dict[str, str | Promise] = {
    # Outcomes of a job (jobs.services, jobs.host.run.launcher).
    "job:queued": _("Queued."),
    "job:sent": _("Sent to %(host)s; not accepted yet."),
    "job:taken": _("Accepted by %(host)s; starting the first step."),
    "job:running": _("Running on %(host)s."),
    "job:succeeded": _("All steps succeeded."),
    "job:cancelled_in_queue": _("Cancelled by %(user)s before it started."),
    "job:cancelled": _("Cancelled by %(user)s."),
    "job:server_stopped": _("Deployment %(deployment)s was stopped by %(user)s during the job."),
    "job:predecessor": _("Cancelled: depends on job %(job)s, which ended as %(state)s."),
    "job:input_gone": _("Cancelled: the %(input)s this job needs no longer exists."),
    "job:deployment_gone": _("Cancelled: deployment %(name)s is not running (%(state)s)."),
    "job:unreadable": _("Tool output cannot be parsed: %(reason)s."),
    "job:log_differs": _("Log mismatch: the received log differs from the log on %(host)s."),
    "job:kind_unknown": _("Unknown job type %(kind)s: the result was not parsed."),
    "job:plan": _("Invalid plan: %(reason)s."),
    "job:source": _("Source %(address)s is not permitted. Add it under Sources, then retry."),
    "job:not_taken": _(
        "Not accepted: %(host)s is online but did not accept this job within %(minutes)s minutes."
    ),
    "job:broken": _("Files of the job are incomplete on %(host)s: %(reason)s."),
    "job:missing": _("Job lost: %(host)s is online but no longer has this job."),
    "job:host_gone": _("%(host)s has been offline for %(hours)s hours."),
    "job:given_up": _("%(user)s marked %(host)s as lost."),
    "job:endpoint_archived": _("Cancelled: endpoint %(name)s is archived. Restore it, then retry."),
    "job:launch_right_host": _(
        "%(person)s may no longer launch on %(host)s. Allow it on the host's page, then retry."
    ),
    "job:launch_right_role": _(
        "%(person)s may no longer launch jobs. Change the role under People, then retry."
    ),
    "job:launch_right_nobody": _(
        "%(host)s is not open to everyone, and no person launched this job. Launch the job again."
    ),
    "job:secret_gone": _("Secret %(name)s does not exist. Add it under Secrets, then retry."),
    "job:secret_incomplete": _(
        "Secret %(name)s has no purpose or no endpoints yet. Complete it under Secrets, then retry."
    ),
    "job:secret_purpose": _(
        "Secret %(name)s is for another purpose. Choose another secret, then launch again."
    ),
    "job:secret_host": _(
        "Secret %(name)s may not be used on %(host)s. Allow the host under Secrets, then retry."
    ),
    "job:secret_person": _(
        "The person who launched this job may not use secret %(name)s. Allow it under Secrets, "
        "then retry."
    ),
    "job:secret_endpoint": _(
        "Secret %(name)s may not be sent to %(endpoint)s. Allow the address under Secrets, then "
        "retry."
    ),
    "job:secret_key": _(
        "Secret %(name)s cannot be decrypted. Restore the key file named under Secrets, then retry."
    ),
    "confined:memory": _("Files not read: they need more than %(gb)s GB of memory."),
    "confined:time": _("Files not read: they need more than %(seconds)s s of processor time."),
    "confined:answer": _("Files not read: they hold more than %(mb)s MB of results."),
    "confined:busy": _("Other files are being read. Retry in a minute."),
    "confined:failed": _("Files cannot be read (%(error)s)."),
    "confined:ended": _("Files not read: the reading process was killed. Free memory, then retry."),
    # Outcomes reported by the host's launcher and agent (jobs.host).
    "done": _("All steps succeeded."),
    "cancelled": _("Stopped on the host."),
    "work:exit": _("Step %(step)s failed with exit code %(exit_code)s."),
    "work:signal": _("Step %(step)s was killed by signal %(signal)s."),
    "work:no_instruction": _(
        "Step %(step)s failed: the program needs instructions that this processor lacks (signal "
        "4). Choose another host, or a build for this processor."
    ),
    "work:timeout": _("Step %(step)s exceeded its timeout of %(timeout_s)s seconds."),
    "work:not_found": _("Step %(step)s: program %(command)s not found on the host."),
    "work:no_folder": _("Step %(step)s: folder %(folder)s not found on the host."),
    "work:not_started": _("Step %(step)s: cannot start %(command)s: %(problem)s"),
    "work:output_missing": _("Output missing: %(output)s (%(pattern)s)."),
    "work:server_ended": _("The server exited with code %(exit_code)s."),
    "work:server_killed": _("The server was killed by signal %(signal)s."),
    "work:log_limit": _(
        "Step %(step)s was stopped: its log reached the host's limit of %(limit)s "
        "(HOST_LOG_LIMIT). Reduce the command's output, or raise HOST_LOG_LIMIT in host.env and "
        "restart the worker."
    ),
    "host:disk_full": _(
        "Step %(step)s was stopped: its log of %(log)s was filling the host's disk (%(free)s left, "
        "%(reserve)s reserved by HOST_DISK_RESERVE). Free space on the host, or reduce the "
        "command's output."
    ),
    "host:serve_busy": _("The previous run of this server has not ended yet."),
    "host:launcher_never_started": _("The host accepted the job but did not start any step."),
    "host:launcher_died": _("The launcher on the host was killed before reporting."),
    "host:rebooted": _("The host was restarted during the run."),
    "host:unknown_message": _(
        "The host sent the message “%(id)s”, which this version does not know. Update the "
        "dashboard, or check the host's agent."
    ),
    "policy:program": _(
        "Blocked before the first command: this host does not allow %(program)s (step %(step)s). "
        'To allow it, add AGENT_ALLOWED_PROGRAMS="default NAME" to host.env and restart the worker.'
    ),
    "policy:root": _(
        "Blocked before the first command: %(path)s (step %(step)s) resolves to %(leads_to)s, "
        "outside the folders this host allows. To allow it, add AGENT_ALLOWED_PATHS=default:FOLDER "
        "to host.env and restart the worker."
    ),
    "policy:variable": _(
        "Blocked before the first command: this host does not allow setting %(variable)s (step "
        "%(step)s)."
    ),
    "internal:plan": _("Invalid plan: %(problem)s"),
    "internal:launcher": _("The launcher on the host failed: %(problem)s"),
    # Results of kinds (jobs.kinds).
    "prepare:weights": _("Weights of %(model)s are on the host: %(size)s, checksum verified."),
    "prepare:environment": _(
        "%(environment)s %(version)s is installed: %(packages)s packages, %(size)s."
    ),
    "weights:measured": _(
        "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Shard sizes match "
        "their headers."
    ),
    "weights:read": _(
        "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Each shard was read "
        "completely."
    ),
    "weights:compared": _(
        "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Each shard was read "
        "completely; %(compared)s match the hub's checksums."
    ),
    "modification:shown": _("Differences are in the log; %(path)s was not changed."),
    "modification:applied": _("Applied: %(files)s patched files added to the weights in %(path)s."),
    "modification:undone": _("Undone: %(files)s files in %(path)s were restored."),
    "dataset:there": _("%(dataset)s is on the host (%(size)s, files: %(files)s)."),
    "dataset:differs": _(
        "%(dataset)s is on the host (%(size)s, files: %(files)s). %(path)s has %(items)s items; "
        "the published version has %(known)s."
    ),
    "images:made": _("Image %(image)s is on the host: %(id)s, %(size)s."),
    "compile:made": _("Compiled %(label)s, %(size)s."),
    "convert:think_tokens": _(
        "Two unused special tokens are renamed <think> and </think> in the new folder, because "
        "vLLM's reasoning parser needs them. Weights are unchanged."
    ),
    "deploy:own_template": _(
        "Not a reasoning model: a template makes the model think first. Its six examples take "
        "about 300 tokens of the context."
    ),
    "deploy:ready": _("Ready after %(seconds)s seconds."),
    # Outcomes of a deployment (jobs.schedule.deployments).
    "deployment:waiting": _("The job has not started the server yet."),
    "deployment:restart": _("Restart requested by %(user)s."),
    "deployment:loading": _("The server has started and is loading the model."),
    "deployment:ready": _("Serving at %(url)s."),
    "deployment:unhealthy": _("The server is running, but its health check fails."),
    "deployment:stopping": _("Stop requested by %(user)s."),
    "deployment:stopping_with_job": _("Stopped: job %(job)s ended as %(state)s."),
    "deployment:stopped": _("Stopped."),
    "deployment:stopped_by": _("Stopped by %(user)s."),
    "deployment:stopped_on_host": _("Stopped on the host."),
    "deployment:job_failed": _("Job %(job)s ended as %(state)s."),
    "deployment:missing": _("%(host)s is online, but the server process is missing."),
    "deployment:host_gone": _("%(host)s has been offline for %(hours)s hours."),
    "deployment:given_up": _("%(user)s marked %(host)s as lost."),
    "endpoint:ok": _("The engine answers and serves the model."),
    "endpoint:silent": _(
        "No answer at %(url)s: %(problem)s. Start the engine, or correct the address. A host may "
        "still reach it: jobs check again from theirs."
    ),
    "endpoint:redirect": _(
        "%(url)s answers HTTP %(status)s, a redirect, which is not followed. Enter the final "
        "address."
    ),
    "endpoint:key_missing": _("%(url)s answers HTTP %(status)s: it needs an API key. Choose one."),
    "endpoint:key_wrong": _(
        "%(url)s answers HTTP %(status)s: it refuses the API key. Replace the secret."
    ),
    "endpoint:key_refused": _(
        "Secret %(name)s is missing, or may not be sent to %(url)s. Allow the address under "
        "Secrets, then check again."
    ),
    "endpoint:not_permitted": _(
        "%(url)s may not be called. Add it under Sources, type “endpoint”, then check again."
    ),
    "endpoint:special": _(
        "%(url)s has the special address %(ip)s. Add %(entry)s under Sources, type “endpoint”, "
        "then check again."
    ),
    "endpoint:status": _(
        "%(url)s/v1/models answers HTTP %(status)s. Enter the address before /v1."
    ),
    "endpoint:no_list": _(
        "%(url)s/v1/models lists no models: no OpenAI-compatible engine. Correct the address."
    ),
    "endpoint:no_model": _(
        "The engine does not serve %(model)s. It serves %(models)s. Correct the model."
    ),
    "chat:interrupted": _("The dashboard was stopped during this answer."),
    "chat:unreachable": _("The engine is not responding."),
    "chat:timeout": _("Timeout: the answer took longer than an hour."),
    "chat:too-long": _(
        "The engine sent more data than the limit without ending, so the answer was stopped. "
        "Received text is kept."
    ),
    "chat:silent": _("Timeout: the engine sent nothing for 15 minutes."),
    "chat:redirect": _(
        "The engine answered with a redirect, which is not followed. Check which program listens "
        "at the engine's address."
    ),
    "chat:compressed": _(
        "The engine compressed its answer. Configure the engine to send plain text."
    ),
    "chat:no-http": _("The engine's response is not valid HTTP."),
    "chat:address": _(
        "The deployment has no address that the dashboard may call. Loopback and link-local "
        "addresses are allowed on This computer only: check DASHBOARD_URL of its host."
    ),
    "chat:not-ready": _("This deployment is not ready."),
    "chat:archived": _("This endpoint is archived. Restore it, or choose another one."),
    "chat:not-permitted": _(
        "%(url)s may not be called any more. Ask an administrator to add it under Sources, type "
        "“endpoint”."
    ),
    "chat:special": _(
        "%(url)s has the special address %(ip)s. Ask an administrator to add %(entry)s under "
        "Sources, type “endpoint”."
    ),
    "chat:unknown-name": _("%(url)s has no IP address. Correct the endpoint's host name."),
    "chat:key": _(
        "API key %(name)s was not sent: it was removed, or its rules forbid this endpoint or you. "
        "Ask an administrator to check it under Secrets."
    ),
    "chat:disk": _(
        "The dashboard's disk has only its reserve left (DISK_RESERVE), so nothing was sent. Free "
        "disk space of the dashboard, then retry."
    ),
    "chat:not-kept": _("The dashboard's disk is full: the rest of this answer was not stored."),
    "chat:unreadable": _("The engine's response cannot be parsed. Its raw bytes are kept."),
    "chat:broken": _("The request to the engine failed."),
    "chat:cut": _("The engine closed the connection in the middle of the answer."),
}
