"""Tags and filters of the templates.
Here: one thin function a tag; libraries are named by what uses them.
Not here: what they compute (`text`, `pages`, `charts`).
"""
