"""Messages for people, by id: outcomes of jobs and deployments.

Records store an id and arguments (``jobs.base.messages.Message``), so that each viewer gets their
own language. An id is ``area:case``; a placeholder is a named one: ``%(name)s``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.chat_messages import CHAT_MESSAGES
from dashboard.text.endpoint_messages import ENDPOINT_MESSAGES
from dashboard.text.formatting import joined, number
from dashboard.text.guide_messages import GUIDE_MESSAGES
from dashboard.text.import_messages import IMPORT_MESSAGES
from dashboard.text.known_failures import words_of
from dashboard.text.labels import (
    asset_word,
    check_word,
    host_word,
    phrase,
    stack_name,
    step_title,
    unit_word,
)
from dashboard.text.length_messages import LENGTH_MESSAGES
from dashboard.text.matrix_messages import MATRIX_MESSAGES
from dashboard.text.message_numbers import number_texts
from dashboard.text.parity_messages import PARITY_MESSAGES
from dashboard.text.probe_messages import PROBE_MESSAGES
from dashboard.text.question_messages import QUESTION_MESSAGES
from dashboard.text.result_messages import RESULT_MESSAGES
from dashboard.text.right_messages import RIGHT_MESSAGES
from dashboard.text.secret_messages import SECRET_MESSAGES
from dashboard.text.state_styles import STATES
from dashboard.text.wait_messages import WAIT_MESSAGES, server_names, to_stop
from jobs.kinds.lib import limits
from jobs.models import Deployment
from jobs.statistics.paired import Decision

MESSAGES: dict[str, str | Promise] = {
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
    "confined:memory": _("Files not read: they need more than %(gb)s GB of memory."),
    "confined:time": _("Files not read: they need more than %(seconds)s s of processor time."),
    "confined:answer": _("Files not read: they hold more than %(mb)s MB of results."),
    "confined:busy": _("Other files are being read. Retry in a minute."),
    "confined:failed": _("Files cannot be read (%(error)s)."),
    "confined:ended": _("Files not read: the reading process was killed. Free memory, then retry."),
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
        "(HOST_LOG_LIMIT). Reduce the command's output, or raise HOST_LOG_LIMIT in host.env "
        "and restart the worker."
    ),
    "host:disk_full": _(
        "Step %(step)s was stopped: its log of %(log)s was filling the host's disk (%(free)s "
        "left, %(reserve)s reserved by HOST_DISK_RESERVE). Free space on the host, or reduce "
        "the command's output."
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
        "Blocked before the first command: this host does not allow %(program)s (step "
        '%(step)s). To allow it, add AGENT_ALLOWED_PROGRAMS="default NAME" to host.env and restart '
        "the worker."
    ),
    "policy:root": _(
        "Blocked before the first command: %(path)s (step %(step)s) resolves to "
        "%(leads_to)s, outside the folders this host allows. To allow it, add "
        "AGENT_ALLOWED_PATHS=default:FOLDER to host.env and restart the worker."
    ),
    "policy:variable": _(
        "Blocked before the first command: this host does not allow setting %(variable)s "
        "(step %(step)s)."
    ),
    "internal:plan": _("Invalid plan: %(problem)s"),
    "internal:launcher": _("The launcher on the host failed: %(problem)s"),
    # Results of kinds (jobs.kinds).
    "prepare:weights": _("Weights of %(model)s are on the host: %(size)s, checksum verified."),
    "prepare:environment": _(
        "%(environment)s %(version)s is installed: %(packages)s packages, %(size)s."
    ),
    "weights:measured": _(
        "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Shard sizes "
        "match their headers."
    ),
    "weights:read": _(
        "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Each shard was "
        "read completely."
    ),
    "weights:compared": _(
        "Weights of %(model)s are on the host (%(size)s, shards: %(shards)s). Each shard was "
        "read completely; %(compared)s match the hub's checksums."
    ),
    "modification:shown": _("Differences are in the log; %(path)s was not changed."),
    "modification:applied": _("Applied: %(files)s patched files added to the weights in %(path)s."),
    "modification:undone": _("Undone: %(files)s files in %(path)s were restored."),
    "dataset:there": _("%(dataset)s is on the host (%(size)s, files: %(files)s)."),
    "dataset:differs": _(
        "%(dataset)s is on the host (%(size)s, files: %(files)s). %(path)s has %(items)s "
        "items; the published version has %(known)s."
    ),
    "images:made": _("Image %(image)s is on the host: %(id)s, %(size)s."),
    "compile:made": _("Compiled %(label)s, %(size)s."),
    "convert:think_tokens": _(
        "Two unused special tokens are renamed <think> and </think> in the new folder, "
        "because vLLM's reasoning parser needs them. Weights are unchanged."
    ),
    "deploy:own_template": _(
        "Not a reasoning model: a template makes the model think first. Its six examples "
        "take about 300 tokens of the context."
    ),
    "deploy:ready": _("Ready after %(seconds)s seconds."),
    "benchmark:done": _(
        "Peak %(output_tokens_per_s)s output tokens/s, at concurrency %(concurrency)s."
    ),
    "benchmark:no_request": _(
        "The tool exited with 0, but no request succeeded: %(failed)s failed."
    ),
    "benchmark:no_token": _("Requests succeeded, but the tool counted no tokens in any answer."),
    "benchmark:no_stream": _(
        "Measured without streaming, because the tool cannot parse this server's bare-JSON "
        "stream. TTFT and ITL are missing."
    ),
    "benchmark:bare_stream": _(
        "The server streams bare JSON lines, which EvalScope cannot parse. The job's script passes "
        "each line on as an event when it arrives. TTFT and TPOT are times of these lines."
    ),
    "benchmark:failed_requests": _(
        "%(failed)s of %(total)s requests failed at concurrency %(concurrency)s."
    ),
    "benchmark:few_requests": _(
        "Only %(requests)s requests per point: p90 and above are unreliable."
    ),
    "benchmark:hits": _(
        "%(share)s %% of prompt tokens came from the prefix cache at concurrency "
        "%(concurrency)s. Prompts share a beginning (chat template), or the engine had "
        "processed some before."
    ),
    "benchmark:hits_guide": _(
        "%(share)s %% of prompt tokens came from the prefix cache at concurrency "
        "%(concurrency)s. The guide's command sends the same requests in every run; cold "
        "prompts are slower."
    ),
    "benchmark:hits_seed": _(
        "%(share)s %% of prompt tokens came from the prefix cache at concurrency "
        "%(concurrency)s. Seed %(seed)s is fixed, so every run sends the same requests. "
        "Leave the seed empty for cold prompts."
    ),
    "benchmark:hits_prefix": _(
        "%(share)s %% of prompt tokens came from the prefix cache at concurrency "
        "%(concurrency)s. All prompts share a prefix of %(tokens)s tokens, as requested."
    ),
    "benchmark:hits_since_start": _(
        "%(share)s %% of prompt tokens came from the prefix cache since the server started. "
        "The engine reports no share per run, so earlier runs are included. For cold "
        "prompts, restart the server and leave the seed empty."
    ),
    "benchmark:offline": _("%(output_tokens_per_s)s output tokens/s, all requests sent at once."),
    "benchmark:offline_total": _(
        "%(total_tokens_per_s)s tokens/s including prompts, all requests sent at once."
    ),
    "benchmark:batch": _("%(seconds)s seconds per batch on average."),
    "benchmark:no_figures": _("The tool exited with 0, but printed no figures."),
    "benchmark:no_server": _("Measured in the engine process, without a server or HTTP requests."),
    "benchmark:no_request_cause": _(
        "The tool exited with 0, but all %(failed)s requests failed: %(cause)s"
    ),
    "benchmark:cause": _("Cause of %(failed)s failed requests: %(cause)s"),
    "benchmark:disconnected": _(
        "The engine closed a reused connection: %(failed)s requests lost (%(cause)s). Measure with "
        "“Connection: close”."
    ),
    "benchmark:last_token": _(
        "Latency and TPOT of single requests end at the last token: the file has no later end."
    ),
    # Figures that cannot be true (jobs.tools.outputs.figures).
    "figures:no_number": _(
        "Not taken from %(file)s, because a finite number from 0 was expected: %(figures)s."
    ),
    "figures:no_share": _(
        "Not taken from %(file)s, because a share is at most 100 %%: %(figures)s."
    ),
    "figures:no_duration": _(
        "Not taken from %(file)s, because a duration is above 0: %(figures)s."
    ),
    "figures:order": _(
        "Not taken from %(file)s, because percentiles and mean are out of order: %(figures)s."
    ),
    "figures:rate": _(
        "Not taken from %(file)s, because count ÷ duration differs by more than 5 %%: %(figures)s."
    ),
    "figures:goodput": _(
        "Not taken from %(file)s, because goodput exceeds the request rate by more than 5 %%: "
        "%(figures)s."
    ),
    "figures:no_requests": _(
        "Single requests were not taken, because they are damaged: %(reason)s."
    ),
    "figures:other_requests": _(
        "Single requests were not taken: the file has %(requests)s, but %(completed)s completed."
    ),
    "figures:many_requests": _("Single requests were not taken: more than %(most)s."),
    "benchmark:not_measured": _("Not measured: concurrency %(concurrency)s."),
    **LENGTH_MESSAGES,
    **QUESTION_MESSAGES,
    "evaluate:done": _("Accuracy %(accuracy)s %% on %(questions)s questions."),
    "evaluate:no_question": _(
        "The tool exited with 0, but none of %(questions)s questions was scored."
    ),
    "evaluate:unscored": _("%(unscored)s of %(total)s questions were not scored."),
    "evaluate:empty": _(  # of older results
        "%(empty)s of %(total)s answers have no text: empty, or reasoning without an end."
    ),
    "evaluate:cut": _("%(cut)s of %(total)s answers stopped at max tokens (%(max_tokens)s)."),
    "evaluate:cut_guess": _(
        "%(cut)s of %(total)s answers have %(max_tokens)s tokens and were probably cut off. "
        "The tool reports no finish reason."
    ),
    "evaluate:means": _(
        "Accuracy %(macro)s %% as the mean of %(sets)s data sets, %(weighted)s %% over all "
        "%(questions)s questions."
    ),
    "evaluate:sets": _("Accuracy by data set, %%: %(scores)s."),
    "evaluate:sets_missing": _(
        "The tool exited with 0, but %(missing)s of %(sets)s data sets have no score; the "
        "first is %(first)s."
    ),
    "evaluate:other_prompt": _(
        "Not comparable with published scores: the prompt differs from OpenCompass 0.4.1's "
        "for %(sets)s."
    ),
    "evaluate:limited": _("Limited to the first %(questions)s questions of each data set."),
    "evaluate:drawn": _(
        "Limited to %(questions)s questions of each data set, drawn at random by seed %(seed)s."
    ),
    "evaluate:undrawn": _("C-Eval: the first %(questions)s questions of each subset."),
    "evaluate:estimate": _(
        "%(questions)s questions at concurrency %(batch)s: about %(hours)s hours, assuming "
        "%(ms)s ms per token and %(tokens)s tokens per answer. No speed is published for "
        "this card."
    ),
    "evaluate:estimate_min": _(
        "%(questions)s questions at concurrency %(batch)s: about %(minutes)s minutes, "
        "assuming %(ms)s ms per token and %(tokens)s tokens per answer. No speed is "
        "published for this card."
    ),
    "evaluate:few_questions": _(
        "Only %(questions)s questions: the 95 %% confidence interval is wide."
    ),
    # Queue reasons and start times (jobs.schedule.dispatch, jobs.schedule.forecast).
    **WAIT_MESSAGES,
    **RESULT_MESSAGES,
    **IMPORT_MESSAGES,
    **RIGHT_MESSAGES,
    **ENDPOINT_MESSAGES,
    **SECRET_MESSAGES,
    # Preflight findings (jobs.host.checks): passed, or what to do.
    "check:avx512": _("AVX-512: supported by %(cpu)s."),
    "check:avx512_missing": _("%(cpu)s has no AVX-512. Choose an image whose name ends in _noavx."),
    "check:broke": _("Check %(name)s failed to run: %(problem)s"),
    "check:conda": _("conda is in %(path)s."),
    "check:conda_env_missing": _(
        "conda has no environment %(env)s. Run “Prepare OpenCompass” first."
    ),
    "check:conda_missing": _(
        "conda not found on the host. Install Miniconda, or add conda to PATH."
    ),
    "check:container": _("Container name %(name)s is free."),
    "check:container_there": _(
        "Container %(name)s already exists. Stop its deployment, or run docker rm -f %(name)s."
    ),
    "check:dies": _("Device files of %(count)s dies are present."),
    "check:dies_missing": _(
        "Dies missing from /dev: %(dies)s. Check the card's slot and driver, then restart the host."
    ),
    "check:disk": _("%(path)s has %(free)s free; %(wanted)s needed."),
    "check:disk_nothing_more": _("%(path)s has %(free)s free; no more needed."),
    "check:disk_reserve": _(
        "%(path)s has %(free)s free, of which the host reserves %(reserve)s for running jobs "
        "(HOST_DISK_RESERVE); %(wanted)s needed."
    ),
    "check:disk_full": _(
        "Disk full: %(path)s has %(free)s free, %(wanted)s needed. Free space, or choose "
        "another folder."
    ),
    "check:docker": _("Docker %(version)s is running."),
    "check:docker_down": _("Docker is not responding (%(problem)s). Run systemctl start docker."),
    "check:endpoint": _("%(url)s is responding."),
    "check:endpoint_model": _(
        "%(url)s does not serve model %(model)s. Choose a name listed under /v1/models."
    ),
    "check:endpoint_silent": _(
        "%(url)s is not responding (%(problem)s). Start the deployment first."
    ),
    "check:image": _("Image %(image)s is on the host."),
    "check:image_missing": _("Image %(image)s not found. Run “Build images” first."),
    "check:iommu_off": _("IOMMU is off."),
    "check:iommu_on": _(
        "IOMMU is on. Add iommu=off to the kernel command line or disable IOMMU in the BIOS, "
        "then restart the host."
    ),
    "check:later": _("%(check)s: deferred until an earlier job ends or its dies are free."),
    "check:modification": _("Patched model files in %(path)s match the model."),
    "check:modification_differs": _(
        "config_vacc.json in %(path)s belongs to another model (%(fields)s). Run “Apply VACC "
        "patch”."
    ),
    "check:modification_missing": _("%(path)s lacks %(files)s. Run “Apply VACC patch” first."),
    "check:path": _("%(path)s exists."),
    "check:path_missing": _("Not found: %(path)s (%(what)s)."),
    "check:port": _("Port %(port)s is free."),
    "check:port_busy": _("Port %(port)s is in use. Choose another port."),
    "check:port_held": _("Port %(port)s is in use by %(holder)s. Choose another port."),
    "check:shard_missing": _(
        "%(missing)s of %(shards)s weight files are missing; the first is %(file)s. Run "
        "“Prepare weights” again: the download resumes."
    ),
    "check:shm": _("Shared memory: %(total)s, %(wanted)s needed."),
    "check:shm_small": _(
        "Shared memory is %(total)s; %(wanted)s needed. Remount /dev/shm with a larger size."
    ),
    "check:tool": _("%(tool)s %(version)s is installed."),
    "check:tool_missing": _("%(tool)s not found on the host. Install it, or add it to PATH."),
    "check:tool_old": _("%(tool)s %(version)s is too old; %(wanted)s or newer needed."),
    "check:unknown": _("The host's agent does not support check %(name)s. Update the agent."),
    "check:weights": _("All %(shards)s weight files are in %(path)s."),
    "check:weights_missing": _("No weights in %(path)s. Run “Prepare weights” first."),
    # Requests beyond the limits of the model, the stack or the card.
    **limits.WORDS,
    # Differences of a plan from the deployment guide (notes of jobs.kinds).
    **GUIDE_MESSAGES,
    "guide:weights_linked": _(
        "The guide gives only hub links here; the command is the tool's own."
    ),
    "guide:modification_in_words": _(
        "The guide gives no command here. It names the four files to place next to the weights."
    ),
    "guide:config_vacc_made": _(
        "config_vacc.json is generated from the model's config.json, because the guide's "
        "sample fits none of the four distills."
    ),
    "guide:clone_there": _(
        "An existing clone is used, and a missing tag is fetched. As printed, git clone would fail."
    ),
    "guide:clone_fails": _("As printed, git clone fails if %(folder)s already exists."),
    "guide:image_noavx": _(
        "This host has no AVX-512, so the base image is built with VLLM_CPU_DISABLE_AVX512=true."
    ),
    "guide:image_arm": _("This host is aarch64, so the base image is built from %(file)s."),
    "guide:image_needs_avx512": _("As printed, the image needs AVX-512, which this host lacks."),
    "guide:image_variant": _(
        "This host's processor needs another image, so %(image)s is pulled. Only ds3_0530 is "
        "published for it."
    ),
    "guide:dataset_linked": _("The guide gives only a link here; the command is the tool's own."),
    "guide:comments_run": _("Both downloads are comments in the guide; here they run."),
    "guide:wget_resumes": _("wget -c resumes an interrupted archive."),
    "guide:unzip_overwrites": _("-o is added, because unzip would prompt before overwriting."),
    "guide:unzip_asks": _(
        "As printed, unzip prompts before overwriting and fails unattended. Use only if the "
        "folder has no data yet."
    ),
    "guide:conda_path": _("Replaces the guide's conda activate: %(folder)s comes first in PATH."),
    "guide:conda_yes": _("-y is added to conda create to skip its prompt."),
    "guide:conda_there": _(
        "An existing environment is reused. As printed, conda would prompt to remove it."
    ),
    "guide:conda_anew": _("With -y, conda recreates an existing environment."),
    "guide:opencompass_held": _(
        "pip is limited to versions that OpenCompass can import (pyarrow<20, pandas<3, "
        "datasets<4, transformers<5)."
    ),
    "guide:opencompass_unheld": _("As printed, pip may install packages too new for OpenCompass."),
    "guide:yaml_filled": _(
        "The guide's file has a placeholder checkpoint; here the chosen weights are used. "
        "The result goes to %(folder)s."
    ),
    "guide:yaml_made": _(
        "The file is generated from these settings; all else equals the guide. The "
        "result goes to %(folder)s."
    ),
    "guide:align_qkv_set": _(
        "align_qkv is on, because %(tp)s dies cannot share %(heads)s KV heads evenly."
    ),
    "guide:stack_size_set": _("VACC_STACK_SIZE=%(size)s is set."),
    "guide:int8_cuda": _(
        "int8 calibration is documented for CUDA cards only. Without one, choose cpu."
    ),
    "guide:no_calibration": _(
        "No calibration data is set, like in the guide: vamc chooses its own, possibly "
        "from the network."
    ),
    "guide:server_in_words": _(
        "The guide gives no command and refers to the tool's documentation. The command is "
        "%(tool)s's own."
    ),
    "guide:ports_corrected": _(
        "publish_port is %(publish)s and subscribe_port is %(subscribe)s. llmdeploy's sample "
        "has 77810 and 77110, which are not valid ports."
    ),
    "guide:bare_stream": _("llmdeploy streams bare JSON lines, without the “data:” prefix."),
    "guide:no_key": _(
        "No API key is documented for %(tool)s: anyone who can reach its port can use it."
    ),
    "guide:registry_login": _("Added: a login at the host's image registry before the pull."),
    "guide:inspect_added": _("Added: a last step that records the image's ID and versions."),
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
    **CHAT_MESSAGES,
    **MATRIX_MESSAGES,
    **PARITY_MESSAGES,
    **PROBE_MESSAGES,
}


# Remarks on how a result was measured; not warnings.
PLAIN_REMARKS = frozenset(
    {
        *("evaluate:means", "evaluate:sets", "benchmark:no_server", "benchmark:no_stream"),
        "benchmark:bare_stream",
        *("convert:think_tokens", "deploy:own_template"),
        *(f"evaluate:look_{decision}" for decision in get_args(Decision)),
    }
)
# Arguments that are internal names, and functions that translate them.
_WORDS: dict[str, Callable[[str], str]] = {
    "state": lambda name: str(STATES[name].word) if name in STATES else name,
    "step": step_title,
    "stack": stack_name,
    "input": asset_word,
    "check": check_word,
    "host": host_word,
    "title": phrase,
    "label": phrase,
    "what": lambda text: gettext(text) if text else "",
}


class _Shown(dict[str, Any]):
    """Arguments of a message; a missing one shows as "?" instead of raising."""

    def __missing__(self, key: str) -> str:
        return "?"


def server_message(deployment: Deployment) -> str:
    """Return the message of a deployment, with the loading progress of its server."""
    line = message(deployment.message_id, deployment.message_args)
    progress = deployment.progress or {}
    if deployment.state != Deployment.State.LOADING or not progress.get("total"):
        return line
    counted = gettext("%(done)s of %(total)s %(unit)s.") % {
        "done": number(progress["done"]),
        "total": number(progress["total"]),
        "unit": unit_word(progress["unit"]),
    }
    return joined(line, counted)


def message(message_id: str, args: Mapping[str, Any] | None = None) -> str:
    """Return the message in the viewer's language; "" for no id, the id itself if unknown.

    A known failure among the arguments adds its cause and advice; the most telling log line comes
    first. Arguments that do not fit the text are shown raw, after the id: a message never raises.
    """
    if not message_id:
        return ""
    text = MESSAGES.get(message_id)
    if text is None:
        return message_id
    try:
        return _filled(text, args)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return f"{message_id}: {args!s:.300}"


def _filled(text: str | Promise, args: Mapping[str, Any] | None) -> str:
    given = dict(args or {})
    known, line = words_of(given.pop("failure", None)), telling_line(given.pop("telling", None))
    if isinstance(given.get("found"), list):  # nested messages
        parts = [message(item["message_id"], item["message_args"]) for item in given["found"]]
        given["found"] = " ".join(parts)
    if isinstance(given.get("servers"), list):
        given |= {"stop": to_stop(given), "servers": server_names(given["servers"])}
    given |= {name: word(str(given[name])) for name, word in _WORDS.items() if name in given}
    full = str(text) % _Shown(given | number_texts(given))
    if line and not known:
        return f"{line} · {full}"
    return f"{full} {known}" if known else full


def telling_line(kept: Any) -> str:
    """Return the stored log line of a message
    (``jobs.services.outcomes.known_failures.cause``); "" for none."""
    text = kept.get("text") if isinstance(kept, Mapping) else None
    return text if isinstance(text, str) else ""
