"""Lines of a log from chunks."""

from jobs.tools.outputs.files import LONGEST_PART, Lines, lines_of


def test_lines_are_the_same_however_the_log_is_cut():
    log = b"one\x1b[32m two\x1b[0m\r 50%|x\r100%|y\n\nthree\n" + b"z" * 20 + b"\nlast"
    whole = list(lines_of(log))

    for size in (1, 2, 3, 11):
        lines = Lines()
        parsed = [
            line for at in range(0, len(log), size) for line in lines.feed(log[at : at + size])
        ]
        assert [*parsed, *lines.end()] == whole
    assert [(line.number, line.text) for line in whole] == [
        *((1, "one two"), (1, " 50%|x"), (1, "100%|y"), (3, "three"), (4, "z" * 20), (5, "last")),
    ]
    assert log[whole[3].offset :].startswith(b"three")


def test_a_line_without_an_end_does_not_fill_the_memory():
    lines, piece = Lines(), b"\r 50%|bar" * 4000
    parsed = []
    for _ in range(20):
        parsed += lines.feed(piece)
        assert len(lines._rest) < 2 * len(piece) + 64 * 1024
    parsed += lines.feed(b"\nnext\n")

    assert len(parsed) == 20 * 4000 + 1
    assert {line.number for line in parsed[:-1]} == {1}
    assert (parsed[-1].number, parsed[-1].offset) == (2, 20 * len(piece) + 1)


def test_a_long_line_comes_in_parts_of_one_number():
    long = b"x" * (LONGEST_PART + 10)

    found = list(lines_of(b"a\n" + long + b"\nb\n"))

    assert [(one.number, one.offset, len(one.text)) for one in found] == [
        (1, 0, 1),
        (2, 2, LONGEST_PART),
        (2, 2, 10),
        (3, 2 + len(long) + 1, 1),
    ]
