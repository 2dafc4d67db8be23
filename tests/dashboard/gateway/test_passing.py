"""Bytes of an answer as they pass the gateway."""

import pytest

from dashboard.gateway.passing import PassedStream, Tokens, tokens_in

PIECES = [
    b'data: {"choices":[{"delta":{"content":"a \\"usage\\" of words"}}],"usage":null}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,'
    b'"prompt_tokens_details":{"cached_tokens":1}}}\n\n',
    b"data: [DONE]\n\n",
]
STREAM = b"".join(PIECES)


@pytest.mark.parametrize("size", [1, 7, 64, len(STREAM)])
@pytest.mark.parametrize("takes_usage", [True, False])
def test_only_the_event_with_the_counts_is_taken_out(size, takes_usage):
    stream = PassedStream(takes_usage=takes_usage)

    parts = [stream.add(STREAM[at : at + size]) for at in range(0, len(STREAM), size)]
    passed = b"".join([*parts, stream.end()])

    assert passed == STREAM.replace(PIECES[2], b"") if takes_usage else passed == STREAM
    assert stream.tokens == Tokens(3, 2)
    assert stream.is_whole


def test_a_long_event_is_passed_on_before_its_end():
    stream = PassedStream(takes_usage=True)

    assert stream.add(b"data: " + b"x" * 100_000)


def test_a_cut_stream_counts_its_pieces():
    stream = PassedStream(takes_usage=True)
    stream.add(PIECES[0] * 5)

    assert stream.tokens == Tokens(0, 5, is_estimated=True)
    assert not stream.is_whole


@pytest.mark.parametrize(
    "content", [b"{}", b'{"usage":{"prompt_tokens":"x"}}', b'{"usage":{', b'"usage":{"a":}']
)
def test_what_is_no_count_is_none(content):
    assert tokens_in(content) in (None, Tokens(0, 0))
