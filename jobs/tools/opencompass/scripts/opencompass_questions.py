"""Questions of this dashboard for OpenCompass 0.5: data set, client, evaluator.

Prompts are those of ask_and_score.py, rules those of scoring.py and reasoning.py: all lie beside
this file, so that OpenCompass and EvalScope ask and score the same.

OpenCompass keeps no finish reason and no tokens. The client adds a line an answer to .asked.jsonl
(-r takes a name without a dot for a run): {"prompt", "finish", "input_tokens", "output_tokens",
"seconds"}, or {"prompt", "error"}; "set" is the question's file, "samples" the answers to a
question, "right" its verdict. OpenCompass saves answers in the order of the questions, so a kill
loses those that came early: a continued run takes them from .texts.jsonl, and asks no more.
"""

import contextlib
import functools
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path

import reasoning
import scoring
from ask_and_score import PROMPTS, full_question
from datasets import Dataset
from opencompass.datasets.base import BaseDataset
from opencompass.models import OpenAISDK
from opencompass.openicl.icl_evaluator import BaseEvaluator

ASKED, TEXTS = Path("outputs/.asked.jsonl"), Path("outputs/.texts.jsonl")
SAVED = "outputs/*/predictions/*/tmp_*.jsonl"  # OpenCompass's own, of sets that are not complete
# Without a tokenizer: bytes of a token, at least. Only prompts that can never fit are refused.
TOKEN_BYTES = 8
_writing, _taking = threading.Lock(), threading.Lock()
_heard = threading.local()


def prompt_of(record):
    benchmark = "choice_letters" if "A" in record else "short_answers"
    return PROMPTS[benchmark, record["language"]].format(question=full_question(record))


class Questions(BaseDataset):
    """Lines of a JSONL file; ``asked`` has the prompt, ``record`` the line."""

    @staticmethod
    def load(path):
        with Path(path).open(encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        return Dataset.from_list(
            [
                {"asked": prompt_of(record), "record": json.dumps(record, ensure_ascii=False)}
                for record in records
            ]
        )


class Client(OpenAISDK):
    """OpenCompass's client without a tokenizer. An unfinished thought stays one: the original
    returns it as the answer."""

    def _init_tokenizer(self):
        """Load none: it would come from a hub."""

    def get_token_len(self, prompt):
        """Return a lower bound of the prompt's tokens."""
        return len(prompt.encode()) // TOKEN_BYTES

    def _create_fresh_client(self):
        self.http_client_cfg = {
            **self.http_client_cfg,
            "event_hooks": {"response": [_hear]},
            "trust_env": False,
        }
        # The library would send each of the tool's attempts three times.
        return super()._create_fresh_client().with_options(max_retries=0)

    def _generate(self, input, max_out_len, temperature):
        prompt = _text_of(input)
        text = _take_unsaved(prompt)
        if text is not None:
            return text
        _heard.answer, began = None, time.monotonic()
        try:
            text = super()._generate(input, max_out_len, temperature)
        except Exception as error:
            line = {"prompt": prompt, "error": str(error)[:300]}
            _append(ASKED, line | _set_and_verdict(prompt, None))
            return ""
        answer = _heard.answer or {}
        choice = (answer.get("choices") or [{}])[0]
        usage, message = answer.get("usage") or {}, choice.get("message") or {}
        seconds = round(time.monotonic() - began, 3)
        thought = message.get("reasoning_content") or message.get("reasoning") or ""
        if thought:
            content = message.get("content") or ""
            text = reasoning.tagged(thought, content)
        is_cut = choice.get("finish_reason") == "length"
        _append(
            ASKED,
            {
                "prompt": prompt,
                "finish": choice.get("finish_reason"),
                "input_tokens": usage.get("prompt_tokens"),
                "output_tokens": usage.get("completion_tokens"),
                "seconds": seconds,
                **_set_and_verdict(prompt, text, is_cut=is_cut),
            },
        )
        _append(TEXTS, {"prompt": prompt, "text": text})
        return text


@functools.cache
def _asked():
    """Return file name and question of each prompt of the job."""
    return {
        prompt_of(record): (path.stem, record)
        for path in sorted(Path("../files").glob("*.jsonl"))
        for record in _lines(path)
    }


def _set_and_verdict(prompt, text, *, is_cut=False):
    if prompt not in _asked():
        return {}
    name, record = _asked()[prompt]
    of_set = {"set": name, "samples": int(os.environ.get("SAMPLES", "1"))}
    if text is None:
        return of_set
    return {**of_set, "right": _verdict(record, text, is_cut=is_cut).right}


def _verdict(record, text, *, is_cut):
    return scoring.score(record, reasoning.parts(text, ended=True).answer, cut=is_cut)


def _hear(response):
    """Keep the engine's answer for the thread that asked."""
    response.read()
    try:
        answer = response.json()
    except ValueError:
        answer = None
    _heard.answer = answer if isinstance(answer, dict) else None


def _text_of(prompt):
    return prompt if isinstance(prompt, str) else "".join(part["prompt"] for part in prompt)


def _append(path, line):
    # One write: a kill leaves no half of a line.
    content = (json.dumps(line, ensure_ascii=False) + "\n").encode()
    with _writing, path.open("ab", buffering=0) as file:
        file.write(content)


def _lines(path):
    """Return the lines of a file, without one that a kill cut; none where it is not there."""
    lines = []
    with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
    return lines


@functools.cache
def _unsaved():
    """Return answers of an earlier process that OpenCompass had not saved, by prompt."""
    saved = Counter(
        _text_of(line["origin_prompt"]) for path in Path().glob(SAVED) for line in _lines(path)
    )
    texts = {}
    for line in _lines(TEXTS):
        texts.setdefault(line["prompt"], []).append(line["text"])
    return {prompt: answers[saved[prompt] :] for prompt, answers in texts.items()}


def _take_unsaved(prompt):
    with _taking:
        answers = _unsaved().get(prompt)
        return answers.pop(0) if answers else None


class Rules(BaseEvaluator):
    """Evaluator with the rules of scoring.py. Each detail names the rule that decided."""

    def score(self, predictions, references, test_set):
        cut = {line["prompt"] for line in _lines(ASKED) if line.get("finish") == "length"}
        details = {}
        for index, (text, row) in enumerate(zip(predictions, test_set, strict=True)):
            record = json.loads(row["record"])
            verdict = _verdict(record, text, is_cut=row["asked"] in cut)
            details[str(index)] = {
                "id": record["id"],
                "pred": text,
                "parsed": verdict.taken,
                "refr": record["answers"],
                "correct": verdict.right,
                "rule": f"{verdict.rule}@{scoring.VERSION}",
            }
        right = sum(detail["correct"] for detail in details.values())
        return {"accuracy": 100 * right / max(1, len(details)), "details": details}
