"""OpenCompass: its configuration, run, environment and summaries.
Here: its command lines, scripts, formats and pins.
Not here: fields of the forms (`kinds.evaluate`).
"""
