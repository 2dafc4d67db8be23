"""No path, query or frame of a socket makes the web server fail: each is closed with a code."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from dashboard.consumers import BAD_REQUEST, NOT_FOUND, OVER
from tests.dashboard.lib.socket_server import running_server
from tests.fuzz.values import NASTY, fuzz

pytestmark = pytest.mark.processes

# Ended by the log, refused by the page's own codes, or by the protocol: text that is not UTF-8.
CODES = {OVER, BAD_REQUEST, NOT_FOUND, 1007, 1009}
TEXTS = st.one_of(
    st.sampled_from([str(value)[:2000] for value in NASTY]), st.text(max_size=30), st.just("0")
).map(lambda text: text.encode("utf-8", "replace").decode())
FRAMES = st.one_of(TEXTS, st.binary(max_size=300), st.just("x" * 200_000), st.just("[" * 50_000))
PATHS = st.one_of(
    st.sampled_from(["live/", "log/job/1/", "log/deployment/1/", "log/job/99/", "log/other/1/"]),
    TEXTS.map(lambda text: f"log/job/{quote(text, safe='')[:500]}/"),
    TEXTS.map(lambda text: quote(text, safe="")[:500]),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sockets")
    with running_server(folder, errors=folder / "errors.txt") as running:
        yield running


@fuzz
@given(
    path=PATHS,
    query=st.dictionaries(st.sampled_from(["from", "x"]), TEXTS, max_size=2),
    frames=st.lists(FRAMES, max_size=4),
)
def test_frames_of_sockets(server, path, query, frames):
    words = "&".join(f"{name}={quote(text, safe='')[:2000]}" for name, text in query.items())
    try:
        with server.socket(f"{path}?{words}", open_timeout=20) as page:
            for frame in frames:
                page.send(frame)
            page.recv(timeout=0.05)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        assert closed.rcvd.code in CODES
    except (InvalidStatus, InvalidMessage) as refused:
        assert getattr(getattr(refused, "response", None), "status_code", 400) < 500
    except TimeoutError:
        pass  # open, and nothing to send
    assert "Traceback" not in (server.data_dir / "errors.txt").read_text()
    assert server.get("jobs").status == 200
