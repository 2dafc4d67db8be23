"""Run EvalScope with two more benchmarks, for questions that a small model can answer too.

short_answers: right when the answer contains an accepted one. EvalScope 1.14 compares whole
answers only, so "The capital is Paris." would not match "Paris". Question and answer are brought to
one form (Unicode NFKC, lower case, one kind of space, no commas inside numbers), and an accepted
answer counts when no letter or digit stands beside it: 4 is not in 14, nor in 4.5 or -4. Chinese
has no spaces between words, so there the text alone counts.

choice_letters: right when the last letter that is named as a choice ("B", "B)", "B.") is the right
one. EvalScope's own reading falls back to the last capital letter, so that "A) Bus" would say B.

What stands in <think> tags counts in neither. The command line is EvalScope's own:
`python ask_and_score.py eval --datasets short_answers choice_letters ...`.
"""

import logging
import re
import sys
import unicodedata

PROMPTS = {
    ("short_answers", "en"): "Answer with a short sentence: {question}",
    ("short_answers", "zh"): "请用一句话简短回答：{question}",
    ("choice_letters", "en"): "{question}\nAnswer with the letter of the right choice only.",
    ("choice_letters", "zh"): "{question}\n只回答正确选项的字母。",
}
LETTERS = "ABCDEFGHIJ"
COMMA_IN_NUMBER = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
SPACES = re.compile(r"\s+")
THOUGHTS = re.compile(r"^.*?</think>|<think>.*$", re.DOTALL)
NAMED_LETTER = re.compile(r"(?<![A-Za-z0-9])([A-J])(?=[)\]}.:,;*。]|\s*$)", re.MULTILINE)


def said(answer):
    """The answer without its thoughts, open ones included."""
    return unicodedata.normalize("NFKC", THOUGHTS.sub("", answer)).strip()


def plain(text):
    """The text in the form in which it is compared."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return SPACES.sub(" ", COMMA_IN_NUMBER.sub("", text)).strip()


def contains(answer, accepted):
    """True when `answer` contains one of the `accepted` answers."""
    text = plain(said(answer))
    return any(re.search(_pattern(plain(item)), text) for item in accepted if plain(item))


def letter_of(answer, letters):
    """The choice that `answer` names last, "" for none."""
    named = [letter for letter in NAMED_LETTER.findall(said(answer)) if letter in letters]
    return named[-1] if named else ""


def _pattern(item):
    before = after = ""
    if item[0].isascii() and item[0].isalnum():
        before = r"(?<![a-z0-9])"
    if item[-1].isascii() and item[-1].isalnum():
        after = r"(?![a-z0-9])"
    if item[0].isdigit():
        # A minus right before a number is its own, unless another number ends there ("10-4").
        before += r"(?<!\d\.)(?<!(?<!\d)-)"
    if item[-1].isdigit():
        after += r"(?!\.\d)"
    return before + re.escape(item) + after


def full_question(record):
    """The question, with its choices where it has some."""
    choices = [f"{letter}) {record[letter]}" for letter in LETTERS if letter in record]
    return "\n".join([record["question"], *choices])


def register():
    """Make EvalScope know both benchmarks.

    EvalScope is imported here, so that the rules above can be used without it.
    """
    from evalscope.api.benchmark import BenchmarkMeta, DefaultDataAdapter  # noqa: PLC0415 -- see above
    from evalscope.api.dataset import Sample  # noqa: PLC0415
    from evalscope.api.metric import Metric  # noqa: PLC0415
    from evalscope.api.registry import register_benchmark, register_metric  # noqa: PLC0415

    @register_metric(name="contains_answer")
    class ContainsAnswer(Metric):
        def prepare_reference(self, target):
            return list(target.values)

        def apply(self, predictions, references):
            pairs = zip(predictions, references)  # noqa: B905 -- Python 3.9 may run this
            return [float(contains(answer, accepted)) for answer, accepted in pairs]

    def meta(name, title, metric):
        return BenchmarkMeta(
            name=name,
            pretty_name=title,
            description=__doc__,
            dataset_id=name,
            metric_list=[metric],
            few_shot_num=0,
            train_split=None,
            eval_split="test",
            prompt_template="{question}",
        )

    class Adapter(DefaultDataAdapter):
        def load_from_disk(self, **kwargs):
            return super().load_from_disk(use_local_loader=True, **kwargs)

        def record_to_sample(self, record):
            question = full_question(record)
            prompt = PROMPTS[self.name, record["language"]].format(question=question)
            kept = {"id": record["id"], "category": record["category"], "question": question}
            kept["letters"] = "".join(letter for letter in LETTERS if letter in record)
            return Sample(input=prompt, target=record["answers"], metadata=kept)

    @register_benchmark(meta("short_answers", "Short answers", "contains_answer"))
    class ShortAnswers(Adapter):
        pass

    @register_benchmark(meta("choice_letters", "Multiple choice", "exact_match"))
    class ChoiceLetters(Adapter):
        def extract_answer(self, prediction, task_state):
            return letter_of(prediction, task_state.metadata["letters"])


if __name__ == "__main__":
    from evalscope.cli.cli import run_cmd

    register()
    # A line for each request would tear the progress bar apart.
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.exit(run_cmd())
