"""The matrix of faults: real processes, each hit in the middle of a job. ``make faults``."""
