"""Charts, one file each: rows in, a figure of Plotly out; pure.

Figures are made of ``plotly.graph_objects``, which checks every property. Colours are tokens of the
style sheet (``var(--d1)``); the page puts in those of its theme and adds its template.
"""

import plotly.io

# The page has a template of its own, static/plotly-template.json: none is sent with each figure.
plotly.io.templates.default = None
