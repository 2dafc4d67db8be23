"""Parsers of tool outputs: one file per output format.
Here: text or file in, typed values or an error out; no database.
Not here: use of the values (`kinds`), command lines of tools (`toolchains`).
"""
