"""Parsers of OpenCompass's outputs.
Here: summaries, predictions, logs, tables.
Not here: its command lines (`toolchains.opencompass`).
"""
