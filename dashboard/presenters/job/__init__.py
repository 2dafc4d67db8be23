"""View models of one job: plan, failure, remedies.
Here: view models of a job or of a plan that is not launched yet.
Not here: its place in the queue (`presenters.queue`), its result (`presenters.result`).
"""
