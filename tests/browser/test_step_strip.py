"""The strip of a job's steps: no word runs over another, however long a step's end is."""

import pytest

from tests.browser.lib.visits import too_wide

pytestmark = pytest.mark.browser

# A failed job of five steps, one of which was ended by a signal after an hour.
STEPS = """
from django.utils.timezone import now
from jobs.models import JobStep
from tests.factories import make_job
job = make_job(state="failed", message_id="work:exit", started_at=now(), finished_at=now())
JobStep.objects.filter(job=job).delete()
ends = [("create the environment", 0, 65.2), ("download", 0, 3725.0), ("install", -15, 12.0)]
ends += [(f"check the installation {n}", None, None) for n in range(4)]
for index, (name, code, seconds) in enumerate(ends):
    JobStep.objects.create(job=job, index=index, name=name, exit_code=code, duration_s=seconds)
print(job.pk)
"""
# Pairs of neighbours in a step of which the second begins before the first ends.
OVERLAPS = """() => [...document.querySelectorAll(".track .row0")].filter((row) => {
  const [name, end] = [...row.children].map((one) => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return range.getBoundingClientRect();
  });
  return end?.width && end.left < name.right && end.top < name.bottom && end.bottom > name.top;
}).map((row) => row.textContent)"""


def test_the_end_of_a_step_does_not_run_over_its_name(server, open_page):
    (job,) = server.shell(STEPS)
    page = open_page(f"/jobs/{job}/")
    page.locator(".track li").nth(4).wait_for()
    for width in (1440, 1280, 900, 390):
        page.set_viewport_size({"width": width, "height": 800})

        assert (width, page.evaluate(OVERLAPS), too_wide(page)) == (width, [], "")
