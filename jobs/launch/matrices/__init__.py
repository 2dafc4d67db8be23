"""Matrices: one benchmark over lengths and concurrencies, a job for each run.
Here: workload, cells, limits, order; launch, resume, one cell again, cancel.
Not here: the end of a row (`services.outcomes`), reads (`queries.matrices`).
"""

from jobs.launch.matrices.cells import Cell, Limits, Run, cells_of, runs_of
from jobs.launch.matrices.launch import (
    CellPreview,
    MatrixPreview,
    cancel_matrix,
    launch_matrix,
    preview_matrix,
    recover_lost,
    repeat_cell,
    resume_matrix,
)
from jobs.launch.matrices.spec import AXES, MatrixSpec, kinds

__all__ = [
    "AXES",
    "Cell",
    "CellPreview",
    "Limits",
    "MatrixPreview",
    "MatrixSpec",
    "Run",
    "cancel_matrix",
    "cells_of",
    "kinds",
    "launch_matrix",
    "preview_matrix",
    "recover_lost",
    "repeat_cell",
    "resume_matrix",
    "runs_of",
]
