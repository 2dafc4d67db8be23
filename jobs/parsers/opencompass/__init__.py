"""What OpenCompass writes.
Here: summaries, predictions, logs, tables.
Not here: how it is called (`toolchains.opencompass`).
"""
