"""Whole texts are compressed for those who ask for it; nothing else is."""

import gzip

import pytest
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import RequestFactory

from dashboard.middleware import compressed

TEXT = b"<p>line</p>" * 200
HTML = {"Content-Type": "text/html; charset=utf-8"}


def answer(response, accepted="gzip, deflate"):
    request = RequestFactory(headers={"Accept-Encoding": accepted}).get("/")
    return compressed(lambda _request: response)(request)


@pytest.mark.django_db
def test_a_page_is_compressed_and_says_so(browser):
    plain = browser.get("/jobs/")
    packed = browser.get("/jobs/", headers={"Accept-Encoding": "gzip"})

    assert (plain.has_header("Content-Encoding"), packed["Content-Encoding"]) == (False, "gzip")
    assert b"</html>" in gzip.decompress(packed.content)
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content) / 3
    assert "Accept-Encoding" in plain["Vary"]
    assert "Accept-Encoding" in packed["Vary"]


def test_the_size_of_a_page_varies_at_random():
    assert len({len(answer(HttpResponse(TEXT)).content) for _ in range(20)}) > 1


def test_json_is_compressed():
    packed = answer(JsonResponse(["x" * 2000], safe=False), accepted="br, gzip;q=0.5")

    assert gzip.decompress(packed.content)


@pytest.mark.parametrize("kind", ["text/css", "text/javascript", "text/plain; charset=utf-8"])
def test_other_whole_texts_are_compressed(kind):
    assert gzip.decompress(answer(HttpResponse(TEXT, content_type=kind)).content) == TEXT


@pytest.mark.parametrize(
    "response",
    [
        StreamingHttpResponse([TEXT], headers=HTML),
        HttpResponse(TEXT, headers={**HTML, "Accept-Ranges": "bytes"}),
        HttpResponse(TEXT, headers={**HTML, "Content-Encoding": "br"}),
        HttpResponse(TEXT, content_type="application/octet-stream"),
        HttpResponse(TEXT[:900]),
    ],
    ids=["stream", "with ranges", "compressed", "bytes", "small"],
)
def test_other_answers_stay_as_they_are(response):
    before = dict(response.items())

    assert dict(answer(response).items()) == before


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br, gzip; q=0.0, *"])
def test_who_does_not_ask_gets_the_text(accepted):
    assert answer(HttpResponse(TEXT), accepted=accepted).content == TEXT
