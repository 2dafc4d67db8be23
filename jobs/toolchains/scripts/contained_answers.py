"""Run EvalScope with one more benchmark: questions scored by "the answer contains it".

EvalScope 1.14 compares whole answers, so "The capital is Paris." would not match "Paris". The rule
here: question and answer are brought to one form (Unicode NFKC, lower case, one kind of space, no
commas inside numbers); the answer is right when it holds one of the accepted answers and does so as
a word of its own, that is, with no letter or digit of the same script beside it (4 is not in 14).
Chinese has no spaces between words, so there the text alone counts, but digits stay whole.

The command line is EvalScope's own: `python contained_answers.py eval --datasets contained ...`.
"""

import re
import sys
import unicodedata

COMMA_IN_NUMBER = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
SPACES = re.compile(r"\s+")
THOUGHTS = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)


def plain(text):
    """The text in the form in which it is compared."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return SPACES.sub(" ", COMMA_IN_NUMBER.sub("", text)).strip()


def is_contained(answer, accepted):
    """True when `answer` holds one of the `accepted` answers; its thoughts do not count."""
    spoken = plain(THOUGHTS.sub("", answer))
    return any(_holds(spoken, plain(item)) for item in accepted)


def _holds(text, item):
    if not item:
        return False
    # A decimal point or a minus sign beside a number makes it another number.
    before = r"(?<![a-z0-9])(?<!\d\.)(?<!-)" if item[0].isdigit() else ""
    after = r"(?![a-z0-9])(?!\.\d)" if item[-1].isdigit() else ""
    if item[0].isascii() and item[0].isalpha():
        before = r"(?<![a-z0-9])"
    if item[-1].isascii() and item[-1].isalpha():
        after = r"(?![a-z0-9])"
    return re.search(before + re.escape(item) + after, text) is not None


def register():
    """Make EvalScope know the benchmark `contained` and its score.

    EvalScope is imported here, so that the rule above can be used without it.
    """
    from evalscope.api.benchmark import BenchmarkMeta, DefaultDataAdapter  # noqa: PLC0415
    from evalscope.api.dataset import Sample  # noqa: PLC0415
    from evalscope.api.metric import Metric  # noqa: PLC0415
    from evalscope.api.registry import register_benchmark, register_metric  # noqa: PLC0415

    @register_metric(name="contains_answer")
    class ContainsAnswer(Metric):
        def prepare_reference(self, target):
            return list(target.values)

        def apply(self, predictions, references):
            pairs = zip(predictions, references, strict=True)
            return [float(is_contained(answer, accepted)) for answer, accepted in pairs]

    @register_benchmark(
        BenchmarkMeta(
            name="contained",
            pretty_name="Contained answers",
            description="Short questions. Right when the answer contains an accepted one.",
            dataset_id="contained",
            metric_list=["contains_answer"],
            few_shot_num=0,
            train_split=None,
            eval_split="test",
            prompt_template="{question}",
        )
    )
    class ContainedAdapter(DefaultDataAdapter):
        def load_from_disk(self, **kwargs):
            return super().load_from_disk(use_local_loader=True, **kwargs)

        def record_to_sample(self, record):
            kept = {key: record[key] for key in ("id", "category") if key in record}
            return Sample(input=record["question"], target=record["answers"], metadata=kept)


if __name__ == "__main__":
    from evalscope.cli.cli import run_cmd

    register()
    sys.exit(run_cmd())
