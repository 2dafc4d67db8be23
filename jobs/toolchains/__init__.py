"""Commands of tools: command lines, files, environments; one file per tool.
Here: a tool's arguments and setup steps.
Not here: which fields a form has (`kinds`), what a tool writes (`parsers`).
"""
