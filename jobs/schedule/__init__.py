"""Who starts next, and why not.
Here: queue, capacity, deployments, states of a job, checks and confirmations before it, forecast.
Not here: what a person launches (`launch`), the end of a job (`services.outcomes`).
"""
