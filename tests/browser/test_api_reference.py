"""The API's reference: Swagger UI under our policy, with nothing from elsewhere."""

import pytest

from tests.browser.lib.visits import PHONE, WIDE, Complaints, too_wide

pytestmark = [pytest.mark.browser, pytest.mark.tour]


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_the_reference_shows_and_tries_each_operation(visitor, stack, viewport, scheme):
    complaints, asked = Complaints(), []
    with visitor.context(logged_in=True, viewport=viewport, color_scheme=scheme) as context:
        complaints.listen(context)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto("/api/v1/")
        jobs = page.locator("#operations-Jobs-list_jobs")
        jobs.locator(".opblock-summary-control").click()
        jobs.locator(".try-out__btn").click()
        with page.expect_response("**/api/v1/jobs?*") as answer:
            jobs.locator(".execute").click()

        assert answer.value.status == 200
        assert page.locator(".opblock").count() > 30
        assert ("dark-mode" in (page.locator("html").get_attribute("class") or "")) == (
            scheme == "dark"
        )
        assert too_wide(page) == ""
    assert [url for url in asked if not url.startswith((stack.url, "data:", "blob:"))] == []
    assert complaints == []


def test_what_is_tried_with_a_session_carries_its_csrf_token(visitor):
    with visitor.context(logged_in=True) as context:
        page = context.new_page()
        page.goto("/api/v1/")
        cancel = page.locator("#operations-Jobs-cancel_job")
        cancel.locator(".opblock-summary-control").click()
        cancel.locator(".try-out__btn").click()
        cancel.locator("input").first.fill("999999")
        with page.expect_response("**/cancel") as answer:
            cancel.locator(".execute").click()

        assert (answer.value.status, answer.value.json()["error"]) == (404, "missing")
