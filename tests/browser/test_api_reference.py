"""The API's reference: Swagger UI under our policy, with nothing from elsewhere."""

import pytest

from tests.browser.lib.visits import PHONE, WIDE, too_wide

pytestmark = pytest.mark.browser


def open_operation(page, name):
    page.goto("/api/v1/")
    operation = page.locator(f"#operations-Jobs-{name}")
    operation.locator(".opblock-summary-control").click()
    operation.locator(".try-out__btn").click()
    return operation


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_the_reference_shows_and_tries_each_operation(page, server, viewport, scheme):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    jobs = open_operation(page, "list_jobs")
    with page.expect_response("**/api/v1/jobs?*") as answer:
        jobs.locator(".execute").click()

    assert answer.value.status == 200
    assert page.locator(".opblock").count() > 30
    is_dark = "dark-mode" in (page.locator("html").get_attribute("class") or "")
    assert is_dark == (scheme == "dark")
    assert too_wide(page) == ""
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []


def test_what_is_tried_with_a_session_carries_its_csrf_token(page, window):
    cancel = open_operation(page, "cancel_job")
    cancel.locator("input").first.fill("999999")
    with page.expect_response("**/cancel") as answer:
        cancel.locator(".execute").click()

    assert (answer.value.status, answer.value.json()["error"]) == (404, "missing")
    assert [each[:4] for each in window.complaints.take()] == ["404:"]
