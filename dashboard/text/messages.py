"""Sentences for people, by id: the words for what happened to a job or a deployment.

Records keep an id and arguments (``jobs.kinds.lib.base.Remark``), so that each viewer reads their
own language. An id is ``area:case``; a placeholder is a named one: ``%(name)s``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import joined, number
from dashboard.text.guide_messages import GUIDE_SENTENCES
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
from dashboard.text.length_messages import LENGTH_SENTENCES
from dashboard.text.message_numbers import number_texts
from dashboard.text.result_messages import RESULT_SENTENCES
from dashboard.text.state_styles import STATES
from dashboard.text.wait_messages import WAIT_SENTENCES, server_names, to_stop
from jobs.kinds.lib import limits
from jobs.models import Deployment

SENTENCES: dict[str, str | Promise] = {
    # What became of a job (jobs.services, jobs.host.run.launcher).
    "job:queued": _("Queued."),
    "job:sent": _("Sent to %(host)s; waiting for it to take the job."),
    "job:taken": _("Taken by %(host)s; its first step starts."),
    "job:running": _("Running on %(host)s."),
    "job:succeeded": _("All steps succeeded."),
    "job:cancelled_in_queue": _("Cancelled by %(user)s before it started."),
    "job:cancelled": _("Cancelled by %(user)s."),
    "job:predecessor": _("Cancelled, for job %(job)s, which it needs, ended as %(state)s."),
    "job:input_gone": _("Cancelled, for the %(input)s that it needs is not there any more."),
    "job:deployment_gone": _("Cancelled, for the deployment %(name)s is not running (%(state)s)."),
    "job:unreadable": _("The tool's output could not be read: %(reason)s."),
    "job:log_differs": _("The log that arrived is not the log that %(host)s has."),
    "job:kind_unknown": _("No kind of job is called %(kind)s here, so its result was not read."),
    "job:secret_gone": _("Secret %(name)s does not exist. Add it under Secrets, then retry."),
    "job:plan": _("The plan cannot be run: %(reason)s."),
    "job:not_taken": _("%(host)s answers, but did not take this job for %(minutes)s minutes."),
    "job:broken": _("%(host)s cannot deliver all that the job left: %(reason)s."),
    "job:missing": _("%(host)s answers, but knows nothing of this job any more."),
    "job:host_gone": _("%(host)s has been silent for %(hours)s hours."),
    "job:given_up": _("%(user)s gave %(host)s up: it does not come back."),
    # What the host's launcher and agent say of it (jobs.host).
    "done": _("All steps succeeded."),
    "cancelled": _("Stopped on its host."),
    "work:exit": _("Step %(step)s ended with exit code %(exit_code)s."),
    "work:signal": _("Step %(step)s was ended by signal %(signal)s."),
    "work:timeout": _("Step %(step)s took longer than %(timeout_s)s seconds."),
    "work:not_found": _("Step %(step)s: the host has no program %(command)s."),
    "work:no_folder": _("Step %(step)s: the host has no folder %(folder)s."),
    "work:not_started": _("Step %(step)s: %(command)s could not be started: %(problem)s"),
    "work:output_missing": _("The output %(output)s (%(pattern)s) was not written."),
    "work:server_ended": _("The server ended by itself with exit code %(exit_code)s."),
    "work:server_killed": _("The server was killed by signal %(signal)s."),
    "work:log_limit": _(
        "Step %(step)s was ended, for its log reached %(limit)s, the most that this host lets a "
        "job write (HOST_LOG_LIMIT). Let the command print less, or write a larger "
        "HOST_LOG_LIMIT into the host's host.env and restart its worker."
    ),
    "host:disk_full": _(
        "Step %(step)s was ended, for its log of %(log)s was filling the host's disk: %(free)s "
        "were left, and %(reserve)s are kept for the other jobs (HOST_DISK_RESERVE). Make room "
        "on the host, or let the command print less."
    ),
    "host:serve_busy": _("An earlier run of this server has not ended yet."),
    "host:launcher_never_started": _("The host took this job, but nothing of it was started."),
    "host:launcher_died": _("What ran this on the host was killed before it could report."),
    "host:rebooted": _("The host was restarted while this ran."),
    "policy:program": _(
        "Nothing was run: this host does not let jobs run %(program)s (step %(step)s). If it may, "
        'write HOST_PROGRAMS="default NAME" into its host.env and restart its worker.'
    ),
    "policy:root": _(
        "Nothing was run: %(path)s (step %(step)s) leads to %(leads_to)s, outside of the folders "
        "that this host permits. If jobs may use it, write HOST_ROOTS=default:FOLDER into its "
        "host.env and restart its worker."
    ),
    "policy:variable": _(
        "Nothing was run: this host does not let jobs set %(variable)s (step %(step)s)."
    ),
    "internal:plan": _("The plan cannot be run: %(problem)s"),
    "internal:launcher": _("What runs jobs on the host broke: %(problem)s"),
    # What a kind of job found (jobs.kinds).
    "prepare:weights": _("The weights of %(model)s are on the host: %(size)s, checksum verified."),
    "prepare:environment": _(
        "%(environment)s %(version)s is on the host: %(packages)s packages, %(size)s."
    ),
    "weights:measured": _(
        "The weights of %(model)s are on the host (%(size)s, shards: %(shards)s); each shard is as "
        "long as its header says."
    ),
    "weights:read": _(
        "The weights of %(model)s are on the host (%(size)s, shards: %(shards)s); each shard was "
        "read whole."
    ),
    "weights:compared": _(
        "The weights of %(model)s are on the host (%(size)s, shards: %(shards)s); each shard was "
        "read whole, and %(compared)s agree with the hub's checksums."
    ),
    "modification:shown": _("Shown in the log; nothing was written to %(path)s."),
    "modification:applied": _("%(files)s changed files lie beside the weights in %(path)s."),
    "modification:undone": _("%(files)s files in %(path)s are as they were before."),
    "dataset:there": _("%(dataset)s is on the host (%(size)s, files: %(files)s)."),
    "dataset:differs": _(
        "%(dataset)s is on the host (%(size)s, files: %(files)s). %(path)s holds %(items)s items; "
        "the published one has %(known)s."
    ),
    "images:made": _("The image %(image)s is on the host: %(id)s, %(size)s."),
    "compile:made": _("Made %(label)s, %(size)s."),
    "convert:think_tokens": _(
        "Two special tokens that a chat does not use are called <think> and </think> in the new"
        " folder, for vLLM's reasoning parser looks for these; no weight is changed."
    ),
    "deploy:own_template": _(
        "The model was not trained to reason: a template makes it think first, with six examples"
        " before each prompt, about 300 tokens of the longest request."
    ),
    "deploy:ready": _("Ready after %(seconds)s seconds."),
    "benchmark:done": _(
        "%(output_tokens_per_s)s output tokens/s at best, at concurrency %(concurrency)s."
    ),
    "benchmark:no_request": _("The tool ended well, but no request did: %(failed)s failed."),
    "benchmark:no_token": _("The requests ended well, but the tool saw no token in any answer."),
    "benchmark:no_stream": _(
        "Asked without a stream, for this server's is bare JSON, which the tool does not read: the "
        "time to the first token and between tokens was not measured."
    ),
    "benchmark:failed_requests": _(
        "%(failed)s of %(total)s requests failed at concurrency %(concurrency)s."
    ),
    "benchmark:few_requests": _(
        "Only %(requests)s requests a point: the high percentiles mean little."
    ),
    "benchmark:hits": _(
        "%(share)s %% of prompt tokens came from the engine's prefix cache at concurrency "
        "%(concurrency)s: prompts begin alike (chat template), or the engine had seen some of them."
    ),
    "benchmark:hits_guide": _(
        "%(share)s %% of prompt tokens came from the engine's prefix cache at concurrency "
        "%(concurrency)s: the guide's command sends the same requests in every run. Cold prompts "
        "are slower."
    ),
    "benchmark:hits_seed": _(
        "%(share)s %% of prompt tokens came from the engine's prefix cache at concurrency "
        "%(concurrency)s: seed %(seed)s is fixed, so every run sends the same requests. Leave the "
        "seed empty for cold prompts."
    ),
    "benchmark:hits_prefix": _(
        "%(share)s %% of prompt tokens came from the engine's prefix cache at concurrency "
        "%(concurrency)s: all prompts share a prefix of %(tokens)s tokens, as asked."
    ),
    "benchmark:hits_since_start": _(
        "%(share)s %% of prompt tokens came from the engine's prefix cache since the server "
        "started. This engine reports no share per run: earlier runs are included. For cold "
        "prompts, restart the server and leave the seed empty."
    ),
    "benchmark:offline": _("%(output_tokens_per_s)s output tokens/s, all requests at once."),
    "benchmark:offline_total": _(
        "%(total_tokens_per_s)s tokens/s, those of the prompts included, all requests at once."
    ),
    "benchmark:batch": _("%(seconds)s seconds for a whole batch, on average."),
    "benchmark:no_figures": _("The tool ended well, but printed no figures."),
    "benchmark:no_server": _("Measured in the engine itself, without a server and its requests."),
    "benchmark:not_measured": _("Not measured: concurrency %(concurrency)s."),
    **LENGTH_SENTENCES,
    "evaluate:done": _("%(accuracy)s %% of %(questions)s questions right."),
    "evaluate:no_question": _(
        "The tool ended well, but none of %(questions)s questions was scored."
    ),
    "evaluate:unscored": _("%(unscored)s of %(total)s questions were not scored."),
    "evaluate:empty": _(
        "%(empty)s of %(total)s answers were empty: perhaps all tokens went into reasoning."
    ),
    "evaluate:cut": _("%(cut)s of %(total)s answers were cut off at %(max_tokens)s tokens."),
    "evaluate:cut_guess": _(
        "%(cut)s of %(total)s answers have %(max_tokens)s tokens and were probably cut off:"
        " the tool does not say what ended them."
    ),
    "evaluate:means": _(
        "%(macro)s %% right as the mean of %(sets)s sets, %(weighted)s %% of %(questions)s "
        "questions."
    ),
    "evaluate:sets": _("Right in per cent: %(scores)s."),
    "evaluate:sets_missing": _(
        "The tool ended well, but %(missing)s of %(sets)s sets have no score, the first is "
        "%(first)s."
    ),
    "evaluate:other_prompt": _(
        "Asked with another prompt than OpenCompass 0.4.1's own, so not to be compared with "
        "published scores: %(sets)s."
    ),
    "evaluate:limited": _("Only the first %(questions)s questions of each set were asked."),
    "evaluate:estimate": _(
        "%(questions)s questions, %(batch)s at a time: about %(hours)s hours at %(ms)s ms a token "
        "and %(tokens)s tokens an answer. Nobody has published how fast this card is."
    ),
    "evaluate:estimate_min": _(
        "%(questions)s questions, %(batch)s at a time: about %(minutes)s minutes at %(ms)s ms a "
        "token and %(tokens)s tokens an answer. Nobody has published how fast this card is."
    ),
    "evaluate:few_questions": _("Only %(questions)s questions: the interval is wide."),
    # Why a job waits and when it may start (jobs.dispatch, jobs.queries.jobs.forecast).
    **WAIT_SENTENCES,
    **RESULT_SENTENCES,
    # What a host finds before a job starts (jobs.host.checks): what holds, and what to do if not.
    "check:avx512": _("AVX-512: %(cpu)s has it."),
    "check:avx512_missing": _("%(cpu)s has no AVX-512: choose the image that ends in _noavx."),
    "check:broke": _("The check %(name)s could not be made: %(problem)s"),
    "check:conda": _("conda is in %(path)s."),
    "check:conda_env_missing": _(
        "conda has no environment %(env)s: run the job “Prepare OpenCompass” first."
    ),
    "check:conda_missing": _("The host has no conda: install Miniconda, or put it in the PATH."),
    "check:container": _("No container is called %(name)s."),
    "check:container_there": _(
        "A container %(name)s is there already: stop its deployment, or remove it with "
        "docker rm -f %(name)s."
    ),
    "check:dies": _("The device files of %(count)s dies are there."),
    "check:dies_missing": _(
        "These dies are gone from /dev: %(dies)s. Look at the card's slot and the driver, then "
        "start the host again."
    ),
    "check:disk": _("%(path)s has %(free)s free; %(wanted)s are needed."),
    "check:disk_nothing_more": _("%(path)s has %(free)s free; nothing more is needed."),
    "check:disk_reserve": _(
        "%(path)s has %(free)s free, of which this host keeps %(reserve)s for what runs "
        "(HOST_DISK_RESERVE); %(wanted)s are needed."
    ),
    "check:disk_full": _(
        "%(path)s has %(free)s free, but %(wanted)s are needed: make room, or choose another "
        "folder."
    ),
    "check:docker": _("Docker %(version)s answers."),
    "check:docker_down": _(
        "Docker does not answer (%(problem)s): start it with systemctl start docker."
    ),
    "check:endpoint": _("%(url)s answers."),
    "check:endpoint_model": _(
        "%(url)s serves no model %(model)s: choose the name that it lists under /v1/models."
    ),
    "check:endpoint_silent": _(
        "%(url)s does not answer (%(problem)s): start the deployment first."
    ),
    "check:image": _("The image %(image)s is there."),
    "check:image_missing": _("There is no image %(image)s: run the job “Build images” first."),
    "check:iommu_off": _("The IOMMU is off."),
    "check:iommu_on": _(
        "The IOMMU is on: put iommu=off on the kernel's command line, or switch it off in the "
        "BIOS, and start the host again."
    ),
    "check:later": _("%(check)s: known only when an earlier job is done, or its dies are free."),
    "check:modification": _("The changed model files are in %(path)s and fit."),
    "check:modification_differs": _(
        "config_vacc.json in %(path)s is of another model (%(fields)s): run the job “Apply VACC "
        "modification”."
    ),
    "check:modification_missing": _(
        "%(path)s lacks %(files)s: run the job “Apply VACC modification” first."
    ),
    "check:path": _("%(path)s is there."),
    "check:path_missing": _("%(path)s is not there: %(what)s."),
    "check:port": _("Port %(port)s is free."),
    "check:port_busy": _("Something listens on port %(port)s already: choose another one."),
    "check:shard_missing": _(
        "%(missing)s of %(shards)s files of the weights are missing, the first is %(file)s: run "
        "the job “Prepare weights” again, it goes on where it stopped."
    ),
    "check:shm": _("Shared memory: %(total)s, %(wanted)s are needed."),
    "check:shm_small": _(
        "Shared memory holds %(total)s, but %(wanted)s are needed: mount /dev/shm larger."
    ),
    "check:tool": _("%(tool)s %(version)s is there."),
    "check:tool_missing": _("The host has no %(tool)s: install it, or put it in the PATH."),
    "check:tool_old": _("%(tool)s is %(version)s, but %(wanted)s or newer is needed."),
    "check:unknown": _("This host's agent does not know the check %(name)s: update it."),
    "check:weights": _("All %(shards)s files of the weights are in %(path)s."),
    "check:weights_missing": _(
        "There are no weights in %(path)s: run the job “Prepare weights” first."
    ),
    # What a launch asks for and the model, the stack or the card cannot do.
    **limits.WORDS,
    # What a plan does otherwise than the deployment guide prints it (notes of jobs.kinds).
    **GUIDE_SENTENCES,
    "guide:weights_linked": _(
        "The guide prints no command for this, only links to the hub: the command is the tool's "
        "own."
    ),
    "guide:modification_in_words": _(
        "The guide prints no command for this; it says which four files belong beside the weights."
    ),
    "guide:config_vacc_made": _(
        "config_vacc.json is made from the model's own config.json: the sample that the guide "
        "links to fits none of the four distills."
    ),
    "guide:clone_there": _(
        "A clone that is there is used, and fetches the tag if it lacks it; as printed, git clone "
        "would fail."
    ),
    "guide:clone_fails": _("As printed, git clone fails where %(folder)s is there already."),
    "guide:image_noavx": _(
        "This host has no AVX-512: the base image is built with VLLM_CPU_DISABLE_AVX512=true."
    ),
    "guide:image_arm": _("This host is aarch64: the base image is built from %(file)s."),
    "guide:image_needs_avx512": _(
        "As printed, the image is for a processor with AVX-512, which this host does not have."
    ),
    "guide:image_variant": _(
        "This host's processor needs another image, so that %(image)s is pulled; only ds3_0530 is "
        "published in this form."
    ),
    "guide:dataset_linked": _(
        "The guide prints no command for this, only a link: the command is the tool's own."
    ),
    "guide:comments_run": _("The guide has both downloads as remarks; here they are run."),
    "guide:wget_resumes": _("wget goes on with an archive that was cut off (-c)."),
    "guide:unzip_overwrites": _(
        "unzip would ask before it overwrites, and nobody is there to answer: -o is added."
    ),
    "guide:unzip_asks": _(
        "As printed, unzip asks before it overwrites, and fails where nobody answers: only for a "
        "folder without the data."
    ),
    "guide:conda_path": _("The guide's conda activate is %(folder)s, first in the PATH."),
    "guide:conda_yes": _("conda create has -y, for nobody is there to say yes."),
    "guide:conda_there": _(
        "An environment that is there is kept; as printed, conda would ask whether to remove it."
    ),
    "guide:conda_anew": _("With -y conda makes an environment anew that is there already."),
    "guide:opencompass_held": _(
        "pip is held to versions that OpenCompass can import (pyarrow<20, pandas<3, datasets<4, "
        "transformers<5)."
    ),
    "guide:opencompass_unheld": _(
        "As printed, pip may install newer packages than OpenCompass can import."
    ),
    "guide:yaml_filled": _(
        "The guide's file has a made-up checkpoint: here it is the chosen weights, and the result "
        "goes to %(folder)s."
    ),
    "guide:yaml_made": _(
        "The file is made from these settings; what they leave alone is as in the guide's own. The "
        "result goes to %(folder)s."
    ),
    "guide:align_qkv_set": _(
        "align_qkv is on: %(tp)s dies cannot share %(heads)s KV heads evenly."
    ),
    "guide:stack_size_set": _("VACC_STACK_SIZE=%(size)s is set."),
    "guide:int8_cuda": _(
        "Calibration for int8 is documented with a CUDA card only; without one, choose cpu."
    ),
    "guide:no_calibration": _(
        "No calibration data is named, as in the guide's file: vamc takes what it takes by itself, "
        "perhaps from the network."
    ),
    "guide:server_in_words": _(
        "The guide prints no command for this, it refers to the tool's documentation: the command "
        "is %(tool)s's own."
    ),
    "guide:ports_corrected": _(
        "publish_port %(publish)s and subscribe_port %(subscribe)s: llmdeploy's sample has 77810 "
        "and 77110, which no machine has."
    ),
    "guide:bare_stream": _("llmdeploy streams bare lines of JSON, without “data:” before them."),
    "guide:no_key": _(
        "No API key is documented for %(tool)s: whoever reaches its port may ask it."
    ),
    "guide:inspect_added": _("Added: a last step that writes down the image's id and versions."),
    # What became of a deployment (jobs.services.deployments).
    "deployment:waiting": _("Its job has not started the server yet."),
    "deployment:restart": _("Restart asked for by %(user)s."),
    "deployment:loading": _("The server has started and loads the model."),
    "deployment:ready": _("Answers requests at %(url)s."),
    "deployment:unhealthy": _("The server runs, but its health check fails."),
    "deployment:stopping": _("Stop asked for by %(user)s."),
    "deployment:stopping_with_job": _("Stopped, for its job %(job)s ended as %(state)s."),
    "deployment:stopped": _("Stopped."),
    "deployment:stopped_on_host": _("Stopped on its host."),
    "deployment:job_failed": _("Its job %(job)s ended as %(state)s."),
    "deployment:missing": _("%(host)s answers, but the server is not there any more."),
    "deployment:host_gone": _("%(host)s has been silent for %(hours)s hours."),
    "deployment:given_up": _("%(user)s gave %(host)s up: it does not come back."),
    # Why a turn of a chat failed (dashboard.chat.turns).
    "chat:interrupted": _("The dashboard was stopped while this answer was being written."),
    "chat:unreachable": _("The deployment does not answer."),
    "chat:timeout": _("The answer took longer than an hour."),
    "chat:too-long": _(
        "The engine sent far more than an answer takes and came to no end: it was stopped here. "
        "What came is kept."
    ),
    "chat:not-ready": _("This deployment is not ready."),
    "chat:not-kept": _("The disk of the dashboard took no more of this answer."),
    "chat:unreadable": _("What the engine sent cannot be read. Its bytes are kept."),
    "chat:broken": _("The request to the engine failed."),
    "chat:cut": _("The engine ended the connection in the middle of its answer."),
}


# Remarks on a result that say how it was measured, and are no warning.
PLAIN_REMARKS = frozenset(
    {
        *("evaluate:means", "evaluate:sets", "benchmark:no_server", "benchmark:no_stream"),
        *("convert:think_tokens", "deploy:own_template"),
    }
)
# Arguments that are names of the program's own, and the words that people read for them.
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
    """Arguments of a sentence; one that is missing shows as "?", never as an error page."""

    def __missing__(self, key: str) -> str:
        return "?"


def server_sentence(deployment: Deployment) -> str:
    """What a deployment's row says, and how much of the model its server has loaded."""
    told = sentence(deployment.sentence_id, deployment.sentence_args)
    progress = deployment.progress or {}
    if deployment.state != Deployment.State.LOADING or not progress.get("total"):
        return told
    counted = gettext("%(done)s of %(total)s %(unit)s.") % {
        "done": number(progress["done"]),
        "total": number(progress["total"]),
        "unit": unit_word(progress["unit"]),
    }
    return joined(told, counted)


def sentence(sentence_id: str, args: Mapping[str, Any] | None = None) -> str:
    """The sentence in the viewer's language; "" for no id, the id itself where none is known.

    A known failure among the arguments adds its cause and what to do; the line of the log that
    tells most comes first.
    """
    if not sentence_id:
        return ""
    text = SENTENCES.get(sentence_id)
    if text is None:
        return sentence_id
    given = dict(args or {})
    known, line = words_of(given.pop("failure", None)), telling_line(given.pop("telling", None))
    if isinstance(given.get("found"), list):  # sentences in a sentence
        parts = [sentence(item["sentence_id"], item["sentence_args"]) for item in given["found"]]
        given["found"] = " ".join(parts)
    if isinstance(given.get("servers"), list):
        given |= {"stop": to_stop(given), "servers": server_names(given["servers"])}
    given |= {name: word(str(given[name])) for name, word in _WORDS.items() if name in given}
    told = str(text) % _Shown(given | number_texts(given))
    if line and not known:
        return f"{line} · {told}"
    return f"{told} {known}" if known else told


def telling_line(kept: Any) -> str:
    """What a sentence keeps of the log, ``jobs.services.outcomes.known_failures.cause``; "" for
    nothing."""
    text = kept.get("text") if isinstance(kept, Mapping) else None
    return text if isinstance(text, str) else ""
