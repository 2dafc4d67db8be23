"""Heat map of a matrix: a metric by lengths and concurrency."""

from django.utils.translation import gettext as _

from dashboard.charts.figure_parts import Figure, axis, margins, note
from dashboard.text.labels import cell_marks, metric_label, metric_text
from jobs.queries.matrices import CellView, MatrixPage

# Two ends of one hue: readable in both themes, also for colour-blind people.
_SCALE = [[0, "var(--surface-2)"], [1, "var(--d1)"]]
_RING = "○"  # of a number that something limits, as the hollow points of other charts


def lengths(input_tokens: int | None, output_tokens: int) -> str:
    """Return a pair of lengths: "1024 → 256"; without a chosen prompt length "output 256"."""
    if input_tokens is None:
        return _("output %(tokens)s") % {"tokens": output_tokens}
    return f"{input_tokens} → {output_tokens}"


def figure(page: MatrixPage) -> Figure:
    """Return the figure: a row of lengths, a column of concurrency; gaps are cells without a
    value."""
    cells = [row.across(page.columns) for row in page.rows]
    trace = {
        "type": "heatmap",
        "x": [str(concurrency) for concurrency in page.columns],
        "y": [lengths(row.input_tokens, row.output_tokens) for row in page.rows],
        "z": [[cell.value if cell else None for cell in row] for row in cells],
        "colorscale": _SCALE,
        "text": [[_text(page, cell) for cell in row] for row in cells],
        "texttemplate": "%{text}",
        "hovertext": [
            ["".join(f"<br>{word}" for word in cell_marks(cell)) if cell else "" for cell in row]
            for row in cells
        ],
        "hovertemplate": "%{y}, %{x}: %{text}%{hovertext}<extra></extra>",
        "textfont": {"color": "var(--ink)"},
        "opacity": 0.45,  # of the colours, not of the numbers: these stay readable
        # The numbers replace a colour bar, which Plotly draws with a style attribute: the policy
        # of the page forbids it.
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "name": metric_label(page.metric),
    }
    marks = [word for cell in page.cells for word in cell_marks(cell)]
    words = _(", ").join(dict.fromkeys(marks))
    layout = {
        **({"annotations": [note(f"{_RING} {words}")]} if words else {}),
        "margin": margins(left=100, right=14),
        "xaxis": axis(_("concurrency"), type="category"),
        "yaxis": axis(_("lengths, tokens"), type="category", autorange="reversed"),
    }
    return Figure([trace], layout)


def _text(page: MatrixPage, cell: CellView | None) -> str:
    if cell is None or cell.value is None:
        return ""
    text = metric_text(page.metric, cell.value)[0]
    return f"{_RING} {text}" if cell_marks(cell) else text
