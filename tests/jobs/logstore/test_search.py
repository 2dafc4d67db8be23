"""Searches of a whole log, and the dashboard's own requests in a server's log."""

import random
import re
from pathlib import Path

import pytest

from jobs import logstore
from jobs.base import wide_bytes
from jobs.logstore import search, terminal
from jobs.logstore.files import RawLog
from jobs.logstore.search import InvalidExpression, Query

KEY = "job/17"

WORDS = [
    "Loss spiked",
    "loss",
    "spiked",
    "ERROR",
    "12",
    "ab",
    "aab",
    "é",
    "中文",
    "完成",
    "K",
    "ſ",
    "-",
]
SEQUENCES = [
    "\x1b[0m",
    "\x1b[1;31m",
    "\x1b[38;5;9m",
    "\x1b[K",
    "\x1b[?25l",
    "\x1b]0;t\x07",
    "\x1b(B",
]
# Half of a sequence, redraws, other control characters, bytes that are no UTF-8.
ODD = ["\x1b[ 3", "\x1b ", "\r", "\b", "\0", "\x01", "\udcff", "\udce4\udcb8", "\udced\udca0\udc80"]
TEXTS = [
    "loss spiked",
    "Loss",
    "spiked",
    "a",
    "k",
    "12",
    "0m",
    "m",
    "ab ",
    "中文",
    "é",
    "É",
    "[",
    "x",
]
EXPRESSIONS = [
    "loss sp[a-z]+ed",
    "Loss|ab",
    "^ab",
    "ed ?$",
    ".",
    "[^a]",
    "[完中]",
    "s",
    "a.?b",
    "x*",
]


def made_log(chance):
    """Bytes of some lines; half of the logs have sequences, a quarter also what is odd."""
    sequences, odd = chance.choice([(0, 0), (0, 0), (0.2, 0), (0.2, 0.1)])
    text = []
    for _ in range(chance.choice([1, 8, 30])):
        for word in chance.choices(WORDS, k=chance.randrange(6)):
            if chance.random() < sequences:
                cut = chance.randrange(len(word) + 1)
                word = word[:cut] + chance.choice(SEQUENCES) + word[cut:]
            text += [word, chance.choice(ODD) + " " if chance.random() < odd else " "]
        text.append("\n")
    return "".join(text).encode(errors="surrogateescape")[: -chance.randrange(2) or None]


def wanted_of(shown, query):
    """For each line the number of matches, by Python's own means."""
    if not query.regex and query.text.isascii():
        text = query.text.encode()
        shown = shown.lower() if query.text == query.text.lower() else shown
        return [line.count(text) for line in shown.split(b"\n")]
    flags = re.IGNORECASE if query.text == query.text.lower() else 0
    expression = re.compile(query.text if query.regex else re.escape(query.text), flags)
    text = re.sub("[\udc80-\udcff]", "\x7f", shown.decode(errors="surrogateescape"))
    found = (expression.finditer(line) for line in text.split("\n"))
    return [sum(match.end() > match.start() for match in matches) for matches in found]


@pytest.mark.parametrize("part", range(4))
def test_matches_of_a_thousand_made_logs_are_those_of_a_plain_search(tmp_path, monkeypatch, part):
    monkeypatch.setattr(search, "READ_BYTES", 700)
    monkeypatch.setattr(search, "STEP_BYTES", 64)
    path = tmp_path / "17.log"
    for number in range(part, 1000, 4):
        chance = random.Random(number)
        log = made_log(chance)
        text, is_regex = chance.choice(
            [(chance.choice(TEXTS), False), (chance.choice(EXPRESSIONS), True)]
        )
        query = Query(text, regex=is_regex, limit=5000)
        path.write_bytes(log)

        result = search.search_file(path, query)

        chunks = (log[at : at + 700] for at in range(0, len(log), 700))
        counts = wanted_of(b"".join(terminal.plain_stream(chunks)), query)
        starts = [0, *(match.end() for match in re.finditer(b"\n", log))]
        wanted = [(n, starts[n - 1], count) for n, count in enumerate(counts, 1) if count]
        assert [(m.line, m.offset, m.count) for m in result.rows] == wanted, (number, query)
        assert (result.total, result.lines) == (sum(counts), len(wanted)), (number, query)


def test_a_processor_without_wide_instructions_is_named(monkeypatch, caplog):
    monkeypatch.setattr(wide_bytes.stringzilla, "__capabilities__", ("serial",))

    wide_bytes.warn_if_narrow()

    assert "Searches are slow" in caplog.text


@pytest.mark.parametrize(
    "pattern",
    [
        *("loss sp[a-z]+ed", "[0-9a-f]+", r"\bno\b", "[^a-z ]+", "é+", "a.c$", "^x", "k"),
        # What stands for a capital without being one.
        *(r"\x4c", r"[\x41-\x5a]", "[@-_]+", "[!-@]", "[0-f]+", r"(?i:a)b", r"\101", "[+-a]"),
    ],
)
def test_a_lowercase_expression_finds_what_ignoring_case_does(logs, pattern):
    chance = random.Random(pattern)
    pieces = ["Loss SPIKED", "aBc", "LL", "X^_@", "NO", "no", "É", "é", "K", "12 AF", "+-a", "x"]
    text = ["".join(chance.choices([*pieces, " "], k=5)) for _ in range(2000)]
    logs.append(KEY, 0, "\n".join(text).encode())
    # Of RE2 a word's edge is that of an ASCII word.
    wanted = re.compile(pattern, re.IGNORECASE | (re.ASCII if "\\b" in pattern else 0))

    result = logs.search(KEY, Query(pattern, regex=True, limit=5000))

    counts = [sum(m.end() > m.start() for m in wanted.finditer(line)) for line in text]
    assert result.total == sum(counts)
    assert [m.line for m in result.rows] == [n for n, count in enumerate(counts, 1) if count]


@pytest.mark.parametrize(
    ("pattern", "lines", "total"),
    [
        ("[完]", [1, 4], 2),
        ("^.{2} 中文", [1], 1),
        (r"\u4e2d\u6587", [1], 1),
        (r"[\u4e00-\u9fff]+", [1, 4], 4),
        (r"\u006cine", [2, 3], 2),
        (r"\\u4e2d", [], 0),
        ("[^a-z ]{3}", [1], 1),
        (r"\S+", [1, 2, 3, 4], 7),
        (r"line\S", [], 0),
        (r"LINE\b", [3], 1),
    ],
)
def test_an_expression_with_a_capital_letter_minds_case(logs, pattern, lines, total):
    logs.append(KEY, 0, "完成 中文行\nline two\nLINE\n中 完\n".encode())

    result = logs.search(KEY, Query(pattern, regex=True))

    assert ([match.line for match in result.rows], result.total) == (lines, total)


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [("^-*$", 10_000), ("^-*$", 5), ("(loss )?5", 10), (r"foo\s*$", 10), (r"\Afoo\Z", 10)],
)
def test_lines_at_the_edges_of_its_parts_are_counted_once(logs, pattern, limit):
    texts = ["", "-----", "loss 5", "foo", "foo  "]
    text = [texts[n % len(texts)] for n in range(20_000)]
    logs.append(KEY, 0, "\n".join(text).encode() + b"\n")
    wanted = re.compile(pattern)
    counts = [sum(m.end() > m.start() for m in wanted.finditer(line)) for line in text]

    result = logs.search(KEY, Query(pattern, regex=True, limit=limit))

    assert (result.total, result.lines) == (sum(counts), sum(map(bool, counts)))


def test_a_search_is_of_the_log_as_it_was_when_it_began(logs, monkeypatch):
    text = b"match\n" * 100_000
    logs.append(KEY, 0, text)
    pread, grown = RawLog.pread, []

    def grows(self, count, offset):
        if not grown:
            grown.append(True)
            logs.append(KEY, len(text), text)
        return pread(self, count, offset)

    monkeypatch.setattr(RawLog, "pread", grows)

    result = search.search_file(logs.path(KEY), Query("match"))

    assert grown
    assert (result.total, result.lines) == (100_000, 100_000)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(.*)*b$", r"(\w+\s?)+$", "(a?){30}a{30}$"]
)
def test_no_expression_is_slow_on_a_line_made_for_it(logs, pattern):
    logs.append(KEY, 0, b"a" * 50_000 + b"!\n" + b"aaab\n")

    # Hours with an engine that backtracks: the test's own end would come first.
    result = search.search_file(logs.path(KEY), Query(pattern, regex=True))

    assert [match.line for match in result.rows] in ([], [2])


@pytest.mark.parametrize("pattern", [r"(?<=loss )5", r"(?=x)", r"(?!x)", r"(.)\1"])
def test_what_takes_exponential_time_is_refused_with_a_reason(logs, pattern):
    logs.append(KEY, 0, b"loss 5\n")

    with pytest.raises(InvalidExpression, match="look-arounds and back references"):
        logs.search(KEY, Query(pattern, regex=True))


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[", "a{99999}", "(a{1000}){1000}", "(" * 5000, "\\", "*"]
)
def test_what_is_no_expression_is_refused_in_few_words(logs, pattern):
    logs.append(KEY, 0, b"loss 5\n")

    with pytest.raises(InvalidExpression) as refused:
        logs.search(KEY, Query(pattern, regex=True))

    assert 0 < len(str(refused.value)) <= 200


def test_a_byte_that_is_no_character_is_matched_by_a_dot(logs):
    logs.append(KEY, 0, b"\xe5\xae\x8c \xff\xfe end\nplain\n")

    result = logs.search(KEY, Query("^. .. end$", regex=True))

    assert [match.line for match in result.rows] == [1]


REAL = Path(__file__).parent.parent.parent / "data" / "vllm-0.32" / "vllm_serve.log"
POLL = b'INFO:     127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK\n'
COLOURED = (
    b'\x1b[32mINFO\x1b[0m:  1:2 - "\x1b[1mGET /metrics HTTP/1.1\x1b[0m" \x1b[32m200 OK\x1b[0m\n'
)


@pytest.fixture
def log(settings, tmp_path):
    """A function that appends to the server log."""
    settings.DATA_DIR = tmp_path
    store = logstore.LogStore(tmp_path / "logs")
    store.write = lambda data: store.append(KEY, store.size(KEY), data)
    return store


def test_a_real_log_has_its_requests_found_by_line(log):
    log.write(REAL.read_bytes())

    polls = log.polls(KEY, 0)

    lines = REAL.read_bytes().split(b"\n")
    wanted = [
        n for n, line in enumerate(lines, 1) if b"/health HTTP" in line or b"/metrics HTTP" in line
    ]
    hidden = [n for first, last in polls.ranges for n in range(first, last + 1)]
    assert hidden == [n for n in wanted if b" 200 " in lines[n - 1]] and hidden
    assert polls.is_done


def test_failed_requests_and_those_of_others_are_shown(log):
    log.write(POLL + COLOURED)
    log.write(POLL.replace(b"200 OK", b"503 Service Unavailable"))
    log.write(POLL.replace(b"GET /health", b"POST /v1/chat/completions"))
    log.write(POLL.replace(b"/health", b"/healthy"))
    log.write(b"ERROR 200 GET /health\n" + POLL)

    assert log.polls(KEY, 0).ranges == ((1, 2), (7, 7))


def test_it_goes_on_where_it_left_off_and_a_half_line_waits(log):
    log.write(POLL + b"a\n" + POLL[:20])
    first = log.polls(KEY, 0)
    log.write(POLL[20:] + POLL)
    more = log.polls(KEY, first.to)

    assert (first.to, first.ranges, first.lines) == (len(POLL) + 2, ((1, 1),), 3)
    assert (more.ranges, more.lines) == (((3, 4),), 4)
    assert (log.polls(KEY, more.to).ranges, log.polls(KEY, more.to).lines) == ((), 4)


def all_polls(log):
    ranges, to, done = [], 0, False
    while not done:
        part = log.polls(KEY, to)
        ranges, to, done = [*ranges, *part.ranges], part.to, part.is_done
    return ranges


def test_a_long_log_is_looked_through_in_parts(log, monkeypatch):
    monkeypatch.setattr(search, "SCAN_BYTES", 1000)
    log.write((POLL + b"x\n") * 100)

    assert all_polls(log) == [(n, n) for n in range(1, 200, 2)]


def test_only_the_end_of_a_very_long_log_is_looked_through(log, monkeypatch):
    monkeypatch.setattr(search, "MOST_BYTES", 10 * len(POLL))
    log.write(POLL * 100)

    assert log.polls(KEY, 0).ranges == ((92, 100),)


def test_a_line_without_an_end_is_passed(log, monkeypatch):
    monkeypatch.setattr(search, "SCAN_BYTES", 1000)
    log.write(bytes(2500) + b"\n" + POLL)

    assert all_polls(log) == [(2, 2)]


@pytest.mark.parametrize(
    "line",
    [
        b'INFO:     127.0.0.1:5 - "GET /v1/models?by=vacc-dashboard HTTP/1.1" 200 OK\n',
        b"[2026-11-27 09:26:01] [llmdeploy] [info] GET /v1/models?by=vacc-dashboard 200\n",
    ],
)
def test_marked_requests_are_hidden_and_peoples_are_shown(log, line):
    log.write(line + line.replace(b"?by=vacc-dashboard", b""))
    log.write(line.replace(b"200", b"503") + line.replace(b"GET", b"POST") + line)

    assert log.polls(KEY, 0).ranges == ((1, 1), (5, 5))
