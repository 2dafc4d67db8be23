"""Messages of hosts of any version."""

import ast
import json
from pathlib import Path

import pytest

from dashboard.text.messages import MESSAGES, message
from jobs.base.bounds import LINES, TORN_LINES
from jobs.base.errors import PlanError
from jobs.base.messages import OF_HOSTS, UNKNOWN
from jobs.host_protocol import BadMessage, Finding, parse_events, parse_points, read

HOST_CODE = Path(__file__).parents[3] / "jobs" / "host"


def sent_by_hosts():
    """Ids of messages in the code of hosts: texts that are an id, or the end of a check's."""
    trees = [ast.parse(path.read_text()) for path in HOST_CODE.rglob("*.py")]
    texts = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {name for text in texts for name in (text, f"check:{text}")}
    return (named & MESSAGES.keys()) | {PlanError.id}


def test_the_list_has_all_that_hosts_send_and_no_more():
    assert sent_by_hosts() == OF_HOSTS


ENDED = {
    **{"type": "ended", "at": 1.0, "verdict": "failed", "exit_code": 1, "duration_s": 1.0},
    **{"log_bytes": 0, "log_sha256": "", "points_bytes": 0, "outputs": []},
}
FORGED = {"message_id": "endpoint:key_refused", "message_args": {"name": "T", "url": "http://e"}}
REPLACED = {**FORGED["message_args"], "id": FORGED["message_id"]}


def test_a_host_does_not_speak_for_the_dashboard():
    ended = ended_with(**FORGED)

    assert (ended.message_id, ended.message_args) == (UNKNOWN, REPLACED)
    assert "Secret" not in message(ended.message_id, ended.message_args)


def test_a_finding_has_no_words_of_the_dashboard():
    found = read(Finding, {"name": "disk", "level": "failed", **FORGED})

    assert (found.message_id, found.message_args) == (UNKNOWN, REPLACED)


def ended_with(**fields):
    (ended,) = parse_events([json.dumps({**ENDED, **fields}).encode()])
    return ended


@pytest.mark.parametrize(
    "args",
    [None, ["a"], {"failure": "x"}, {"deep": {"er": {"a": 1}}}, {str(n): 1 for n in range(64)}],
)
def test_an_unknown_message_with_arguments_of_another_form_still_closes_a_job(args):
    ended = ended_with(message_id="new:one", message_args=args)

    assert (ended.message_id, ended.message_args) == (UNKNOWN, {"id": "new:one"})


@pytest.mark.parametrize("name", ["done", "work:exit", "policy:root"])
def test_a_message_of_hosts_stays(name):
    ended = ended_with(message_id=name, message_args={"step": "a"})

    assert (ended.message_id, ended.message_args) == (name, {"step": "a"})


def points(lines):
    return parse_points(b"\n".join(lines))


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ([b'{"type": "a later one", "w": "w", "t": 1, "v": {}}'] * (LINES + 1), f"{LINES} lines"),
        ([b"{"] * (TORN_LINES + 1), f"{TORN_LINES} lines are no JSON"),
    ],
    ids=["too many", "too many torn"],
)
@pytest.mark.parametrize("parse", [parse_events, points])
def test_a_chunk_has_bounds(parse, lines, refusal):
    with pytest.raises(BadMessage, match=f"more than {refusal}"):
        parse(lines)


@pytest.mark.parametrize("parse", [parse_events, points])
def test_torn_lines_are_counted_in_one_line_of_the_log(parse, caplog):
    assert not any(parse([b"{"] * TORN_LINES))

    (record,) = caplog.records
    assert f"{TORN_LINES} lines are no JSON object" in record.getMessage()
