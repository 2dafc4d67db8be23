"""Output files of jobs, as readers get them."""

import pytest

from jobs.services.outputs import PARSED_MAX, BadOutput, Contents
from tests.factories import make_job

pytestmark = pytest.mark.django_db


def test_files_are_read_up_to_a_size():
    job = make_job()
    for path, size in (("a", 1), ("b", PARSED_MAX)):
        sizes = {"bytes": size, "received_bytes": size, "sha256": "f" * 64}
        job.outputs.create(name="made", path=path, **sizes)
    contents = Contents(job)

    with pytest.raises(FileNotFoundError):  # it is small enough to be read, and not there
        contents["a"]
    with pytest.raises(BadOutput, match=f"'b' have more than {PARSED_MAX} bytes"):
        contents["b"]
