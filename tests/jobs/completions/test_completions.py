import json
import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.base import bounds
from jobs.completions import (
    ERROR_BYTES,
    PAGE_BYTES,
    Exchange,
    Reply,
    TooLarge,
    error_text,
    parse_reply,
    parse_response,
    parse_stream,
    request_body,
)
from jobs.reasoning import parts as parts_of
from jobs.reasoning import tagged

DATA = Path(__file__).parents[2] / "data"
VECTORS_FILE = DATA / "reasoning_vectors.json"
VECTORS = json.loads(VECTORS_FILE.read_text())
STREAMS_FILE = DATA / "stream_vectors.json"
STREAMS = json.loads(STREAMS_FILE.read_text())
REASONING_JS = Path(__file__).parents[3] / "static/js/lib/reasoning.js"
SSE_JS = REASONING_JS.with_name("sse.js")


def stream(*deltas, finish="stop", usage=None):
    """The bytes of a stream with these deltas, as engines send it."""
    lines = [{"choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas]
    lines.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    if usage:
        lines.append({"choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(x).encode() + b"\n\n" for x in lines) + b"data: [DONE]\n"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_text_with_think_tags_is_split(vector):
    switches = {name: vector[name] for name in ("expected", "implicit") if name in vector}

    parts = parts_of(vector["text"], ended=vector["ended"], **switches)[:2]

    assert parts == (vector["reasoning"], vector["answer"])


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ("4", "none"),
        ("Write `</think>` at the end.", "none"),
        ("R1 opens with <think> first.", "none"),
        ("<think>a", "open"),
        ("Sure.\n<think>a", "open"),
        ("<think>a</think>4.<think>b", "open"),
        ("a</think>4", "closed"),
        ("<think>a</think>4", "closed"),
        ("<think>a<think>b</think>4", "closed"),
    ],
)
def test_a_thought_that_did_not_end_is_open(text, thought):
    assert parts_of(text, ended=True).thought == thought


class Counted(str):
    """A text that counts its characters each time that they are read."""

    read = 0

    def __getitem__(self, key):
        piece = super().__getitem__(key)
        self.read += len(piece)
        return piece

    def find(self, mark, *bounds):
        at = super().find(mark, *bounds)
        self.read += (len(self) if at < 0 else at) - (bounds[0] if bounds else 0)
        return at


@pytest.mark.parametrize("line", ["a <think> b\n", "a </think> b\n", "` <think>\n", "<think> "])
@pytest.mark.parametrize("before", ["word ", "```\n", "`", "\n", " "])
def test_a_text_is_read_once_however_many_tags_it_has(before, line):
    counts = []
    for tags in (1, 200):
        text = Counted(before * 20_000 + line * tags + before * 20_000)
        parts_of(text, ended=True)
        counts.append(text.read / len(text))

    assert max(counts) < 12, counts


def node(script, *args):
    if not shutil.which("node"):
        pytest.skip("needs node")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script, *args],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_browser_splits_like_the_server():
    script = f"""
        import {{ readFileSync }} from "node:fs";
        const js = readFileSync({json.dumps(str(REASONING_JS))}, "utf8");
        const {{ split }} = await import("data:text/javascript," + encodeURIComponent(js));
        const vectors = JSON.parse(readFileSync({json.dumps(str(VECTORS_FILE))}));
        const parts = (v) => split(v.text, v.ended, v.expected, v.implicit);
        console.log(JSON.stringify(vectors.map(parts)));
    """

    assert node(script) == [{"reasoning": v["reasoning"], "answer": v["answer"]} for v in VECTORS]


READERS = f"""
    import {{ readFileSync }} from "node:fs";
    const load = (path) =>
      import("data:text/javascript," + encodeURIComponent(readFileSync(path, "utf8")));
    const {{ EventDecoder }} = await load({json.dumps(str(SSE_JS))});
    const split = (one) => {{
      const {{ reasoning, answer }} = one.parts(true);
      return {{ reasoning, answer }};
    }};
    const {{ Gatherer }} = await load({json.dumps(str(REASONING_JS))});
"""


@pytest.mark.parametrize("name", ["llama.cpp/xllamacpp_sse.txt", "vllm/vllm_sse_reasoning.txt"])
def test_the_browser_reads_single_bytes_like_the_server(name):
    script = f"""
        {READERS}
        const decoder = new EventDecoder();
        const gatherer = new Gatherer();
        for (const byte of readFileSync({json.dumps(str(DATA / name))}))
          decoder.push(Uint8Array.of(byte)).forEach((payload) => gatherer.add(payload));
        console.log(JSON.stringify({{ ...split(gatherer), deltas: gatherer.deltas }}));
    """
    reply = parse_stream((DATA / name).read_bytes())

    names = ("reasoning", "answer", "deltas")
    assert node(script) == {name: getattr(reply, name) for name in names}


@pytest.mark.parametrize("vector", STREAMS, ids=lambda v: v["name"])
def test_whatever_an_engine_sends_is_taken_apart(vector):
    status, expected = vector.get("http_status", 200), vector.get("expected", False)

    reply = parse_reply(vector["raw"].encode(), http_status=status, expected=expected)

    wanted = {"error": "", **vector}
    for name in ("reasoning", "answer", "finish_reason", "error"):
        assert getattr(reply, name) == wanted[name], name
    assert reply.deltas == vector.get("deltas", reply.deltas)
    assert reply.completion_tokens == vector.get("tokens")
    assert [[*call] for call in reply.tool_calls] == vector.get("calls", [])


def test_the_browser_parses_like_the_server_wherever_it_is_cut():
    script = f"""
        {READERS}
        const read = (expected, ...pieces) => {{
          const decoder = new EventDecoder(), gatherer = new Gatherer();
          const take = (events) => events.forEach((one, i) => gatherer.add(one, decoder.ats[i]));
          pieces.forEach((piece) => take(decoder.push(piece)));
          take(decoder.end());
          const {{ reasoning, answer }} = gatherer.parts(true, expected);
          const {{ finishReason, deltas, tokens, firstAt, lastAt }} = gatherer;
          const answerAt = gatherer.beginOfAnswer(gatherer.parts(true, expected)).at;
          const at = [firstAt, answerAt, lastAt];
          const hasCalls = gatherer.callsAt >= 0;
          const told = {{ reasoning, answer, hasCalls, finishReason, deltas, tokens, at }};
          return JSON.stringify(told);
        }};
        const told = JSON.parse(readFileSync({json.dumps(str(STREAMS_FILE))})).map((vector) => {{
          const raw = new TextEncoder().encode(vector.raw), expected = vector.expected;
          const bytes = [...raw].map((byte) => Uint8Array.of(byte));
          const halves = bytes.map((_, at) => [raw.subarray(0, at), raw.subarray(at)]);
          const all = [[raw], bytes, ...halves].map((pieces) => read(expected, ...pieces));
          return [...new Set(all)].map(JSON.parse);
        }});
        console.log(JSON.stringify(told));
    """
    answers = node(script)

    for vector, ways in zip(STREAMS, answers, strict=True):
        if vector.get("http_status", 200) >= 400:
            continue
        raw = vector["raw"].encode()
        reply = parse_reply(raw, expected=vector.get("expected", False))
        wanted = {"finishReason": reply.finish_reason, "tokens": reply.completion_tokens or 0}
        wanted |= {"reasoning": reply.reasoning, "answer": reply.answer}
        wanted["hasCalls"] = bool(reply.tool_calls)
        if reply.deltas:  # of an object that was not streamed the server counts no pieces
            places = (reply.first_token_at, reply.first_answer_at, reply.last_token_at)
            wanted["at"] = [-1 if place is None else place for place in places]
            wanted["deltas"] = reply.deltas
        shown = [{name: way[name] for name in wanted} for way in ways]
        assert shown == [wanted], vector["name"]


def bare(raw):
    """A stream as llmdeploy sends it: the same JSON, without ``data:`` and the empty lines."""
    lines = [line.removeprefix(b"data: ") for line in raw.splitlines() if line]
    return b"".join(line + b"\n" for line in lines if line != b"[DONE]")


BARE = bare(
    stream(
        {"role": "assistant", "content": ""},
        {"content": "<think>四"},
        {"content": '五 {"a":'},
        {"content": "</think>é\ndata: {}"},
        {"content": "}🙂"},
        usage={"prompt_tokens": 3, "completion_tokens": 4},
    )
)


def test_a_stream_of_bare_json_is_read_like_one_of_events():
    reply = parse_reply(BARE)

    assert (reply.reasoning, reply.answer) == ('四五 {"a":', "é\ndata: {}}🙂")
    assert (reply.finish_reason, reply.deltas, reply.completion_tokens) == ("stop", 4, 4)
    assert BARE[reply.first_token_at :].startswith(b'{"choices": [{"delta": {"content": "<think>')
    assert parse_reply(BARE[:-1]) == reply  # without the last line's end
    assert parse_reply(BARE.replace(b"\n", b"\r\n")).answer == reply.answer


def test_of_a_cut_stream_of_bare_json_whole_objects_count():
    lines = BARE.splitlines(keepends=True)
    for end in range(len(BARE) + 1):
        whole = sum(len(b"".join(lines[: n + 1]).rstrip()) <= end for n in range(len(lines)))
        wanted = parse_stream(b"".join(lines[:whole]))

        assert parse_reply(BARE[:end]) == wanted, end


def test_the_browser_reads_cut_bare_json_like_the_server(tmp_path):
    choices = [
        {"delta": {"content": "<think>四"}},
        {"delta": {"content": "</think>é 🙂 {}"}},
        {"delta": {}, "finish_reason": "stop"},
    ]
    lines = [json.dumps({"choices": [each]}, ensure_ascii=False) + "\n" for each in choices]
    (tmp_path / "bare").write_text("".join(lines), encoding="utf-8")
    script = f"""
        {READERS}
        const raw = readFileSync({json.dumps(str(tmp_path / "bare"))});
        const read = (...pieces) => {{
          const decoder = new EventDecoder(), gatherer = new Gatherer();
          for (const piece of pieces)
            for (const payload of decoder.push(piece)) gatherer.add(payload);
          return {{ ...split(gatherer), deltas: gatherer.deltas, end: gatherer.finishReason }};
        }};
        const cuts = [...raw.keys()].map((at) => read(raw.subarray(0, at), raw.subarray(at)));
        const bytes = read(...[...raw].map((byte) => Uint8Array.of(byte)));
        const noEnd = read(raw.subarray(0, raw.length - 1));
        console.log(JSON.stringify([...new Set([...cuts, bytes, noEnd].map(JSON.stringify))]));
    """

    (only,) = node(script)

    assert json.loads(only) == {"reasoning": "四", "answer": "é 🙂 {}", "deltas": 2, "end": "stop"}


@pytest.mark.parametrize(
    "line", [b'{"code":500,"msg":"out of memory"}\n', b'{"errorMsg":"out of memory"}\n']
)
def test_an_error_among_bare_json_has_the_engines_words(line):
    begun = BARE.splitlines(keepends=True)[0]

    assert parse_reply(begun + line).error == "out of memory"
    assert parse_reply(line).error == "out of memory"
    assert parse_reply(b'{"code": 200, "msg": "ok", ' + begun[1:]).error == ""
    assert parse_reply(b'{"code": "200", "msg": "ok", ' + begun[1:]).error == ""


@pytest.mark.parametrize("error", [{"errorMsg": "too long"}, {"code": 500, "msg": "too long"}])
def test_an_error_beside_an_answer_is_an_error(error):
    choices = [{"message": {"content": "hi"}, "finish_reason": "stop"}]

    reply = parse_reply(json.dumps({"choices": choices, **error}).encode())

    assert (reply.answer, reply.error) == ("hi", "too long")


def test_one_object_instead_of_a_stream_may_span_lines():
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    for indent in (None, 2):
        assert parse_reply(json.dumps(whole, indent=indent).encode()).answer == "hi"


def test_a_llama_cpp_stream_gives_answer_usage_and_reason():
    reply = parse_stream((DATA / "llama.cpp/xllamacpp_sse.txt").read_bytes())

    assert reply.answer.startswith("L'Étoile, la")
    assert (reply.reasoning, reply.error, reply.finish_reason) == ("", "", "length")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.deltas) == (37, 40, 40)
    assert reply.first_answer_at == reply.first_token_at


def test_a_vllm_stream_gives_reasoning_from_its_own_field():
    raw = (DATA / "vllm/vllm_sse_reasoning.txt").read_bytes()

    reply = parse_stream(raw)

    assert reply.reasoning.startswith("The sky is blue because of a process")
    assert reply.answer.endswith("Earth's")
    assert (reply.finish_reason, reply.completion_tokens) == ("length", 160)
    assert b'"content":' in raw[reply.first_answer_at :].splitlines()[0]
    assert b'"reasoning":"The"' in raw[reply.first_token_at :].splitlines()[0]


def test_a_whole_llama_cpp_answer_loses_the_leftover_tag():
    raw = (DATA / "llama.cpp/xllamacpp_chat_reasoning.json").read_bytes().splitlines()[0]

    reply = parse_response(raw)

    assert reply.reasoning.startswith("The sky is blue because")
    assert reply.answer.startswith("The blue color of the sky")
    assert (reply.prompt_tokens, reply.completion_tokens) == (43, 200)


def test_tags_that_are_split_across_deltas_are_found():
    pieces = ["<th", "ink>a", " b</", "think>\n", "\nc", "d"]

    reply = parse_stream(stream(*({"content": piece} for piece in pieces)))

    assert (reply.reasoning, reply.answer, reply.reasoning_deltas) == ("a b", "cd", 4)


def test_the_answer_begins_where_its_first_character_arrived():
    raw = stream({"content": "<think>a"}, {"content": "</think>"}, {"content": "b"})

    reply = parse_stream(raw)

    assert b'"content": "b"' in raw[reply.first_answer_at :].splitlines()[0]


def test_a_cut_stream_keeps_what_came_and_has_no_finish_reason():
    raw = stream({"content": "四"}, {"content": "五"})
    cut = raw[: raw.index(b'"content": "\\u4e94')]

    assert parse_stream(cut) == Reply(
        answer="四", deltas=1, first_token_at=0, first_answer_at=0, last_token_at=0
    )


def test_a_stream_cut_inside_a_character_does_not_break():
    raw = stream({"content": "四"}) + 'data: {"choices":[{"delta":{"content":"五'.encode()
    raw = raw.replace(b"data: [DONE]\n", b"")

    reply = parse_stream(raw[:-1])

    assert (reply.answer, reply.error) == ("四", "")


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"error":{"code":500,"message":"out of memory"}}\n\n',
        b'error: {"code":500,"message":"out of memory"}\n\n',
        b'data: {"object":"error","message":"out of memory","code":500}\n\n',
        b'data: {"error":"out of memory"}\n\n',
    ],
)
def test_an_error_in_a_stream_is_kept_beside_the_text_before_it(line):
    reply = parse_stream(stream({"content": "a"}).split(b"data: [DONE]")[0] + line)

    assert (reply.answer, reply.error) == ("a", "out of memory")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'{"error":{"code":400,"message":"3033 tokens exceed"}}', "3033 tokens exceed"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b"Bad Gateway", "Bad Gateway"),
        (b"", "HTTP 502"),
    ],
)
def test_an_error_has_the_engines_words(raw, text):
    assert error_text(raw, 502) == text
    assert parse_stream(raw, http_status=502) == Reply(error=text)


def test_an_error_page_is_read_at_its_begin_only():
    head = b"<html>" + b" " * PAGE_BYTES

    assert error_text(head + b"<title>Bad Gateway</title>", 502) == "HTTP 502"
    assert error_text(b"<html><title>Bad Gateway</title>" + head, 502) == "HTTP 502: Bad Gateway"
    assert len(error_text(b"<html>" + b"<title" * 100_000, 502)) < 600


def test_an_error_of_megabytes_is_no_json():
    text = json.dumps({"error": {"message": "x" * ERROR_BYTES}})

    assert error_text(text.encode(), 500).startswith('{"error"')


def test_halves_of_characters_are_stored_in_no_word_of_an_engine():
    half = b"\\ud83d"
    ends = b'{"choices":[{"delta":{"content":"a"},"finish_reason":"%s"}]}' % half
    one = b'{"choices":[{"message":{"content":"a"},"finish_reason":"%s"}],"error":"%s"}'
    raws = [b"data: " + ends, b'data: {"error":"%s"}' % half, one % (half, half)]

    for reply in map(parse_reply, raws):
        f"{reply.finish_reason}{reply.error}".encode()


def test_a_request_repeats_the_answers_without_their_reasoning():
    body = request_body(
        "m",
        "third",
        history=[Exchange("first", "one"), Exchange("second", "two")],
        params={"system": "Be brief.", "temperature": 0.6, "seed": None, "max_tokens": 64},
    )

    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "second"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "third"},
    ]
    assert {k: v for k, v in body.items() if k != "messages"} == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.6,
        "max_tokens": 64,
    }


def test_a_temperature_of_zero_is_sent():
    assert request_body("m", "x", params={"temperature": 0})["temperature"] == 0


def test_a_backtick_of_a_thought_does_not_hide_its_end():
    split = parts_of(tagged("so the key is `x", "`42`"), ended=True)

    assert (split.reasoning, split.answer, split.thought) == ("so the key is `x", "`42`", "closed")


def test_tool_calls_are_bounded():
    def calls(count, arguments):
        pieces = [
            {"index": at, "id": "i" * 500, "function": {"name": "n" * 500, "arguments": arguments}}
            for at in range(count)
        ]
        return parse_reply(stream(*({"tool_calls": [piece]} for piece in pieces)))

    reply = calls(3, "x" * (bounds.ANSWER_CHARS // 2))

    assert reply.is_cut
    assert sum(len(call.arguments) for call in reply.tool_calls) == bounds.ANSWER_CHARS
    assert {(len(call.id), len(call.name)) for call in reply.tool_calls} == {(200, 200)}
    assert not calls(bounds.TOOL_CALLS, "{}").is_cut
    with pytest.raises(TooLarge) as refused:
        calls(bounds.TOOL_CALLS + 1, "{}")
    assert str(refused.value) == "chat:tool-calls"
