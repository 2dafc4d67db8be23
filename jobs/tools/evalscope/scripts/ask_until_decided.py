"""Ask questions in parts, and stop when the comparison with a baseline is decided.

Command line: ``ask_until_decided.py RULE ARGUMENTS``. RULE is a JSON file: ``margin`` (from 0 to
1), ``goal`` (at_least or same), ``baseline`` (its result), and for each file of questions
``reviews`` (where EvalScope writes its scores), ``baseline`` (1, 0 or null for each line) and
``looks`` (lines asked by each look). ARGUMENTS are those of ask_and_score.py, which each look runs
on the first lines of each file: EvalScope takes earlier answers from its folder ``eval``. Each look
adds a line to ``eval/looks.jsonl``. The formulas are in paired.py (jobs/statistics/paired.py).
"""

import json
import subprocess
import sys
from pathlib import Path

FILES = Path(__file__).parent
ASKED, LOOKS = Path("asked"), Path("eval/looks.jsonl")
# Answers are scored again, because EvalScope compares the settings of the run before.
CONTINUE = ("--use-cache", "eval", "--rerun-review")


def write_questions(parts, look):
    ASKED.mkdir(exist_ok=True)
    for name, part in parts.items():
        lines = (FILES / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (ASKED / name).write_text("".join(lines[: part["looks"][look]]), encoding="utf-8")


def scores(path):
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        row = json.loads(line)
        score = row["sample_score"]["score"]
        if score.get("status") != "excluded":
            found[int(row["index"])] = score["value"][score["main_score_name"]] >= 0.5
    return found


def look_at(rule, look):
    import paired  # noqa: PLC0415 -- beside this file, in the job's folder

    parts = rule["parts"].values()
    pairs = []
    for part in parts:
        own = scores(Path(part["reviews"]))
        base = part["baseline"]
        pairs += [(bool(base[at]), own[at]) for at in own if base[at] is not None]
    questions = sum(len(part["baseline"]) for part in parts)
    row = {
        "look": look + 1,
        "looks": looks_of(rule),
        "asked": sum(part["looks"][look] for part in parts),
        "questions": questions,
        "pairs": len(pairs),
        "decision": "cannot_tell",
    }
    if pairs:
        z = paired.monitored_z(len(pairs), questions)
        cells = [pairs.count(one) for one in ((1, 1), (1, 0), (0, 1), (0, 0))]
        gap = paired.paired_difference(*cells, z)
        row |= {"difference": gap.value, "low": gap.low, "high": gap.high}
        row["decision"] = paired.decision(gap, rule["margin"], rule["goal"])
    return row


def looks_of(rule):
    return len(next(iter(rule["parts"].values()))["looks"])


def text_of(row):
    head = "Look {look} of {looks}, {asked} of {questions} questions: ".format(**row)
    if "difference" not in row:
        return f"{head}no question has a score on both sides."
    points = "{:+.2f} points [{:+.2f}, {:+.2f}]".format(
        *(100 * row[name] for name in ("difference", "low", "high"))
    )
    return f"{head}{points}, {row['decision'].replace('_', ' ')}."


def main(arguments):
    rule = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    command = [sys.executable, str(FILES / "ask_and_score.py"), *arguments[1:]]
    # The looks of an earlier job that this one continues.
    lines = LOOKS.read_text(encoding="utf-8").splitlines() if LOOKS.is_file() else ()
    made = [json.loads(line) for line in lines]
    for row in made:
        print(text_of(row), flush=True)
    if made and made[-1]["decision"] != "cannot_tell":
        return 0
    for look in range(len(made), looks_of(rule)):
        write_questions(rule["parts"], look)
        is_continued = CONTINUE[0] in command or look == 0
        ended = subprocess.run([*command, *(() if is_continued else CONTINUE)], check=False)
        if ended.returncode:
            return ended.returncode
        row = look_at(rule, look)
        with LOOKS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(text_of(row), flush=True)
        if row["decision"] != "cannot_tell":
            break
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
