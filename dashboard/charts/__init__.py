"""Figures for Plotly, and small lines as SVG.
Here: rows in, figure out; no request, no person.
Not here: reading the rows (`jobs.queries`), drawing (`static/js`).

Each is a :class:`dashboard.charts.figure_parts.Figure`. Colours are tokens of
the style sheet (``var(--d1)``); the page inserts the colours of its theme and adds its template.
"""
