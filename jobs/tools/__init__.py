"""Tools, a folder each: commands, formats, scripts, pins and locks.
Here: a tool's `commands`, its outputs (`reading`, `parser`, `host_reader`), shared parts.
Not here: which fields a form has (`kinds`).

Modules that end in `parser`, `reading` or `imports` read a stranger's bytes: confined workers
import them. Readings and imports know kinds; kinds name them as texts.
"""
