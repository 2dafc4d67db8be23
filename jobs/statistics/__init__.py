"""Intervals, tests and sample sizes of shares, differences and repeats.
Here: pure functions with their sources; every interval is of 95 %.
Not here: which numbers are compared (`comparison`, `parity`).
"""

from jobs.statistics.clusters import cells_of, clustered_error, design_effect, mean_of_differences
from jobs.statistics.evidence import (
    ALL,
    Difference,
    Evidence,
    Method,
    Scores,
    difference_of,
    from_scores,
    gap_of_same,
)
from jobs.statistics.paired import (
    Decision,
    Goal,
    Interval,
    Z,
    decision,
    extended_z,
    monitored_z,
    paired_difference,
    wilson,
)
from jobs.statistics.power import Seen, more_questions
from jobs.statistics.samples import (
    LEAST_RUNS,
    least_samples,
    mean,
    mean_difference,
    mean_interval,
    quantile_interval,
    relative_change,
    relative_difference,
    runs_to_tell,
)
from jobs.statistics.shares import difference, mcnemar
from jobs.statistics.strata import Share, pooled, pooled_difference, weights_of

__all__ = [
    "ALL",
    "LEAST_RUNS",
    "Decision",
    "Difference",
    "Evidence",
    "Goal",
    "Interval",
    "Method",
    "Scores",
    "Seen",
    "Share",
    "Z",
    "cells_of",
    "clustered_error",
    "decision",
    "design_effect",
    "difference",
    "difference_of",
    "extended_z",
    "from_scores",
    "gap_of_same",
    "least_samples",
    "mcnemar",
    "mean",
    "mean_difference",
    "mean_interval",
    "mean_of_differences",
    "monitored_z",
    "more_questions",
    "paired_difference",
    "pooled",
    "pooled_difference",
    "quantile_interval",
    "relative_change",
    "relative_difference",
    "runs_to_tell",
    "weights_of",
    "wilson",
]
