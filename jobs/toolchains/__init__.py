"""How tools are called: command lines, files, environments; a file a tool.
Here: what a tool wants to be told, and the steps that make it ready.
Not here: which fields a form has (`kinds`), what a tool writes (`parsers`).
"""
