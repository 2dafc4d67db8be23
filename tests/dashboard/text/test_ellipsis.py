import pytest

from dashboard.templatetags.ui import middle
from dashboard.text.formatting import halves


@pytest.mark.parametrize(
    ("name", "tail"),
    [
        ("DeepSeek-R1-Distill-Qwen-32B-int8-tp4-1024-2048", "int8-tp4-1024-2048"),
        ("DeepSeek-R1-Distill-Qwen-32B-fp16-tp4-1024-2048", "fp16-tp4-1024-2048"),
        ("smollm2-135m-instruct Q8_0 from Q4_1", "Q8_0 from Q4_1"),
        ("deepseek-r1-distill-qwen-32b", "ill-qwen-32b"),
        ("int8-of-something-with-a-very-long-name", "ry-long-name"),
        ("short", ""),
        ("", ""),
    ],
)
def test_a_name_is_cut_before_the_part_that_differs(name, tail):
    head, end = halves(name)

    assert end == tail
    assert head + end == name


def test_a_name_is_text_on_the_page():
    assert "<b>" not in middle("<b>a name that is long enough</b>")
