"""Progress of a job from the end of its log, as printed by the tools.

Pure: last bytes of a log in, ``{"done", "total", "unit"}`` out, None without progress.
``unit`` is "tensors", "packages", "shards", "requests", "files", "layers", "steps", "MB" or "%".
"""

from __future__ import annotations

from collections.abc import Callable

from jobs.base.numbers import bytes_of
from jobs.base.patterns import Match, Pattern, pattern
from jobs.metrics.measured import Progress

# Bounded: a tail may be one long line of digits, which no number holds.
_DECIMAL = r"(\d{1,12}(?:\.\d{1,6})?)"
# llama.cpp: "[   7/ 272] blk.0.attn_v.weight ..."
_TENSOR = pattern(r"^\[ *(\d{1,12})/ *(\d{1,12})\] ", lines=True)
# pip: "12.3/92.9 MB", also ours during unpacking
_SIZE = pattern(rf"{_DECIMAL}/{_DECIMAL} (kB|MB|GB)\b")
# pip: "Collecting x (from -r …/requirements-76.txt (line 45))"; our file name has the count
_PACKAGE = pattern(r"requirements-(\d{1,12})\.txt \(line (\d{1,12})\)")
# tqdm: "Running[perf]:  67%|██████▋   | 2/3 [00:41<00:21, 21.34s/it]"
_OUTER = pattern(r"Running\[\w+\]: +\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \[")
_INNER = pattern(r"(?:Processing|Evaluating)\[\w+\]: +\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \[")
# vLLM: "Loading safetensors checkpoint shards:  25% Completed | 41/163 [05:25<16:15,  7.98s/it]"
_SHARDS = pattern(r"Loading \w+ checkpoint shards: +\d+% Completed \| (\d{1,12})/(\d{1,12}) \[")
# tqdm without a name: "  5%|▌         | 1/20 [00:00<00:02,  7.60it/s]"
_REQUESTS = pattern(r"(?:^|[\r\n]) *\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \[")
_PROMPTS = pattern(r"Processed prompts: +\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \[")
_ITERATIONS = pattern(
    r"(?:Profiling|Bench) iterations: +\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \["
)
# ours, before the log of each OpenCompass set: "[   2/  59] deepseek-r1/cluewsc-test"
_SET = pattern(r"^\[ *(\d{1,12})/ *(\d{1,12})\] [^\s/]+/\S+$", lines=True)
_ASKS = "Starting inference process"
_ALL_ASKED = "OpenCompass - INFO - time elapsed:"
# ... followed by scoring, one task per set, with another bar
# Ours, when an evaluation may stop early: "Look 3 of 10, 43 questions: …"
_LOOK = pattern(r"(?:^|[\r\n])Look (\d{1,3}) of (\d{1,3}), ")
_SCORES = pattern(r"OpenCompass - INFO - Partitioned into \d+ tasks")
ASKING = 0.95  # estimated share of the work before scoring
# Our greedy probe: "prompt 12/40: equal"
_PROBED = pattern(r"^prompt (\d{1,6})/(\d{1,6}): ", lines=True)
# huggingface_hub: "Fetching 163 files:  25%|██▌       | 41/163 [05:25<16:15,  7.98s/it]"
_FILES = pattern(r"Fetching \d+ files: +\d+%\|[^|\r\n]*\| (\d{1,12})/(\d{1,12}) \[")
# Ours, during a download or while reading files: "downloaded 812.5/15231.2 MB"
_BROUGHT = pattern(
    r"(?:downloaded|checked) (\d{1,12}(?:\.\d{1,6})?)/(\d{1,12}(?:\.\d{1,6})?) (MB)\b"
)
# tqdm with sizes: "model.safetensors:  12%|█▏        | 430M/3.55G [00:10<01:12, 43.1MB/s]"
_BYTES_BAR = pattern(
    r"%\|[^|\r\n]*\| (\d{1,12}(?:\.\d{1,6})?)([kMGT]?)/(\d{1,12}(?:\.\d{1,6})?)([kMGT]) \["
)
# docker build: "Step 3/14 : RUN …", or with BuildKit "#7 [build 3/9] RUN …"
_BUILD = pattern(r"^(?:Step |#\d+ \[(?:[\w.-]+ )?)(\d{1,12})/(\d{1,12})(?: :|\])", lines=True)
_LAYER_NAMED = pattern(r"^([0-9a-f]{12}): (?:Pulling fs layer|Already exists)", lines=True)
_LAYER_DONE = pattern(r"^([0-9a-f]{12}): (?:Pull complete|Already exists)", lines=True)
# A compiler without other output may print: "[  12/  28]"
_BRACKETS = pattern(r"\[ *(\d{1,12}) */ *(\d{1,12})\]")
_BAR = pattern(r"\r[^\r\n]|\d%\||\[#\w+ ")
_POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
# vLLM's benchmark sends warm-up requests first, with a separate bar.
_MAIN_RUN = "Starting main benchmark run"


def draws_bar(fresh: bytes) -> bool:
    """Return True for an overwritten row, or a progress bar of tqdm or aria2."""
    return _BAR.search(fresh.decode("latin-1")) is not None


def tensors(text: str) -> Progress | None:
    """Return the progress of llama.cpp's quantiser."""
    match = _last(_TENSOR, text)
    return _progress(int(match[1]), int(match[2]), "tensors") if match else None


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
        return _progress(int(inner[1]), int(inner[2]), "%", scale=100) if inner else None
    ended, runs = int(outer[1]), int(outer[2])
    # Bars before this run's start belong to the previous run.
    began = next(match.start() for match in _OUTER.finditer(text) if int(match[1]) == ended)
    inner = _last(_INNER, text[began:])
    share = int(inner[1]) / max(1, int(inner[2])) if inner else 0.0
    return _progress(min(ended + share, runs), runs, "%", scale=100)


def share_of_looks(text: str) -> Progress | None:
    """Return the progress of an evaluation that may stop early, if it goes on to its last look;
    None without a look."""
    look = _last(_LOOK, text)
    if look is None:
        return None
    done, total = int(look[1]), int(look[2])
    bar = share_of_runs(text[look.end() :])
    # The bar of a look begins with the answers of the looks before.
    share = float(bar["done"]) / float(bar["total"]) if bar and bar["total"] else 0.0
    return _progress(min(max(done, share * (done + 1)), total), total, "%", scale=100)


def share_of_looks_or_runs(text: str) -> Progress | None:
    """Return the progress of EvalScope, of an evaluation that may stop early or not."""
    return share_of_looks(text) or share_of_runs(text)


def _counted(wanted: Pattern[str], unit: str) -> Callable[[str], Progress | None]:
    def read(text: str) -> Progress | None:
        match = _last(wanted, text)
        scale = 100 if unit == "%" else None
        return _progress(int(match[1]), int(match[2]), unit, scale=scale) if match else None

    return read


def brought(text: str) -> Progress | None:
    """Return the progress of a download: our megabytes, else the tool's bar, else its files."""
    ours = _last(_BROUGHT, text)
    if ours:
        return _progress(float(ours[1]), float(ours[2]), "MB")
    # The bar of the largest file; bars of small files are short-lived.
    bars = {_plain(m[3], m[4]): _plain(m[1], m[2]) for m in _BYTES_BAR.finditer(text)}
    if bars:
        total = max(bars)
        return _progress(round(bars[total] / 1e6, 1), round(total / 1e6, 1), "MB")
    return _counted(_FILES, "files")(text)


def _plain(number: str, power: str) -> float:
    return float(number) * _POWERS[power]


def image(text: str) -> Progress | None:
    """Return the progress of docker: steps of a build, layers of a pull."""
    step = _last(_BUILD, text)
    if step:
        return _progress(int(step[1]), int(step[2]), "steps")
    named = set(_LAYER_NAMED.findall(text))
    done = named & set(_LAYER_DONE.findall(text))
    return _progress(len(done), len(named), "layers") if named else None


def compiled(text: str) -> Progress | None:
    """Return the progress of vamc: reading of the result, else the compiler's counter."""
    ours = _last(_BROUGHT, text)
    if ours:
        return _progress(float(ours[1]), float(ours[2]), "MB")
    return _counted(_BRACKETS, "layers")(text)


def sets(text: str) -> Progress | None:
    """Return the progress of OpenCompass: answered sets plus the share of the current set, then
    scored sets.
    """
    text = text.replace("\r", "\n")
    begun = _last(_SET, text[: text.rfind("\n") + 1])
    if begun is None:
        return None
    after = text[begun.end() :]
    if _ALL_ASKED in after:
        return _progress(ASKING + (1 - ASKING) * _scored(after), 1, "%", scale=100)
    # An earlier bar belongs to the few-shot examples.
    _, asks, bars = after.partition(_ASKS)
    batches = _last(_REQUESTS, bars) if asks else None
    share = int(batches[1]) / max(1, int(batches[2])) if batches else 0.0
    return _progress(ASKING * (int(begun[1]) - 1 + share), int(begun[2]), "%", scale=100)


def _scored(log: str) -> float:
    """Return the share of scored sets, from the log of a run with all questions answered."""
    begun = _last(_SCORES, log[log.rindex(_ALL_ASKED) :])
    tasks = _last(_REQUESTS, log[log.rindex(begun[0]) :]) if begun else None
    return int(tasks[1]) / max(1, int(tasks[2])) if tasks else 0.0


def requests(text: str) -> Progress | None:
    """Return the progress of vLLM's benchmark: ended requests of the latest run."""
    return _counted(_REQUESTS, "requests")(text[max(0, text.rfind(_MAIN_RUN)) :])


def _progress(done: float, total: float, unit: str, *, scale: float | None = None) -> Progress:
    if scale is not None and total:
        done, total = round(scale * done / total, 1), scale
    return {"done": done, "total": total, "unit": unit}


def _last(wanted: Pattern[str], text: str) -> Match[str] | None:
    latest = None
    for match in wanted.finditer(text):
        latest = match
    return latest


def probed(text: str) -> Progress | None:
    """Return the progress of the greedy probe."""
    match = _last(_PROBED, text)
    return _progress(int(match[1]), int(match[2]), "requests") if match else None


def shards(text: str) -> Progress | None:
    """Return the progress of vLLM loading a checkpoint."""
    return _counted(_SHARDS, "shards")(text)


def prompts(text: str) -> Progress | None:
    """Return the progress of vLLM's offline throughput benchmark."""
    return _counted(_PROMPTS, "%")(text)


def iterations(text: str) -> Progress | None:
    """Return the progress of vLLM's offline latency benchmark."""
    return _counted(_ITERATIONS, "%")(text)
