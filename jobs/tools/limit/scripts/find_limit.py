"""Find the highest load within a service level, or measure every load between two bounds.

    find_limit.py RULES -- PROMPTS -- CLIENT [-- MORE ...]

RULES is a JSON object: "tool", "by" (rate or concurrency), "lowest", "highest", "step",
"most_points", "level" (its name), "limits" (metric: highest value), "goodput" (least share of
requests within all limits, or null), "half_width" (share of the mean, 0: one run of each load),
"most_runs", "requests", "seed". Loads are lowest, lowest + step, …

With a level it measures the lowest and the highest load, then the middle between the highest that
met the level and the lowest that missed it. It stops when these two are one step apart, when the
lowest misses or the highest meets, when a verdict is unknown, or after so many loads. Without a
level it measures each load in turn.

For each run the commands run one after another, with words replaced: @load (the rate or the
concurrency), @run (1, 2, …: names of its files), @seed (the first seed plus the run). A load is
repeated until the 95 % interval of its mean output rate is narrow enough. Requests that arrive at a
rate do so at random (Poisson), by the seed of their run.

search.jsonl gets the rules, a line for each run with its numbers and verdict, and why it stopped.
"""

import json
import re
import subprocess
import sys
import time
from math import ceil, log2
from pathlib import Path
from statistics import fmean

RECORD = "search.jsonl"
MET, MISSED, UNKNOWN = "met", "missed", "unknown"
FAILED_MOST = 0.01  # a load with more failed requests is missed
PERCENTILES = ("p50", "p90", "p95", "p99")
WORD = re.compile("@load|@run|@seed")
STOPS = {
    "resolution": "the lowest load that missed is one step above",
    "highest": "the highest load of the search met the level: the limit is higher",
    "lowest": "the lowest load of the search missed the level: the limit is lower",
    "points": "the most loads were measured",
    "unknown": "it is unknown whether a load met the level",
    "swept": "each load was measured",
}


def loads_of(rules):
    count = int((rules["highest"] - rules["lowest"]) / rules["step"] + 1e-9) + 1
    loads = [round(rules["lowest"] + place * rules["step"], 6) for place in range(count)]
    return [int(one) if one == int(one) else one for one in loads]


def following(verdicts, last, most, *, has_level):
    """Return the place of the load to measure next, or None, and why. ``verdicts``: place ->
    verdict, of the loads so far. ``last``: the highest place."""
    if not has_level:
        left = [place for place in range(last + 1) if place not in verdicts]
        return (left[0], "the next load") if left else (None, "swept")
    if UNKNOWN in verdicts.values():
        return None, "unknown"
    if 0 not in verdicts:
        return 0, "the lowest load"
    if verdicts[0] == MISSED:
        return None, "lowest"
    met = max(place for place, said in verdicts.items() if said == MET)
    missed = min((place for place, said in verdicts.items() if said == MISSED), default=None)
    if met == last:
        return None, "highest"
    if missed == met + 1:
        return None, "resolution"
    if len(verdicts) >= most:
        return None, "points"
    if missed is None:
        return last, "the highest load"
    return (met + missed) // 2, "between the highest that met and the lowest that missed"


def verdict(rules, runs):
    """Return the verdict on a load, from its runs, and the mean of each limited metric."""
    completed, failed = (sum(run[name] for run in runs) for name in ("completed", "failed"))
    means = {}
    for metric in rules["limits"]:
        values = [run["values"].get(metric) for run in runs]
        means[metric] = None if None in values else fmean(values)
    if not completed or failed > FAILED_MOST * (completed + failed):
        return MISSED, means
    said = [
        UNKNOWN if means[m] is None else MET if means[m] <= most else MISSED
        for m, most in rules["limits"].items()
    ]
    if rules["goodput"] is not None:
        within = [run["within"] for run in runs]
        share = None if None in within else sum(within) / (completed + failed)
        said.append(UNKNOWN if share is None else MET if share >= rules["goodput"] else MISSED)
    return next((one for one in (MISSED, UNKNOWN) if one in said), MET), means


def of_guidellm(run, limits):
    (data,) = json.loads(Path(f"result-{run}.json").read_text(encoding="utf-8"))["benchmarks"]
    made = data["scheduler_metrics"]["requests_made"]
    rows = (data.get("requests") or {}).get("successful") or []
    names = {"ttft": "time_to_first_token_ms", "tpot": "inter_token_latency_ms",
             "latency": "request_latency"}  # fmt: skip
    times = {family: [row.get(name) for row in rows] for family, name in names.items()}
    values = {}
    for family, unit in (("ttft", "ms"), ("latency", "s")):
        found = data["metrics"].get(names[family], {}).get("successful") or {}
        if found.get("count"):
            for share in PERCENTILES:
                values[f"{family}_{share}_{unit}"] = found["percentiles"][share]
    each = sorted(value for value in times["tpot"] if value is not None)
    if each and len(each) == len(rows):
        for share in PERCENTILES:
            values[f"tpot_{share}_ms"] = each[ceil(int(share[1:]) * len(each) / 100) - 1]
    rate = data["metrics"]["output_tokens_per_second"].get("successful") or {}
    return {
        "completed": made["successful"],
        "failed": made["errored"],
        "rate": rate.get("mean"),
        "values": values,
        "within": within(limits, times, made["successful"]),
    }


def within(limits, times, completed):
    """Return the number of requests within all limits; None where a time is not known."""
    columns = [(times[metric.partition("_")[0]], most) for metric, most in limits.items()]
    if any(len(column) != completed or None in column for column, _most in columns):
        return None
    return sum(all(column[row] <= most for column, most in columns) for row in range(completed))


def of_evalscope(run, limits):
    (summary,) = Path("perf", f"run-{run}").glob("*/benchmark_summary.json")
    data = json.loads(summary.read_text(encoding="utf-8"))
    rows = json.loads(summary.with_name("benchmark_percentile.json").read_text(encoding="utf-8"))
    values = {}
    for row in rows if data["Success Requests"] else ():
        share = f"p{str(row['Percentiles']).removesuffix('%')}"
        if share in PERCENTILES:
            for family, unit in (("ttft", "ms"), ("tpot", "ms"), ("latency", "s")):
                name = "Latency (s)" if family == "latency" else f"{family.upper()} (ms)"
                values[f"{family}_{share}_{unit}"] = row.get(name)
    return {
        "completed": data["Success Requests"],
        "failed": data["Failed Requests"],
        "rate": data.get("Output Throughput (tok/s)"),
        "values": values,
        "within": None,
    }


def of_vllm(run, limits):
    data = json.loads(Path(f"result-{run}.json").read_text(encoding="utf-8"))
    names = (("ttft", "ms", "ttft", 1), ("tpot", "ms", "tpot", 1), ("latency", "s", "e2el", 0.001))
    values = {
        f"{family}_{share}_{unit}": data[f"{share}_{name}_ms"] * factor
        for family, unit, name, factor in names
        for share in PERCENTILES
        if data["completed"] and data.get(f"{share}_{name}_ms") is not None
    }
    return {
        "completed": data["completed"],
        "failed": data.get("failed", data["num_prompts"] - data["completed"]),
        "rate": data.get("output_throughput"),
        "values": values,
        "within": None,
    }


READERS = {"guidellm": of_guidellm, "evalscope": of_evalscope, "vllm": of_vllm}


class Search:
    """A search by ``rules``; ``commands`` are those of one run."""

    def __init__(self, rules, commands):
        self.rules, self.commands = rules, commands
        self.number = 0  # of runs

    def write(self, **line):
        with Path(RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def run(self, load):
        """Measure a load once."""
        self.number += 1
        seed = self.rules["seed"] + self.number
        words = {"@load": str(load), "@run": str(self.number), "@seed": str(seed)}
        began = time.time()
        for command in self.commands:
            argv = [WORD.sub(lambda match: words[match[0]], word) for word in command]
            code = subprocess.run(argv, check=False).returncode
            if code:
                sys.exit(f"{argv[0]} ended with exit code {code}")
        found = READERS[self.rules["tool"]](self.number, self.rules["limits"])
        return {"run": self.number, "load": load, "seed": seed, "began": began, **found}

    def measure(self, load):
        """Measure a load until it is known well enough; return its verdict."""
        from repeats import relative_half_width  # noqa: PLC0415 -- beside this file, in the job

        runs = []
        while True:
            runs.append(self.run(load))
            said, means = verdict(self.rules, runs)
            width = relative_half_width([run["rate"] or 0 for run in runs])
            self.write(**runs[-1], verdict=said, half_width=width)
            told = "" if width is None else f", output rate ± {100 * width:.1f} %"
            shown = ", ".join(
                f"{metric} {'unknown' if value is None else f'{value:.4g}'}"
                f" (limit {self.rules['limits'][metric]:g})"
                for metric, value in means.items()
            )
            print(
                f"{self.rules['by']} {load}, run {len(runs)}: {runs[-1]['completed']} completed, "
                f"{runs[-1]['failed']} failed{told}. {shown and shown + ': '}"
                f"{said if self.rules['limits'] else 'measured'}",
                flush=True,
            )
            wanted = self.rules["half_width"]
            is_narrow = width is not None and width <= wanted
            if not wanted or is_narrow or len(runs) >= self.rules["most_runs"]:
                return said

    def find(self):
        self.write(rules=self.rules)
        loads = loads_of(self.rules)
        last, most = len(loads) - 1, self.rules["most_points"]
        has_level = bool(self.rules["limits"])
        # Of a search: both ends, then halves.
        total = min(most, 2 + ceil(log2(max(1, last)))) if has_level else len(loads)
        verdicts = {}
        while True:
            place, why = following(verdicts, last, most, has_level=has_level)
            if place is None:
                break
            named = f"{self.rules['by']} {loads[place]}"
            print(f"point {len(verdicts)}/{total}: {named}, {why}", flush=True)
            verdicts[place] = self.measure(loads[place])
        self.write(stopped=why)
        met = [loads[place] for place, said in verdicts.items() if said == MET]
        missed = [loads[place] for place, said in verdicts.items() if said == MISSED]
        count = len(verdicts)
        print(f"point {count}/{count}: the search stopped: {STOPS[why]}", flush=True)
        if has_level and met:
            print(f"highest {self.rules['by']} that met the level: {max(met)}", flush=True)
        if has_level and missed:
            print(f"lowest {self.rules['by']} that missed it: {min(missed)}", flush=True)


def main():
    words = sys.argv[1:]
    commands = []
    for word in words[1:]:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    Search(json.loads(words[0]), commands).find()


if __name__ == "__main__":
    main()
