"""What pages show of one job: its plan, why it failed, what helps.
Here: view models of a job or of a plan that is not launched yet.
Not here: its place in the queue (`presenters.queue`), its result (`presenters.result`).
"""
