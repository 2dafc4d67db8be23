"""An answer as the Markdown text of an issue: question, parameters, answer."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from dashboard.text.answers import TITLES, rule_words, visible
from dashboard.text.labels import result_name
from jobs.models import Answer
from jobs.queries.answers.answer_flags import FLAGS, names
from jobs.queries.answers.answer_list import sampling_of

# Characters of one text. Of reasoning the end is kept, which tells what went wrong.
LONGEST = 4000


def issue_text(answer: Answer, address: str) -> str:
    """Return the text; ``address`` is that of the answer's page."""
    result, marks = answer.result, names(answer.row.marks)
    asked = {name: value for name, value in sampling_of(result).items() if name != "system"}
    facts = {
        _("Result"): f"{result_name(result)}, {result.model_id}, {result.label}".rstrip(", "),
        _("Tool"): result.tool,
        _("Question"): f"{answer.index + 1}, {answer.subset} {answer.question_id}".strip(),
        _("Parameters"): ", ".join(f"{name} {value}" for name, value in asked.items()),
        _("Verdict"): f"{TITLES[answer.row.verdict]}. {rule_words(answer)}",
        _("Flags"): ", ".join(str(TITLES[name]) for name in marks if name in FLAGS),
        _("Finish reason"): answer.finish,
        _("Output tokens"): "" if answer.row.tokens is None else str(answer.row.tokens),
        _("Link"): address,
    }
    lines = [f"- {name}: {_line(text)}" for name, text in facts.items() if text]
    texts = {
        _("Question"): answer.question[:LONGEST],
        _("Expected"): answer.expected[:LONGEST],
        _("Extracted answer"): answer.extracted[:LONGEST],
        _("Answer"): answer.answer[:LONGEST],
        _("End of the reasoning"): answer.reasoning[-LONGEST:],
    }
    blocks = [f"**{name}**\n\n{_fenced(text)}" for name, text in texts.items() if text]
    return "\n\n".join(["\n".join(lines), *blocks]) + "\n"


def _line(text: str) -> str:
    return " ".join(visible(text).split())


def _fenced(text: str) -> str:
    """Return a block that no text can end."""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"
