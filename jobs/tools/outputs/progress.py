"""Progress of a job from the end of its log, as printed by the tools.

Pure: last bytes of a log in, ``{"done", "total", "unit"}`` out, None without progress.
``unit`` is "tensors", "packages", "shards", "requests", "files", "layers", "steps", "loads", "MB"
or "%".
"""

from collections.abc import Callable

from jobs.base.numbers import bytes_of
from jobs.base.patterns import Match, Pattern, pattern
from jobs.metrics.measured import Progress

# Bounded: a tail may be one long line of digits, which no number holds.
_DECIMAL = r"(\d{1,12}(?:\.\d{1,6})?)"
_BAR = r"\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \["  # tqdm's, behind its name
# pip: "12.3/92.9 MB", also ours during unpacking
_SIZE = pattern(rf"{_DECIMAL}/{_DECIMAL} (kB|MB|GB)\b")
# pip: "Collecting x (from -r …/requirements-76.txt (line 45))"; our file name has the count
_PACKAGE = pattern(r"requirements-(\d{1,12})\.txt \(line (\d{1,12})\)")
# "Running[perf]:  67%|██████▋   | 2/3 [00:41<00:21, 21.34s/it]"
_OUTER = pattern(rf"Running\[\w+\]: +{_BAR}")
_INNER = pattern(rf"(?:Processing|Evaluating)\[\w+\]: +{_BAR}")
# "  5%|▌         | 1/20 [00:00<00:02,  7.60it/s]"
_UNNAMED = pattern(rf"(?:^|[\r\n]) *{_BAR}")
# Ours, before the log of each OpenCompass set: "[   2/  59] deepseek-r1/cluewsc-test"
_SET = pattern(r"^\[ *(\d{1,12})/ *(\d{1,12})\] [^\s/]+/\S+$", lines=True)
_ASKS = "Starting inference process"
# ... followed by scoring, one task per set, with another bar
_ALL_ASKED = "OpenCompass - INFO - time elapsed:"
_SCORES = pattern(r"OpenCompass - INFO - Partitioned into \d+ tasks")
_ASKING = 0.95  # estimated share of the work before scoring
# Ours, when an evaluation may stop early: "Look 3 of 10, 43 questions: …"
_LOOK = pattern(r"(?:^|[\r\n])Look (\d{1,3}) of (\d{1,3}), ")
# Ours, during a download or while reading files: "downloaded 812.5/15231.2 MB"
_BROUGHT = pattern(rf"(?:downloaded|checked) {_DECIMAL}/{_DECIMAL} MB\b")
# "model.safetensors:  12%|█▏        | 430M/3.55G [00:10<01:12, 43.1MB/s]"
_BYTES_BAR = pattern(rf"%\|[^|\r\n]*\| {_DECIMAL}([kMGT]?)/{_DECIMAL}([kMGT]) \[")
_POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_LAYER_NAMED = pattern(r"^([0-9a-f]{12}): (?:Pulling fs layer|Already exists)", lines=True)
_LAYER_DONE = pattern(r"^([0-9a-f]{12}): (?:Pull complete|Already exists)", lines=True)
_DRAWN = pattern(r"\r[^\r\n]|\d%\||\[#\w+ ")
# vLLM's benchmark sends warm-up requests first, with a separate bar.
_MAIN_RUN = "Starting main benchmark run"


def draws_bar(fresh: bytes) -> bool:
    return _DRAWN.search(fresh.decode("latin-1")) is not None


def _progress(done: float, total: float, unit: str) -> Progress:
    if unit == "%" and total:
        done, total = round(100 * done / total, 1), 100
    return {"done": done, "total": total, "unit": unit}


def _last(wanted: Pattern[str], text: str) -> Match[str] | None:
    latest = None
    for match in wanted.finditer(text):
        latest = match
    return latest


def _share(match: Match[str] | None) -> float:
    return int(match[1]) / max(1, int(match[2])) if match else 0.0


def _counted(wanted: Pattern[str], unit: str) -> Callable[[str], Progress | None]:
    def read(text: str) -> Progress | None:
        match = _last(wanted, text)
        return _progress(int(match[1]), int(match[2]), unit) if match else None

    return read


# llama.cpp's quantiser: "[   7/ 272] blk.0.attn_v.weight ..."
tensors = _counted(pattern(r"^\[ *(\d{1,12})/ *(\d{1,12})\] ", lines=True), "tensors")
# vLLM: "Loading safetensors checkpoint shards:  25% Completed | 41/163 [05:25<16:15,  7.98s/it]"
shards = _counted(
    pattern(r"Loading \w+ checkpoint shards: +\d+% Completed \| (\d{1,12})/(\d{1,12}) \["), "shards"
)
# vLLM's offline benchmarks of throughput and latency
prompts = _counted(pattern(rf"Processed prompts: +{_BAR}"), "%")
iterations = _counted(pattern(rf"(?:Profiling|Bench) iterations: +{_BAR}"), "%")
# Our greedy probe: "prompt 12/40: equal"
probed = _counted(pattern(r"^prompt (\d{1,6})/(\d{1,6}): ", lines=True), "requests")
# Our search of a limit: "point 2/6: rate 3.5, between …"
searched = _counted(pattern(r"^point (\d{1,6})/(\d{1,6}): ", lines=True), "loads")
_requests = _counted(_UNNAMED, "requests")
# huggingface_hub: "Fetching 163 files:  25%|██▌       | 41/163 [05:25<16:15,  7.98s/it]"
_files = _counted(pattern(rf"Fetching \d+ files: +{_BAR}"), "files")
# A compiler without other output may print: "[  12/  28]"
_layers = _counted(pattern(r"\[ *(\d{1,12}) */ *(\d{1,12})\]"), "layers")
# docker build: "Step 3/14 : RUN …", or with BuildKit "#7 [build 3/9] RUN …"
_built = _counted(
    pattern(r"^(?:Step |#\d+ \[(?:[\w.-]+ )?)(\d{1,12})/(\d{1,12})(?: :|\])", lines=True), "steps"
)


def packages_or_size(text: str) -> Progress | None:
    """Return the progress of pip: collecting, downloading or unpacking."""
    package, size = _last(_PACKAGE, text), _last(_SIZE, text)
    if package:
        return _progress(int(package[2]), int(package[1]), "packages")
    if size:
        done, total = (bytes_of(float(number), size[3]) / 1e6 for number in size.group(1, 2))
        return _progress(round(done, 1), round(total, 1), "MB")
    return None


def share_of_runs(text: str) -> Progress | None:
    """Return the progress of EvalScope: ended runs plus the share of the current run."""
    outer = _last(_OUTER, text)
    if outer is None:
        inner = _last(_INNER, text)
        return _progress(int(inner[1]), int(inner[2]), "%") if inner else None
    ended, runs = int(outer[1]), int(outer[2])
    # Bars before this run's start belong to the previous run.
    began = next(match.start() for match in _OUTER.finditer(text) if int(match[1]) == ended)
    return _progress(min(ended + _share(_last(_INNER, text[began:])), runs), runs, "%")


def share_of_looks_or_runs(text: str) -> Progress | None:
    """EvalScope; an evaluation that may stop early as if it goes on to its last look."""
    look = _last(_LOOK, text)
    if look is None:
        return share_of_runs(text)
    done, total = int(look[1]), int(look[2])
    bar = share_of_runs(text[look.end() :])
    # The bar of a look begins with the answers of the looks before.
    share = float(bar["done"]) / float(bar["total"]) if bar and bar["total"] else 0.0
    return _progress(min(max(done, share * (done + 1)), total), total, "%")


def _ours(text: str) -> Progress | None:
    ours = _last(_BROUGHT, text)
    return _progress(float(ours[1]), float(ours[2]), "MB") if ours else None


def brought(text: str) -> Progress | None:
    """Return the progress of a download: our megabytes, else the tool's bar, else its files."""
    # The bar of the largest file; bars of small files are short-lived.
    bars = {
        float(m[3]) * _POWERS[m[4]]: float(m[1]) * _POWERS[m[2]] for m in _BYTES_BAR.finditer(text)
    }
    total = max(bars, default=0.0)
    bar = _progress(round(bars[total] / 1e6, 1), round(total / 1e6, 1), "MB") if bars else None
    return _ours(text) or bar or _files(text)


def compiled(text: str) -> Progress | None:
    """Return the progress of vamc: reading of the result, else the compiler's counter."""
    return _ours(text) or _layers(text)


def image(text: str) -> Progress | None:
    """Return the progress of docker: steps of a build, layers of a pull."""
    named = set(_LAYER_NAMED.findall(text))
    done = named & set(_LAYER_DONE.findall(text))
    return _built(text) or (_progress(len(done), len(named), "layers") if named else None)


def sets(text: str) -> Progress | None:
    """Return the progress of OpenCompass: answered sets and part of the current, then scoring."""
    text = text.replace("\r", "\n")
    begun = _last(_SET, text[: text.rfind("\n") + 1])
    if begun is None:
        return None
    after = text[begun.end() :]
    if _ALL_ASKED in after:
        scoring = _last(_SCORES, after[after.rindex(_ALL_ASKED) :])
        scored = _last(_UNNAMED, after[after.rindex(scoring[0]) :]) if scoring else None
        return _progress(_ASKING + (1 - _ASKING) * _share(scored), 1, "%")
    # An earlier bar belongs to the few-shot examples.
    _, asks, bars = after.partition(_ASKS)
    share = _share(_last(_UNNAMED, bars) if asks else None)
    return _progress(_ASKING * (int(begun[1]) - 1 + share), int(begun[2]), "%")


def requests(text: str) -> Progress | None:
    return _requests(text[max(0, text.rfind(_MAIN_RUN)) :])
