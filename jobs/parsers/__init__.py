"""What tools wrote, read: a file an output format.
Here: text or file in, typed values or an error out; no database.
Not here: what becomes of the values (`kinds`), how a tool is called (`toolchains`).
"""
