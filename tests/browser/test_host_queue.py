"""Order of a host's queue in a real browser: by drag, by buttons, by keys, seen by others too."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lib.checks import settle
from tests.browser.lib.visits import PHONE, WIDE, axe, checked, open_window, too_wide

pytestmark = [pytest.mark.browser, pytest.mark.tour]

HOST = "queue-host"
# A drained host starts no job, so that its jobs stay queued.
SEED = f"""
from django.contrib.auth.models import User
from tests.factories import make_host, make_job
host = make_host({HOST!r}, draining=True)
admin = User.objects.get(username="admin")
jobs = [make_job(host=host, created_by=admin, title=f"work {{n}}") for n in range(4)]
urgent = make_job(host=host, created_by=admin, title="urgent work", priority=0)
print("jobs", *[job.pk for job in [urgent, *jobs]])
"""
CLEAN = f"""
from jobs.models import Host, Job
Job.objects.filter(host__name={HOST!r}).delete()
Host.objects.filter(name={HOST!r}).delete()
"""


@pytest.fixture
def queue(stack):
    """Five waiting jobs, the first of them urgent: their numbers."""
    output = stack.shell(SEED)
    yield re.search(r"jobs ([\d ]+)", output)[1].split()
    stack.shell(CLEAN)


@pytest.fixture
def page(person, queue):
    with checked(person, but="409:") as open_page:  # of a refused move
        yield open_page(f"/hosts/{HOST}/queue/")


def expect_order(page, numbers):
    rows = page.locator("[data-queue-job]")
    labels = [re.compile(rf"#{number}\b") for number in numbers]
    expect(rows).to_contain_text(labels)


def row(page, number):
    return page.locator(f"#queue-{number}")


def test_a_dragged_row_keeps_its_place_for_everyone(page, person, queue):
    urgent, first, second, third, fourth = queue
    other = person.new_page()
    other.goto(f"/hosts/{HOST}/")
    expect_order(other, queue)

    row(page, fourth).locator("[data-grip]").drag_to(
        row(page, first), target_position={"x": 80, "y": 4}
    )

    moved = [urgent, fourth, first, second, third]
    expect_order(page, moved)
    expect_order(other, moved)
    page.reload()
    expect_order(page, moved)
    other.close()


def test_a_row_that_is_taken_can_be_dragged_after_an_update_of_the_page(page, stack, queue):
    urgent, first, second, third, fourth = queue
    grip, target = row(page, third).locator("[data-grip]"), row(page, first)
    grip.hover()
    page.mouse.down()
    stack.shell(f"from jobs.models import Job; Job.objects.get(pk={fourth}).delete()")
    page.evaluate("""() => new Promise((updated) => {
        document.addEventListener("live:updated", updated, { once: true });
        document.dispatchEvent(new Event("visibilitychange"));
    })""")

    target.hover(position={"x": 80, "y": 4})
    page.mouse.up()

    expect_order(page, [urgent, third, first, second])


def test_a_row_is_not_dropped_among_those_of_another_priority(page, queue):
    row(page, queue[2]).locator("[data-grip]").drag_to(
        row(page, queue[0]), target_position={"x": 80, "y": 4}
    )

    page.reload()
    assert page.locator("[data-queue-job]").first.get_attribute("id") == f"queue-{queue[0]}"


def test_buttons_and_keys_move_a_row_and_the_focus_goes_along(page, queue):
    urgent, first, second, third, fourth = queue
    earlier = row(page, third).get_by_role("button", name=f"Move #{third} up")
    announcer = page.locator("#announcer")
    earlier.focus()

    page.keyboard.press("Enter")
    expect_order(page, [urgent, first, third, second, fourth])
    expect(announcer).to_have_text(f"#{third} is now at position 3 in the queue.")
    expect(earlier).to_be_focused()

    page.keyboard.press("Alt+ArrowUp")
    expect_order(page, [urgent, third, first, second, fourth])
    expect(announcer).to_have_text(f"#{third} is now at position 2 in the queue.")
    # It is the first of its priority now: that button is off, its neighbour has the focus.
    expect(earlier).to_be_disabled()
    down = re.compile("^Move .* down$")
    expect(row(page, third).get_by_role("button", name=down)).to_be_focused()

    page.keyboard.press("Alt+ArrowDown")
    expect(announcer).to_have_text(f"#{third} is now at position 3 in the queue.")
    page.reload()
    expect_order(page, [urgent, first, third, second, fourth])


def test_what_the_server_refuses_goes_back_with_its_reason(page, stack, queue):
    page.route("**/move/", lambda route: route.fulfill(
        status=409, json={"message": "This job is no longer queued."}
    ))  # fmt: skip
    row(page, queue[3]).get_by_role("button", name=re.compile("^Move .* up$")).click()

    expect(page.get_by_role("alert")).to_have_text("This job is no longer queued.")
    expect_order(page, queue)


def test_without_scripts_the_buttons_are_forms(browser, stack, queue):
    urgent, first, second, third, fourth = queue
    with open_window(browser, stack, java_script_enabled=False) as window:
        page = window.new_page()
        page.goto(f"/hosts/{HOST}/queue/")
        expect(page.locator("[data-grip]").first).to_be_hidden()

        row(page, second).get_by_role("button", name=re.compile("^Move .* up$")).click()

        expect_order(page, [urgent, second, first, third, fourth])
        row(page, fourth).locator("summary").click()
        row(page, fourth).get_by_role("button", name="Set urgent priority").click()
        # Among urgent ones it is the older one.
        expect_order(page, [fourth, urgent, second, first, third])


def test_the_queue_is_accessible_and_fits(page, queue):
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        settle(page)
        assert axe(page) == []
        assert too_wide(page) == ""
