"""Pages, a folder an area: view, view model and form side by side.
Here: what a page shows and takes.
Not here: changes (`actions`), words of several areas (`text`).
"""

from dashboard.pages.shared import addresses  # noqa: F401 -- the converter of the addresses
