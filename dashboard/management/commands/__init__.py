"""One file a command of `manage.py`.
Here: arguments, output, exit code.
Not here: what several commands share (`dashboard.management.base`).
"""
