"""Messages of results, by id: measurements, imports, matrices, parity, question sets."""

RESULT_MESSAGES: dict[str, str] = {
    "benchmark:done": "Peak %(output_tokens_per_s)s output tokens/s, at concurrency "
    "%(concurrency)s.",
    "search:rate": "Meets the level up to %(met)s req/s, misses it at %(missed)s.",
    "search:rate_open": "Meets the level up to %(met)s req/s, the highest measured.",
    "search:rate_none": "Misses the level at %(missed)s req/s, the lowest measured.",
    "search:rate_unknown": "Unknown whether %(at)s req/s meets the level.",
    "search:rate_swept": "Measured from %(low)s to %(high)s req/s.",
    "search:concurrency": "Meets the level up to concurrency %(met)s, misses it at %(missed)s.",
    "search:concurrency_open": "Meets the level up to concurrency %(met)s, the highest measured.",
    "search:concurrency_none": "Misses the level at concurrency %(missed)s, the lowest measured.",
    "search:concurrency_unknown": "Unknown whether concurrency %(at)s meets the level.",
    "search:concurrency_swept": "Measured from concurrency %(low)s to %(high)s.",
    "benchmark:no_request": "The tool exited with 0, but no request succeeded: %(failed)s failed.",
    "benchmark:no_token": "Requests succeeded, but the tool counted no tokens in any answer.",
    "benchmark:no_stream": "Measured without streaming, because the tool cannot parse this "
    "server's bare-JSON stream. TTFT and ITL are missing.",
    "benchmark:bare_stream": "The server streams bare JSON lines, which EvalScope cannot parse. "
    "The job's script passes each line on as an event when it arrives. TTFT and TPOT are times of "
    "these lines.",
    "benchmark:failed_requests": "%(failed)s of %(total)s requests failed at concurrency "
    "%(concurrency)s.",
    "benchmark:few_requests": "Only %(requests)s requests per point: p90 and above are unreliable.",
    "benchmark:hits": "%(share)s %% of prompt tokens came from the prefix cache at concurrency "
    "%(concurrency)s. Prompts share a beginning (chat template), or the engine had processed some "
    "before.",
    "benchmark:hits_guide": "%(share)s %% of prompt tokens came from the prefix cache at "
    "concurrency %(concurrency)s. The guide's command sends the same requests in every run; cold "
    "prompts are slower.",
    "benchmark:hits_seed": "%(share)s %% of prompt tokens came from the prefix cache at "
    "concurrency %(concurrency)s. Seed %(seed)s is fixed, so every run sends the same requests. "
    "Leave the seed empty for cold prompts.",
    "benchmark:hits_prefix": "%(share)s %% of prompt tokens came from the prefix cache at "
    "concurrency %(concurrency)s. All prompts share a prefix of %(tokens)s tokens, as requested.",
    "benchmark:hits_since_start": "%(share)s %% of prompt tokens came from the prefix cache since "
    "the server started. The engine reports no share per run, so earlier runs are included. For "
    "cold prompts, restart the server and leave the seed empty.",
    "benchmark:offline": "%(output_tokens_per_s)s output tokens/s, all requests sent at once.",
    "benchmark:offline_total": "%(total_tokens_per_s)s tokens/s including prompts, all requests "
    "sent at once.",
    "benchmark:batch": "%(seconds)s seconds per batch on average.",
    "benchmark:no_figures": "The tool exited with 0, but printed no figures.",
    "benchmark:no_server": "Measured in the engine process, without a server or HTTP requests.",
    "benchmark:no_request_cause": "The tool exited with 0, but all %(failed)s requests failed: "
    "%(cause)s",
    "benchmark:cause": "Cause of %(failed)s failed requests: %(cause)s",
    "benchmark:disconnected": "The engine closed a reused connection: %(failed)s requests lost "
    "(%(cause)s). Measure with “Connection: close”.",
    "benchmark:last_token": "Latency and TPOT of single requests end at the last token: the file "
    "has no later end.",
    "benchmark:not_measured": "Not measured: concurrency %(concurrency)s.",
    # Runs in which requests failed or questions were not scored (jobs.services.outcomes.shortfall).
    "benchmark:done_incomplete": "%(failed)s of %(total)s requests failed. Peak output: "
    "%(output_tokens_per_s)s tokens/s at concurrency %(concurrency)s.",
    "benchmark:mostly_failed": "%(failed)s of %(total)s requests failed (half or more): no result "
    "is stored. Check the deployment and its log, then retry.",
    # Figures that cannot be true (jobs.tools.outputs.figures).
    "figures:no_number": "Not taken from %(file)s, because a finite number from 0 was expected: "
    "%(figures)s.",
    "figures:no_share": "Not taken from %(file)s, because a share is at most 100 %%: %(figures)s.",
    "figures:no_duration": "Not taken from %(file)s, because a duration is above 0: %(figures)s.",
    "figures:order": "Not taken from %(file)s, because percentiles and mean are out of order: "
    "%(figures)s.",
    "figures:unchecked": "Not taken from %(file)s, because duration or count is missing or not "
    "taken: %(figures)s.",
    "figures:rate": "Not taken from %(file)s, because count ÷ duration differs by more than 5 %%: "
    "%(figures)s.",
    "figures:goodput": "Not taken from %(file)s, because goodput exceeds the request rate by more "
    "than 5 %%: %(figures)s.",
    "figures:no_requests": "Single requests were not taken, because they are damaged: %(reason)s.",
    "figures:other_requests": "Single requests were not taken: the file has %(requests)s, but "
    "%(completed)s completed.",
    "figures:many_requests": "Single requests were not taken: more than %(most)s.",
    "evaluate:done": "Accuracy %(accuracy)s %% on %(questions)s questions.",
    "evaluate:no_question": "The tool exited with 0, but none of %(questions)s questions was "
    "scored.",
    "evaluate:unscored": "%(unscored)s of %(total)s questions were not scored.",
    # Of older results.
    "evaluate:empty": "%(empty)s of %(total)s answers have no text: empty, or reasoning without an "
    "end.",
    "evaluate:cut": "%(cut)s of %(total)s answers stopped at max tokens (%(max_tokens)s).",
    "evaluate:cut_guess": "%(cut)s of %(total)s answers have %(max_tokens)s tokens and were "
    "probably cut off. The tool reports no finish reason.",
    "evaluate:means": "Accuracy %(macro)s %% as the mean of %(sets)s data sets, %(weighted)s %% "
    "over all %(questions)s questions.",
    "evaluate:sets": "Accuracy by data set, %%: %(scores)s.",
    "evaluate:sets_missing": "The tool exited with 0, but %(missing)s of %(sets)s data sets have "
    "no score; the first is %(first)s.",
    "evaluate:other_prompt": "Not comparable with published scores: the prompt differs from "
    "OpenCompass 0.4.1's for %(sets)s.",
    "evaluate:limited": "Limited to the first %(questions)s questions of each data set.",
    "evaluate:drawn": "Limited to %(questions)s questions of each data set, drawn at random by "
    "seed %(seed)s.",
    "evaluate:drawn_of_subsets": "Limited to %(questions)s questions of each subset, drawn at "
    "random by seed %(seed)s.",
    "evaluate:undrawn": "C-Eval: the first %(questions)s questions of each subset.",
    "evaluate:estimate": "%(questions)s questions at concurrency %(batch)s: about %(hours)s hours, "
    "assuming %(ms)s ms per token and %(tokens)s tokens per answer. No speed is published for this "
    "card.",
    "evaluate:estimate_min": "%(questions)s questions at concurrency %(batch)s: about %(minutes)s "
    "minutes, assuming %(ms)s ms per token and %(tokens)s tokens per answer. No speed is published "
    "for this card.",
    "evaluate:few_questions": "Only %(questions)s questions: the 95 %% confidence interval is "
    "wide.",
    "evaluate:done_incomplete": "%(failed)s of %(total)s questions were not scored. Accuracy of "
    "the other %(questions)s: %(accuracy)s %%.",
    "evaluate:means_incomplete": "%(failed)s of %(total)s questions were not scored. Accuracy of "
    "the others: %(macro)s %% mean of %(sets)s sets, %(weighted)s %% over %(questions)s questions.",
    "evaluate:mostly_unscored": "%(failed)s of %(total)s questions were not scored (half or more): "
    "no result is stored. Check the deployment and its log, then retry.",
    # Last look of an evaluation that may stop early.
    "evaluate:look_equivalent": "Decided after %(asked)s of %(questions)s questions: equivalent to "
    "%(baseline)s within ±%(margin)s points. Difference %(gap)s points [%(low)s, %(high)s].",
    "evaluate:look_better": "Decided after %(asked)s of %(questions)s questions: better than "
    "%(baseline)s. Difference %(gap)s points [%(low)s, %(high)s].",
    "evaluate:look_worse": "Decided after %(asked)s of %(questions)s questions: worse than "
    "%(baseline)s. Difference %(gap)s points [%(low)s, %(high)s].",
    "evaluate:look_not_worse": "Decided after %(asked)s of %(questions)s questions: not worse than "
    "%(baseline)s by more than %(margin)s points. Difference %(gap)s points [%(low)s, %(high)s].",
    "evaluate:look_cannot_tell": "No early stop: after all %(questions)s questions the comparison "
    "with %(baseline)s is not decided at a margin of ±%(margin)s points. Difference %(gap)s points "
    "[%(low)s, %(high)s].",
    # Files of a folder on a host (jobs.kinds.prepare).
    "collect:done": "Collected (files: %(files)s, %(size)s).",
    "collect:partly": "Collected (files: %(files)s, %(size)s). Left out: %(left_out)s (links, "
    "limits, unreadable ones); the log names them.",
    # Reasons of a refusal (jobs.imports).
    "import:unknown": "Not recognised. Importable: JSON files and folders of vLLM's benchmarks, "
    "EvalScope, OpenCompass, guidellm, AIPerf and lm-eval.",
    "import:released": "This result is released. Withdraw its sign-off first, then remove the "
    "import.",
    "import:damaged": "Damaged: %(reason)s.",
    "import:implausible": "%(file)s: %(metric)s is %(value)s, which no measurement can give.",
    "import:many_answers": "%(file)s has more than %(most)s answers. Import a part of them.",
    "import:no_figures": "%(file)s: the run ended without figures. Its last error: %(line)s",
    "import:mostly_failed": "%(failed)s of %(total)s requests failed (half or more): the figures "
    "of the rest mislead.",
    "import:no_score": "No set has a score: the run failed (%(sets)s). First error in its logs: "
    "%(line)s",
    "import:no_scores": "No set has a score: the run failed (%(sets)s).",
    "import:no_share": "No set is scored by accuracy, so there is nothing to compare (%(sets)s).",
    "import:no_concurrency": "%(file)s has no run at a fixed concurrency (%(runs)s). Measure with "
    "one, then import.",
    "import:same_concurrency": "%(file)s has two runs at one concurrency. Import each in a file of "
    "its own.",
    "import:aiperf_requests": "Single requests of AIPerf. Import profile_export_aiperf.json of the "
    "same folder.",
    "import:aiperf_server": "Server counters of AIPerf. Import profile_export_aiperf.json of the "
    "same folder.",
    "import:aiperf_rounded": "AIPerf's table or log: its figures are rounded. Import "
    "profile_export_aiperf.json of the same folder.",
    "import:evalscope_rounded": "EvalScope's table: its figures are rounded. Import "
    "benchmark_summary.json, or the folder.",
    "import:evalscope_beside": "Part of an EvalScope result. Import benchmark_summary.json, or the "
    "whole folder.",
    "import:evalscope_log": "EvalScope's log. Import benchmark_summary.json of a benchmark, or the "
    "folder of an evaluation with its reports.",
    "import:guidellm_console": "guidellm's console output. Import its JSON report.",
    "import:lm_eval_samples": "Samples of lm-eval. Import the results file of the same run, with "
    "its samples.",
    "import:lm_eval_console": "lm-eval's console output. Import its results file (JSON).",
    "import:opencompass_log": "OpenCompass log or configuration. Import the run's folder, or its "
    "summary.",
    "import:opencompass_part": "Answers or scores of one OpenCompass set. Import the run's whole "
    "folder.",
    "import:quantise_log": "Log of a weight conversion: it has no measurement.",
    "import:counters": "Counters of an engine: they have no time window, so no measurement.",
    "import:answer": "Answer of a server to one request: it has no measurement.",
    "import:server_log": "Log of a server: it has no measurement. Import the load generator's "
    "result file.",
    "import:server_state": "State of a server: it has no measurement.",
    # Remarks on an imported result.
    "import:future": "The date of the files, %(date)s, is more than a day ahead: it was left out.",
    "import:unlimited": "No concurrency limit: all %(requests)s requests were sent at once.",
    "import:rate": "Sent at %(rate)s requests/s without a concurrency limit. Peak concurrency: "
    "%(concurrency)s.",
    "import:printed": "Read from printed output: figures are rounded to two decimals.",
    "import:total_tokens": "The file counts prompt and output tokens together.",
    "import:unchecked": "The rates are not checked, because the log has no duration.",
    "import:left_out": "Runs without a fixed concurrency are left out: %(runs)s.",
    "import:cancelled": "The run was cancelled before its end.",
    "import:no_percentiles": "Percentiles are missing: benchmark_percentile.json was not imported "
    "with the summary.",
    "import:other_metrics": "Not scored by accuracy, and not in the means: %(sets)s.",
    "import:sets_missing": "%(missing)s of %(sets)s sets have no score: %(names)s.",
    "import:macro_only": "The number of questions is not in the files: there is only the mean of "
    "sets.",
    # Texts in place of a result's number (jobs.queries.results.results).
    "result:number": "“%(text)s” is no result. Results are written as res-15.",
    "result:number_of_job": "“%(text)s” is no result. Results are written as res-15. #%(job)s is a "
    "job; its result is %(result)s.",
    "result:failed": "%(failed)s of %(total)s requests failed.",
    "result:unscored": "%(failed)s of %(total)s questions were not scored.",
    # Other work on the host during the run (jobs.services.outcomes.stored_results).
    "result:beside_jobs": "Disturbed: other jobs ran on the host (%(jobs)s).",
    "result:beside_deployments": "Disturbed: other deployments were running on the host "
    "(%(names)s).",
    "result:beside_chats": "Chats used a deployment on this host during the run. Chat answers: "
    "%(chats)s.",
    "result:beside_keys": "Disturbed: the engine answered requests through the gateway. Keys: "
    "%(keys)s.",
    "result:beside_gateway": "Disturbed: the engine answered requests through the gateway.",
    "result:other_clients": "Other clients used the deployment: %(running)s concurrent requests, "
    "%(concurrency)s of this benchmark.",
    "result:host_loaded": "Other programs used the CPU: mean host load %(load)s on %(cores)s "
    "cores, above the load of this run.",
    # Why the questions of an evaluation cannot be saved as a set.
    "questions:none": "No questions to save.",
    "questions:no_match": "No answer matches the filters. Change them.",
    "questions:imported": "Imported: its files have no questions with choices and rules. Evaluate "
    "with a question set to save questions.",
    "questions:of_tool": "%(tool)s asked a data set of its own, with its own prompts and scoring. "
    "Only included questions and sets of the team can be saved.",
    "questions:set_gone": "Questions cannot be saved or asked again: question set %(key)s is not "
    "on this dashboard. Add it under Data sets.",
    "questions:changed_since": "The questions changed since: none is in %(key)s with the same text "
    "and answer.",
    "questions:filter": "Unknown filter: %(name)s.",
    "questions:no_base": "Choose the result against which the answers changed.",
    "parity:none": "Enter counts such as 154/159, 933/976.",
    "parity:long": "At most %(most)s characters.",
    "parity:many_sets": "At most %(most)s data sets.",
    "parity:no_counts": "“%(text)s” is no count. Enter correct/questions, such as 154/159.",
    "parity:no_count": "“%(text)s”: no number of correct answers of %(n)s questions gives "
    "%(score)s %%.",
    "parity:no_questions": "“%(text)s”: enter 1 to %(most)s questions.",
    "parity:more_right": "“%(text)s”: more correct answers than questions.",
    "parity:unequal": "Each side needs one count for each data set: the baseline has %(base)s, the "
    "result %(result)s.",
    "parity:other_numbers": "Data set %(name)s: %(base)s questions in the baseline, %(result)s in "
    "the result. Enter counts of the same questions.",
    "parity:bad_score": "%(name)s: “%(score)s” is no score from 0 to 100.",
    "parity:names": "%(names)s names for %(sets)s data sets. Enter one name for each.",
    "parity:long_table": "Paste at most %(most)s kB.",
    "parity:no_table": "No summary table of OpenCompass. Paste it with its heading “dataset, "
    "version, metric, mode, name”. (%(reason)s)",
    "parity:one_table": "One result only. Paste two tables, or a table with two columns, or name a "
    "baseline.",
    "parity:many_tables": "%(n)s results. Paste two at most.",
    "parity:which_baseline": "The names do not say which is the baseline. Choose: first "
    "“%(first)s”, second “%(second)s”.",
    "parity:margin": "Enter a margin from %(least)s to %(most)s points.",
    "parity:goal": "Choose one of: %(goals)s.",
    "parity:planned": "Enter a whole number of questions, or leave it empty.",
    "parity:fewer_planned": "Fewer than the %(n)s questions that were asked.",
    "parity:numbers": "Enter the number of a result, or several of repeats: res-11,res-12.",
    "parity:missing": "%(ids)s does not exist or was removed.",
    "parity:no_result": "%(names)s has no result. Choose an evaluation from the list.",
    "parity:type": "%(name)s is a benchmark. Choose an evaluation.",
    "parity:many_candidates": "At most %(most)s results against one baseline.",
    "parity:one_candidate": "Name two results or more, with a semicolon between them.",
    "parity:looks": "%(name)s may stop early, or was extended. Compare it alone: several results "
    "need one look at each.",
    "parity:twice": "%(name)s is named twice. Name each result once.",
    "parity:same": "%(name)s is on both sides. Choose two results.",
    "parity:many": "At most %(most)s results a side.",
    "parity:no_repeats": "%(a)s and %(b)s are not repeats of one evaluation. Different or unknown: "
    "%(parts)s. Compare them with each other, or name one of them.",
    "parity:both": "Choose results, enter counts or paste tables: only one of the three.",
    "lengths:output_ended": "Answers average %(measured)s tokens at concurrency %(concurrency)s; "
    "%(asked)s requested. The benchmark sends no ignore_eos, so the model may stop early.",
    "lengths:output_cut": "Answers average %(measured)s tokens at concurrency %(concurrency)s; "
    "%(asked)s requested. ignore_eos was sent: check the engine's output token limit.",
    "lengths:output_context": "Answers average %(measured)s tokens at concurrency %(concurrency)s; "
    "%(asked)s requested. The deployment's context of %(context)s tokens (max_total) ends them: "
    "prompt and output together. Reduce the output, or deploy with a longer context.",
    "lengths:output_long": "Answers average %(measured)s tokens at concurrency %(concurrency)s; "
    "%(asked)s requested. Benchmark and engine may count tokens differently.",
    "lengths:input": "Prompts average %(measured)s tokens at concurrency %(concurrency)s; "
    "%(asked)s requested. Prompts are built from whole lines or words, so lengths vary.",
    "matrix:max_concurrency": "Max concurrency of the engine is %(most)s.",
    "matrix:max_input": "Max prompt length is %(most)s tokens.",
    "matrix:max_total": "Prompt and output need %(asked)s tokens; the deployment has %(most)s per "
    "request.",
    "matrix:context": "Prompt and output need %(asked)s tokens; the model's context is %(most)s.",
    "matrix:total_tokens": "Tokens × concurrency exceeds the workload's total of %(most)s.",
    "matrix:refused": "Not possible on this deployment: %(reason)s",
    "matrix:warm_up": "Warm-up run of a matrix: it does not count.",
    "matrix:only_queues": "More load only queues: throughput at concurrency %(at)s was %(percent)s "
    "%% above %(below)s, and requests took longer.",
    "probe:done": "%(equal)s of %(compared)s answers are equal. Second answers equal to the first: "
    "%(same)s of %(again)s.",
    "probe:once": "%(equal)s of %(compared)s answers are equal. No prompt was sent twice to the "
    "same engine.",
    "probe:partly": "%(equal)s of %(compared)s answers are equal. Prompts without both answers: "
    "%(failed)s.",
    "probe:none": "None of %(prompts)s prompts has answers of both engines.",
}
