"""Writers of reports: nothing of a text is markup, and a file asks nobody."""

import base64
import csv
import hashlib
import io
import re

import pytest
from markdown_it import MarkdownIt

from dashboard.charts.curves import Series, throughput
from dashboard.pages.shared.cells import Cell, FactList, Heading, Table
from dashboard.reports import writers
from dashboard.reports.document import Code, Listing, Paragraph, Report, ReportFigure, ReportSection

EVIL = "<script>alert(1)</script> | *b* `c` =1+1"


def report(*blocks, warnings=()):
    about = FactList([("Model", Cell(EVIL))])
    return Report("Kind", EVIL, "file", "source", about, [ReportSection("Part", blocks)], warnings)


def figure():
    points = [(1, {"output_tokens_per_s": 5.0}), (2, {"output_tokens_per_s": 9.0})]
    return ReportFigure("Chart", throughput([Series("</script><b>", points)]), 250)


def table(columns):
    heads = [Heading("Concurrency", is_number=False), *(Heading(str(n)) for n in range(columns))]
    return Table("Wide", heads, [[Cell("rate"), *(Cell(f"v{n}") for n in range(columns))]], ["end"])


BLOCKS = (
    Paragraph(EVIL),
    Listing([EVIL, EVIL], EVIL),
    FactList([(EVIL, Cell(EVIL, note=EVIL))], EVIL),
    Table(EVIL, [Heading(EVIL), Heading(EVIL)], [[Cell(EVIL), Cell(EVIL, interval=EVIL)]], [EVIL]),
    Code(EVIL, f"{EVIL}\n```\nend"),
)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_html_shows_a_text_as_it_is(block):
    text = writers.html(report(block, warnings=[EVIL]))

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | *b*" in text


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_markdown_shows_a_text_as_it_is(block):
    rendered = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(writers.markdown(report(block, warnings=[EVIL])))
    )

    assert "<script>" not in rendered
    assert "<em>b" not in rendered
    assert rendered.count("&lt;script&gt;alert(1)&lt;/script&gt; | *b* `c` =1+1") >= 3


@pytest.mark.parametrize("text", ["# a", "- a", "1. a", "+ a", "= a", "  > a", "![a](b)", "a  \nb"])
def test_no_line_begins_a_block_of_markdown(text):
    rendered = MarkdownIt("commonmark").render(writers.escaped(text))

    assert re.fullmatch(r"<p>[^<]*</p>\n", rendered)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1"])
def test_a_spreadsheet_reads_no_formula(text):
    rows = list(csv.DictReader(io.StringIO(writers.csv(report(Listing([text]))))))

    assert [row["text"] for row in rows][-1] == f"'{text}"


def test_a_negative_number_stays_a_number():
    cell = Cell("−1.5", value=-1.5)

    text = writers.csv(report(FactList([("drift", cell)])))

    assert ",-1.5," in text


def test_a_wide_table_is_several_on_paper():
    text = writers.html(report(table(20)))

    assert text.count("<table>") == 3
    assert text.count(">rate</span>") == 3
    assert text.count("<h3>Wide</h3>") == 1
    assert all(f">v{n}</span>" in text for n in range(20))


def test_every_script_and_style_is_in_the_policy():
    text = writers.html(report(figure()))

    policy = re.search('Content-Security-Policy" content="(.*?)"', text)[1]
    parts = re.findall("<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)
    assert len(parts) == 3
    for part in parts:
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy.replace("&#x27;", "'")
    assert "default-src &#x27;none&#x27;" in policy


def test_charts_have_colours_and_no_addresses():
    text = writers.html(report(figure()))

    data = text[text.index('id="chart-0-0"') :]
    data = data[: data.index("</script>")]
    assert "var(--" not in data
    assert "#0d3d99" in data
    assert "\\u003C/script" in data
    assert not re.search(r'(?:src|href)="', text[: text.index("<script>")])


def test_a_report_without_charts_has_no_library():
    assert len(writers.html(report(Paragraph("a")))) < 300_000
