"""Run EvalScope with two more benchmarks, for questions that a small model can answer too.

short_answers: EvalScope 1.14 compares whole answers only, so "The capital is Paris." would not
match "Paris". choice_letters: EvalScope's own reading falls back to the last capital letter, so
that "A) Bus" would say B. When an answer is right is in scoring.py, which lies beside this file
(jobs/host/scoring.py); each review says by which of its rules it was scored.

The command line is EvalScope's own:
`python ask_and_score.py eval --datasets short_answers choice_letters ...`.
"""

import logging
import sys

PROMPTS = {
    ("short_answers", "en"): "{question}\nAnswer with one short sentence.",
    ("short_answers", "zh"): "请用一句话简短回答：{question}",
    ("choice_letters", "en"): "{question}\nAnswer with the letter of the right choice only.",
    ("choice_letters", "zh"): "{question}\n只回答正确选项的字母。",
}
LETTERS = "ABCDEFGHIJ"
CUT = "max_tokens"  # EvalScope's word for what OpenAI calls "length"
METRIC = "accuracy"  # EvalScope's own name; the score itself is made here
SCORED_BY = ("question", "answers", "not_in")


def full_question(record):
    choices = [f"{letter}) {record[letter]}" for letter in LETTERS if letter in record]
    return "\n".join([record["question"], *choices])


def register():
    """Make EvalScope know both benchmarks. EvalScope is imported here, so that what stands above
    can be used without it."""
    import reasoning  # noqa: PLC0415 -- beside this file, in the job's folder
    import scoring  # noqa: PLC0415 -- as above
    from evalscope.api.benchmark import BenchmarkMeta, DefaultDataAdapter  # noqa: PLC0415
    from evalscope.api.dataset import Sample  # noqa: PLC0415
    from evalscope.api.metric import Score  # noqa: PLC0415
    from evalscope.api.registry import register_benchmark  # noqa: PLC0415

    def meta(name, title):
        return BenchmarkMeta(
            name=name,
            pretty_name=title,
            description=__doc__,
            dataset_id=name,
            metric_list=[METRIC],
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
            kept["record"] = {key: record[key] for key in (*SCORED_BY, *LETTERS) if key in record}
            return Sample(input=prompt, target=record["answers"], metadata=kept)

        def match_score(self, original_prediction, filtered_prediction, reference, task_state):
            verdict = scoring.score(
                task_state.metadata["record"],
                reasoning.parts(original_prediction, ended=True).answer,
                cut=task_state.output.stop_reason == CUT,
            )
            return Score(
                value={METRIC: float(verdict.right)},
                extracted_prediction=verdict.taken,
                prediction=original_prediction,
                metadata={"rule": verdict.rule, "scorer": scoring.VERSION},
                main_score_name=METRIC,
            )

    @register_benchmark(meta("short_answers", "Short answers"))
    class ShortAnswers(Adapter):
        pass

    @register_benchmark(meta("choice_letters", "Multiple choice"))
    class ChoiceLetters(Adapter):
        pass


if __name__ == "__main__":
    from evalscope.cli.cli import run_cmd

    register()
    # A line for each request would tear the progress bar apart.
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.exit(run_cmd())
