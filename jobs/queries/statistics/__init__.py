"""Intervals, tests and sample sizes of shares, differences and repeats.
Here: pure functions with their sources; every interval is of 95 %.
Not here: which numbers are compared (`comparison`, `parity`).
"""

from jobs.paired import (
    Decision,
    Interval,
    Z,
    decision,
    monitored_z,
    paired_difference,
    score_difference,
    wilson,
)
from jobs.queries.statistics.bootstrap import bootstrap_difference
from jobs.queries.statistics.clusters import (
    clustered_error,
    design_effect,
    mean_of_differences,
)
from jobs.queries.statistics.equivalence import (
    Missing,
    missing,
    paired_variance,
    questions_for_equivalence,
)
from jobs.queries.statistics.samples import (
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
from jobs.queries.statistics.shares import (
    difference,
    mcnemar,
    questions_to_tell,
)
from jobs.queries.statistics.strata import Share, pooled, pooled_difference, weights_of

__all__ = [
    "LEAST_RUNS",
    "Decision",
    "Interval",
    "Missing",
    "Share",
    "Z",
    "bootstrap_difference",
    "clustered_error",
    "decision",
    "design_effect",
    "difference",
    "least_samples",
    "mcnemar",
    "mean",
    "mean_difference",
    "mean_interval",
    "mean_of_differences",
    "missing",
    "monitored_z",
    "paired_difference",
    "paired_variance",
    "pooled",
    "pooled_difference",
    "quantile_interval",
    "questions_for_equivalence",
    "questions_to_tell",
    "relative_change",
    "relative_difference",
    "runs_to_tell",
    "score_difference",
    "weights_of",
    "wilson",
]
