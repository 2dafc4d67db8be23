"""Intervals, tests and sample sizes of shares, differences and repeats.
Here: pure functions with their sources; every interval is of 95 %.
Not here: which numbers are compared (`comparison`, `parity`).
"""

from jobs.statistics.evidence import (
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
from jobs.statistics.shares import (
    Share,
    design_effect,
    difference,
    mcnemar,
    pooled,
    weights_of,
)

__all__ = [
    "LEAST_RUNS",
    "Decision",
    "Evidence",
    "Goal",
    "Interval",
    "Method",
    "Scores",
    "Seen",
    "Share",
    "Z",
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
    "monitored_z",
    "more_questions",
    "paired_difference",
    "pooled",
    "quantile_interval",
    "relative_change",
    "relative_difference",
    "runs_to_tell",
    "weights_of",
    "wilson",
]
