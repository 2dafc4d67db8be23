"""Messages about imported results: remarks, and reasons of a refusal."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

IMPORT_MESSAGES: dict[str, str | Promise] = {
    # Files of a folder on a host (jobs.kinds.prepare.collect_results).
    "collect:done": _("Collected (files: %(files)s, %(size)s)."),
    "collect:partly": _(
        "Collected (files: %(files)s, %(size)s). Left out: %(left_out)s (links, limits, unreadable "
        "ones); the log names them."
    ),
    # Reasons of a refusal (jobs.imports).
    "import:unknown": _(
        "Not recognised. Importable: JSON files and folders of vLLM's benchmarks, EvalScope, "
        "OpenCompass, guidellm, AIPerf and lm-eval."
    ),
    "import:released": _(
        "This result is released. Withdraw its sign-off first, then remove the import."
    ),
    "import:damaged": _("Damaged: %(reason)s."),
    "import:implausible": _("%(file)s: %(metric)s is %(value)s, which no measurement can give."),
    "import:many_answers": _("%(file)s has more than %(most)s answers. Import a part of them."),
    "import:no_figures": _("%(file)s: the run ended without figures. Its last error: %(line)s"),
    "import:mostly_failed": _(
        "%(failed)s of %(total)s requests failed (half or more): the figures of the rest mislead."
    ),
    "import:no_score": _(
        "No set has a score: the run failed (%(sets)s). First error in its logs: %(line)s"
    ),
    "import:no_scores": _("No set has a score: the run failed (%(sets)s)."),
    "import:no_share": _(
        "No set is scored by accuracy, so there is nothing to compare (%(sets)s)."
    ),
    "import:no_concurrency": _(
        "%(file)s has no run at a fixed concurrency (%(runs)s). Measure with one, then import."
    ),
    "import:same_concurrency": _(
        "%(file)s has two runs at one concurrency. Import each in a file of its own."
    ),
    "import:aiperf_requests": _(
        "Single requests of AIPerf. Import profile_export_aiperf.json of the same folder."
    ),
    "import:aiperf_server": _(
        "Server counters of AIPerf. Import profile_export_aiperf.json of the same folder."
    ),
    "import:aiperf_rounded": _(
        "AIPerf's table or log: its figures are rounded. Import profile_export_aiperf.json of the "
        "same folder."
    ),
    "import:evalscope_rounded": _(
        "EvalScope's table: its figures are rounded. Import benchmark_summary.json, or the folder."
    ),
    "import:evalscope_beside": _(
        "Part of an EvalScope result. Import benchmark_summary.json, or the whole folder."
    ),
    "import:evalscope_log": _(
        "EvalScope's log. Import benchmark_summary.json of a benchmark, or the folder of an "
        "evaluation with its reports."
    ),
    "import:guidellm_console": _("guidellm's console output. Import its JSON report."),
    "import:lm_eval_samples": _(
        "Samples of lm-eval. Import the results file of the same run, with its samples."
    ),
    "import:lm_eval_console": _("lm-eval's console output. Import its results file (JSON)."),
    "import:opencompass_log": _(
        "OpenCompass log or configuration. Import the run's folder, or its summary."
    ),
    "import:opencompass_part": _(
        "Answers or scores of one OpenCompass set. Import the run's whole folder."
    ),
    "import:quantise_log": _("Log of a weight conversion: it has no measurement."),
    "import:counters": _("Counters of an engine: they have no time window, so no measurement."),
    "import:answer": _("Answer of a server to one request: it has no measurement."),
    "import:server_log": _(
        "Log of a server: it has no measurement. Import the load generator's result file."
    ),
    "import:server_state": _("State of a server: it has no measurement."),
    # Remarks on an imported result.
    "import:unlimited": _("No concurrency limit: all %(requests)s requests were sent at once."),
    "import:rate": _(
        "Sent at %(rate)s requests/s without a concurrency limit. Peak concurrency: "
        "%(concurrency)s."
    ),
    "import:printed": _("Read from printed output: figures are rounded to two decimals."),
    "import:total_tokens": _("The file counts prompt and output tokens together."),
    "import:left_out": _("Runs without a fixed concurrency are left out: %(runs)s."),
    "import:cancelled": _("The run was cancelled before its end."),
    "import:no_percentiles": _(
        "Percentiles are missing: benchmark_percentile.json was not imported with the summary."
    ),
    "import:other_metrics": _("Not scored by accuracy, and not in the means: %(sets)s."),
    "import:sets_missing": _("%(missing)s of %(sets)s sets have no score: %(names)s."),
    "import:macro_only": _(
        "The number of questions is not in the files: there is only the mean of sets."
    ),
}
