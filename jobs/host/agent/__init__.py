"""The host's processes: agent, Celery worker, their supervisor.
Here: entry points, and the loop that asks the other rooms.
Not here: what is done for one job (the rooms below).
"""
