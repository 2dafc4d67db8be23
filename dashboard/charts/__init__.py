"""Figures for Plotly, and lines as small SVG.
Here: rows in, figure out; no request, no person.
Not here: reading the rows (`jobs.queries`), drawing (`static/js`).

A figure is a ``go.Figure``, which checks every property of the traces and the layout that it is
given, once. Colours are tokens of the style sheet (``var(--d1)``); the page puts in those of its
theme and adds its template.
"""

import plotly.io

# The page has a template of its own, static/plotly-template.json: none is sent with each figure.
plotly.io.templates.default = None
