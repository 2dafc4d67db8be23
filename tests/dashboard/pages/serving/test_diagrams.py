"""The frame that draws diagrams: it runs two scripts, and only pages of the dashboard show it."""

from django.urls import reverse


def test_the_frame_has_its_own_origin_and_loads_scripts_only(client, lin):
    response = client.get(reverse("playground-diagrams"))

    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "allow-scripts",
    }
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_other_pages_have_no_inline_style_and_no_frame_around_them(client, lin):
    headers = client.get(reverse("playground")).headers

    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
