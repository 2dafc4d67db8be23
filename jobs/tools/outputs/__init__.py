"""Formats and readings that several tools share.
Here: files, figures, lines, answers, failures, progress; readings that several kinds share.
Not here: the format of one tool (`parser` in its folder).
"""
